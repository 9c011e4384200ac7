package tree

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// node is a kind for tests with every sort of constraint: a unique name per parent, tags to look up by,
// a restricting, a cascading and detaching references.
type node struct {
	model.Meta
	kind   model.Kind
	Region model.ID   // restrict
	Owner  model.ID   // cascade
	Home   model.ID   // cascade, of the kind that Region restricts
	Links  []model.ID // detach
	Tags   []string
}

func (n *node) Kind() model.Kind {
	if n == nil {
		return "region"
	}
	return n.kind
}
func (n *node) Clone() model.Object { c := *n; return &c }

func tables() []model.Table {
	of := func(kind model.Kind) model.Table {
		return model.Table{
			Kind: kind,
			New:  func() model.Object { return &node{kind: kind} },
			Unique: []model.Index{{Name: "name", Keys: func(o model.Object) []string {
				return []string{string(o.(*node).Region) + "\x00" + o.Base().Name}
			}}},
			Indexes: []model.Index{
				{Name: "tag", Keys: func(o model.Object) []string { return o.(*node).Tags }},
				{Name: "region", Keys: func(o model.Object) []string { return []string{string(o.(*node).Region)} }},
			},
		}
	}
	region, zone := of("region"), of("zone")
	zone.Unique = append(zone.Unique, model.Index{Name: "mac", Keys: func(o model.Object) []string { return o.(*node).Tags[:min(1, len(o.(*node).Tags))] }})
	zone.Refs = []model.Ref{
		{Field: "region", To: "region", IDs: func(o model.Object) []model.ID { return []model.ID{o.(*node).Region} }},
		{Field: "owner", To: "zone", OnDelete: model.Cascade, IDs: func(o model.Object) []model.ID { return []model.ID{o.(*node).Owner} }},
		{Field: "home", To: "region", OnDelete: model.Cascade, IDs: func(o model.Object) []model.ID { return []model.ID{o.(*node).Home} }},
		{Field: "links", To: "zone", OnDelete: model.Detach, IDs: func(o model.Object) []model.ID { return o.(*node).Links },
			Drop: func(o model.Object, id model.ID) {
				n := o.(*node)
				n.Links = slices.DeleteFunc(slices.Clone(n.Links), func(l model.ID) bool { return l == id })
			}},
	}
	return []model.Table{region, zone}
}

func region(id, name string) *node {
	return &node{Meta: model.Meta{ID: model.ID(id), Name: name}, kind: "region"}
}

func zone(id, name, region string) *node {
	return &node{Meta: model.Meta{ID: model.ID(id), Name: name}, kind: "zone", Region: model.ID(region)}
}

func put(t *testing.T, e *Edit, all ...*node) {
	t.Helper()
	for _, o := range all {
		if err := e.Put(o); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	e := New(tables()).Edit()
	put(t, e, region("r1", "eu"), region("r2", "us"),
		zone("z1", "eu-a", "r1"), zone("z2", "eu-b", "r1"), zone("z3", "eu-c", "r1"), zone("z4", "eu-d", "r1"), zone("z5", "us-a", "r2"))
	tagged := zone("z6", "us-b", "r2")
	tagged.Tags = []string{"da:1e"}
	put(t, e, tagged)
	leaving := zone("z7", "us-c", "r2")
	leaving.Phase = model.Deleting
	put(t, e, leaving)

	again := zone("z8", "us-d", "r2")
	again.Tags = []string{"da:1e"}
	joining := zone("z9", "us-e", "r2")
	joining.Owner = "z7"
	for _, c := range []struct {
		name, field, message string
		code                 fault.Code
		err                  error
	}{
		{"unique name", "name", `a region named "eu" exists already`, fault.Conflict, e.Put(region("r3", "eu"))},
		{"unique field", "mac", `another zone has this mac already`, fault.Conflict, e.Put(again)},
		{"missing target", "region", `region "nowhere" does not exist`, fault.Invalid, e.Put(zone("z10", "x", "nowhere"))},
		{"target on its way out", "owner", `zone "us-c" is being deleted`, fault.Conflict, e.Put(joining)},
		{"restricted", "", `region "eu" still has zone "eu-a" and 3 more`, fault.Conflict, e.Delete("region", "r1")},
		{"restricted by few", "", `region "us" still has zone "us-a" and 2 more`, fault.Conflict, e.Delete("region", "r2")},
		{"absent", "", `zone "z99" does not exist`, fault.NotFound, e.Delete("zone", "z99")},
		{"no table", "", `objects of kind "gnu" cannot be kept: the kind has no table`, fault.Internal, e.Put(&node{kind: "gnu"})},
	} {
		f := fault.From(c.err)
		if f == nil || f.Code != c.code || f.Field != c.field || f.Message != c.message {
			t.Errorf("%s: got %+v, want %s %s %q", c.name, f, c.code, c.field, c.message)
		}
	}
	if err := e.Put(zone("z11", "eu-a", "r2")); err != nil {
		t.Errorf("the same name in another region: %v", err)
	}
	moved := zone("z7", "us-c2", "r2")
	moved.Phase = model.Deleting
	put(t, e, moved) // what refers already, or goes itself, may still be changed
}

func TestDeleteCascadesAndDetaches(t *testing.T) {
	e := New(tables()).Edit()
	put(t, e, region("r", "eu"), zone("a", "a", "r"))
	b, c, d := zone("b", "b", "r"), zone("c", "c", "r"), zone("d", "d", "r")
	b.Owner, c.Owner = "a", "b"
	d.Links = []model.ID{"c", "d", "a"}
	put(t, e, b, c, d)
	root := e.Publish(7)

	e = root.EditAt(8, time.Unix(100, 0))
	if err := e.Delete("zone", "a"); err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, c := range e.Changes() {
		did = append(did, fmt.Sprintf("%s:%v", c.ID, c.After != nil))
	}
	if got := strings.Join(did, " "); got != "d:true a:false b:false c:false" {
		t.Errorf("changes: %s", got)
	}
	left, _ := e.Get("zone", "d")
	if got := left.(*node); !slices.Equal(got.Links, []model.ID{"d"}) || got.Version != 8 || !got.Updated.Equal(time.Unix(100, 0)) {
		t.Errorf("the detached referrer is %+v", got)
	}
	if before, _ := root.Get("zone", "d"); len(before.(*node).Links) != 3 || root.Len("zone") != 4 {
		t.Error("the root the draft began from has changed")
	}
	if err := e.Delete("region", "r"); !strings.Contains(err.Error(), `still has zone "d"`) {
		t.Errorf("delete region: %v", err)
	}
}

// What goes along cannot hold on to what goes.
func TestCascadeOutweighsRestrict(t *testing.T) {
	e := New(tables()).Edit()
	a, b := zone("a", "a", "r"), zone("b", "b", "r")
	a.Home, b.Owner = "r", "a"
	put(t, e, region("r", "eu"), a, b)
	if err := e.Delete("region", "r"); err != nil || e.Len("zone") != 0 {
		t.Errorf("delete: %v, %d zones left", err, e.Len("zone"))
	}
	put(t, e, region("r", "eu"), a, zone("c", "c", "r"))
	if err := e.Delete("region", "r"); !fault.Is(err, fault.Conflict) || err.Error() != `region "eu" still has zone "c"` || e.Len("zone") != 2 {
		t.Errorf("delete with one that stays: %v, %d zones left", err, e.Len("zone"))
	}
}

// A detach that cannot be done leaves no half of the deletion behind.
func TestFailedDetachLeavesNothing(t *testing.T) {
	ts := tables()
	drop := ts[1].Refs[3].Drop
	ts[1].Refs[3].Drop = func(o model.Object, id model.ID) {
		if o.Base().Name != "stubborn" {
			drop(o, id)
		}
	}
	e := New(ts).Edit()
	put(t, e, region("r", "eu"), zone("a", "a", "r"))
	b, c := zone("b", "b", "r"), zone("c", "stubborn", "r")
	b.Links, c.Links = []model.ID{"a"}, []model.ID{"a"}
	put(t, e, b, c)
	e = e.Publish(1).Edit()
	if err := e.Delete("zone", "a"); !fault.Is(err, fault.Internal) {
		t.Fatalf("delete: %v", err)
	}
	if ch := e.Changes(); len(ch) != 0 {
		t.Errorf("a refused deletion left %d changes", len(ch))
	}
	if o, _ := e.Get("zone", "b"); len(o.(*node).Links) != 1 {
		t.Error("a refused deletion detached a referrer")
	}
}

func TestStampsAndUnchangedPuts(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	e := New(tables()).EditAt(5, at(50))
	mine := region("r", "eu")
	put(t, e, mine)
	if mine.Version != 0 {
		t.Error("Put wrote into the caller's object")
	}
	root := e.Publish(5)
	got, _ := root.Get("region", "r")
	if m := got.Base(); m.Version != 5 || !m.Created.Equal(at(50)) || !m.Updated.Equal(at(50)) {
		t.Errorf("created with %+v", m)
	}
	e = root.EditAt(6, at(60))
	put(t, e, region("r", "eu"))
	if len(e.Changes()) != 0 {
		t.Error("putting an equal object counts as a change")
	}
	put(t, e, region("r", "europe"))
	got, _ = e.Get("region", "r")
	if m := got.Base(); m.Version != 6 || !m.Created.Equal(at(50)) || !m.Updated.Equal(at(60)) {
		t.Errorf("updated with %+v", m)
	}
}

func TestLoopsMayChangeWhatTheyGoThrough(t *testing.T) {
	e := New(tables()).Edit()
	put(t, e, region("r", "eu"))
	for i := range 200 {
		z := zone(fmt.Sprintf("z%03d", i), fmt.Sprint(i), "r")
		z.Tags = []string{fmt.Sprint("u", i), "x"}
		put(t, e, z)
	}
	seen := 0
	for o := range e.By("zone", "tag", "x") {
		seen++
		if err := e.Delete("zone", o.Base().ID); err != nil {
			t.Fatal(err)
		}
		put(t, e, zone("y"+string(o.Base().ID), "new"+o.Base().Name, "r"))
	}
	for o := range e.All("zone") {
		z := zone("w"+string(o.Base().ID), "newer"+o.Base().Name, "r")
		put(t, e, z)
		seen++
	}
	if seen != 400 || e.Len("zone") != 400 {
		t.Errorf("saw %d, have %d; want 400 and 400", seen, e.Len("zone"))
	}
}

// Keys of which one begins with the other, or that hold any byte, do not show up under each other.
func TestKeysDoNotRunIntoEachOther(t *testing.T) {
	e := New(tables()).Edit()
	put(t, e, region("r", "eu"))
	tags := []string{"a", "ab", "a\x00", "a\x00b", "\x01a", strings.Repeat("a", 300)}
	for i, tag := range tags {
		z := region(fmt.Sprint("r", i), fmt.Sprint("n", i))
		z.Tags = []string{tag}
		put(t, e, z)
	}
	for i, tag := range tags {
		var got []string
		for o := range e.By("region", "tag", tag) {
			got = append(got, string(o.Base().ID))
		}
		if len(got) != 1 || got[0] != fmt.Sprint("r", i) {
			t.Errorf("tag %.5q: %v", tag, got)
		}
	}
}

// Readers and any number of editors work on one published root; -race watches.
func TestRootIsSharedFreely(t *testing.T) {
	e := New(tables()).Edit()
	put(t, e, region("r", "eu"))
	for i := range 300 {
		put(t, e, zone(fmt.Sprintf("z%03d", i), fmt.Sprint(i), "r"))
	}
	root := e.Publish(1)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 50 {
				if w%2 == 0 {
					e := root.Edit()
					_ = e.Put(zone(fmt.Sprintf("n%d-%d", w, i), fmt.Sprintf("n%d-%d", w, i), "r"))
					_ = e.Delete("zone", model.ID(fmt.Sprintf("z%03d", i)))
					if next := e.Publish(2); next.Len("zone") != 300 {
						t.Errorf("an edit of one editor reached another: %d zones", next.Len("zone"))
					}
				} else {
					n := 0
					for range root.By("zone", "region", "r") {
						n++
					}
					if n != 300 {
						t.Errorf("the root shows %d zones", n)
					}
				}
			}
		})
	}
	all.Wait()
}

func TestBuildReportsProblems(t *testing.T) {
	dangling := zone("z2", "b", "nowhere")
	_, problems := Build(tables(), 9, slices.Values([]model.Object{zone("z1", "a", "r"), region("r", "eu"), region("s", "eu"), dangling, &node{kind: "gnu"}}))
	if len(problems) != 3 {
		t.Errorf("problems: %v", problems)
	}
	root, problems := Build(tables(), 9, slices.Values([]model.Object{zone("z1", "a", "r"), region("r", "eu")}))
	if len(problems) != 0 || root.Index() != 9 || root.Len("zone") != 1 {
		t.Errorf("problems %v, index %d", problems, root.Index())
	}
}

func TestValidateRefusesWrongTables(t *testing.T) {
	for name, spoil := range map[string]func([]model.Table){
		"kind twice":            func(ts []model.Table) { ts[1].Kind = "region" },
		"New of another kind":   func(ts []model.Table) { ts[1].New = ts[0].New },
		"index name twice":      func(ts []model.Table) { ts[0].Indexes[1].Name = "tag" },
		"unique and index same": func(ts []model.Table) { ts[0].Indexes[1].Name = "name" },
		"no keys function":      func(ts []model.Table) { ts[0].Indexes[1].Keys = nil },
		"reference to nothing":  func(ts []model.Table) { ts[1].Refs[0].To = "gnu" },
		"detach without drop":   func(ts []model.Table) { ts[1].Refs[3].Drop = nil },
	} {
		ts := tables()
		spoil(ts)
		if Validate(ts) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := Validate(tables()); err != nil {
		t.Error(err)
	}
}
