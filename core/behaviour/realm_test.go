package behaviour_test

import (
	"strings"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
	"kowabunga/store/tree"
)

// realm is a state that behaviours decide on. Operations succeed at once; what they asked agents to do
// stands in calls.
type realm struct {
	t     testing.TB
	view  *tree.Root
	ids   map[string]model.ID
	calls []*operation.Call
	hold  bool // operations begin and do not end
	who   access.Identity
}

// caller makes further requests those of a user.
func (w *realm) caller(name, role string) {
	w.who = access.Identity{User: w.id(name), Name: name, Role: role}
}

// newRealm has a region eu with zone eu-a, a host, a pool and private subnets, and the project shop.
func newRealm(t testing.TB) *realm {
	t.Helper()
	w := &realm{t: t, view: tree.New(append(catalogue.Tables(), operation.Table)), ids: map[string]model.ID{},
		who: access.Identity{Name: "master key", Role: model.RoleSuperAdmin}}
	w.must("eu", "CreateRegion", "", `{"name":"eu","domain":"eu.example"}`)
	w.must("eu-a", "CreateZone", "regionId=eu", `{"name":"eu-a"}`)
	w.must("host-1", "CreateAgent", "", `{"name":"host-1","type":"Kaktus"}`)
	w.must("host", "CreateKaktus", "zoneId=eu-a", `{"name":"host","agents":["$host-1"],"cpu_cost":{"price":32,"currency":"EUR"},"memory_cost":{"price":64,"currency":"EUR"}}`)
	w.edit(func(d model.Draft) error {
		host, _ := model.Find[*model.Kaktus](d, w.ids["host"])
		host = model.Edit(host)
		host.Caps = model.Caps{Arch: "x86_64", Threads: 32, Memory: 64 << 30}
		return d.Put(host)
	})
	w.must("disks", "CreateStoragePool", "regionId=eu", `{"name":"disks","pool":"dir:disks","agents":["$host-1"]}`)
	w.must("image", "CreateTemplate", "poolId=disks", `{"name":"tiny","source":"file:///images/tiny.img"}`)
	w.must("lan", "CreateVNet", "regionId=eu", `{"name":"lan","interface":"br0","private":true}`)
	w.must("lan-1", "CreateSubnet", "vnetId=lan", `{"name":"lan-1","cidr":"10.1.0.0/26","gateway":"10.1.0.1","gw_pool":[{"first":"10.1.0.2","last":"10.1.0.5"}]}`)
	w.must("lan-2", "CreateSubnet", "vnetId=lan", `{"name":"lan-2","cidr":"10.1.0.64/26","gateway":"10.1.0.65","gw_pool":[{"first":"10.1.0.66","last":"10.1.0.70"}]}`)
	w.must("shop", "CreateProject", "", `{"name":"shop","domain":"shop.example","teams":[],"regions":["$eu"]}`)
	return w
}

func (w *realm) id(name string) model.ID {
	if id, ok := w.ids[name]; ok {
		return id
	}
	return model.ID(name)
}

// try carries out an operation as the present caller, at first the master key. Path and query stand in one list, "regionId=eu
// public=true"; values and the words after $ in the body may be names.
func (w *realm) try(op, params, body string) (behaviour.Outcome, error) {
	w.t.Helper()
	r := &behaviour.Request{Who: w.who, Now: time.Unix(1_800_000_000, 0),
		Live: func(model.ID) bool { return true }, Path: map[string]model.ID{}, Query: behaviour.Query{}, Trace: &trace.Trace{}}
	for _, o := range catalogue.Ops() {
		if o.ID == op {
			r.Op = o
		}
	}
	if r.Op == nil {
		w.t.Fatalf("there is no operation %s", op)
	}
	seed := [32]byte{byte(w.view.Index()), byte(w.view.Index() >> 8)} // other ids for every request
	r.Draw = model.NewDraw(seed, r.Now)
	for _, word := range strings.Fields(params) {
		name, value, _ := strings.Cut(word, "=")
		r.Path[name], r.Query[name] = w.id(value), string(w.id(value))
	}
	for name, id := range w.ids {
		body = strings.ReplaceAll(body, `"$`+name+`"`, `"`+string(id)+`"`)
	}
	d := w.view.Edit()
	if param := r.Op.Target(); param != "" {
		var ok bool
		if r.Target, ok = d.Get(r.Op.Kind, r.Path[param]); !ok {
			return behaviour.Outcome{}, fault.New(fault.NotFound, "no such %s", r.Op.Kind)
		}
	}
	var err error
	switch r.Op.Verb {
	case catalogue.Create:
		r.Object, err = catalogue.Of(r.Op.Kind).Decode(catalogue.V2, nil, []byte(body))
	case catalogue.Update:
		r.Object, err = catalogue.Of(r.Op.Kind).Decode(catalogue.V2, r.Target, []byte(body))
	}
	if err != nil {
		return behaviour.Outcome{}, err
	}
	out, err := behaviour.Decide(d, r)
	if err != nil {
		return out, err
	}
	if o := out.Operation; o != nil {
		for _, s := range o.Steps {
			w.calls = append(w.calls, s.Do)
		}
		o.State = operation.Running
		if err := d.Put(o); err != nil {
			return out, err
		}
		if !w.hold {
			if err := o.Apply(d, o.Done); err != nil {
				w.t.Fatalf("%s: end: %v", op, err)
			}
			o.State = operation.Succeeded
			if err := d.Put(o); err != nil {
				return out, err
			}
		}
	}
	w.view = d.Publish(w.view.Index() + 1)
	return out, nil
}

func (w *realm) must(name, op, params, body string) model.ID {
	w.t.Helper()
	out, err := w.try(op, params, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", op, body, err)
	}
	w.ids[name] = out.Object
	return out.Object
}

// refused checks that a request is refused with this code, about this field, in words that hold what
// the person has to know, and that nothing changed.
func (w *realm) refused(code fault.Code, field, words, op, params, body string) {
	w.t.Helper()
	before := w.view
	_, err := w.try(op, params, body)
	if f := fault.From(err); err == nil || f.Code != code || f.Field != field || !strings.Contains(f.Public(), words) {
		w.t.Errorf("%s %s %s: got %v, want %s of %q saying %q", op, params, body, err, code, field, words)
	}
	if w.view != before {
		w.t.Errorf("%s %s: changed something", op, body)
	}
}

func (w *realm) edit(change func(d model.Draft) error) {
	w.t.Helper()
	d := w.view.Edit()
	if err := change(d); err != nil {
		w.t.Fatal(err)
	}
	w.view = d.Publish(w.view.Index() + 1)
}

// kinds are those with a wire form.
func kinds() []model.Kind {
	var out []model.Kind
	for _, k := range catalogue.Kinds {
		out = append(out, k.Name)
	}
	return out
}

func get[O model.Object](w *realm, name string) O {
	w.t.Helper()
	o, ok := model.Find[O](w.view, w.id(name))
	if !ok {
		w.t.Fatalf("there is no %s %s", o.Kind(), name)
	}
	return o
}
