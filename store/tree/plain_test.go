package tree

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// TestAgainstPlainMaps compares the trees with the naive way of doing everything by scanning maps.
func TestAgainstPlainMaps(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		root := New(tables())
		truth := map[name]*node{}
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
		kind := rapid.SampledFrom([]model.Kind{"region", "zone"})
		some := func(label string) []string { return rapid.SliceOfNDistinct(id, 0, 2, rapid.ID[string]).Draw(t, label) }
		for step := range rapid.IntRange(1, 12).Draw(t, "steps") {
			e, draft := root.Edit(), maps.Clone(truth)
			for range rapid.IntRange(1, 5).Draw(t, "ops") {
				n := &node{Meta: model.Meta{ID: model.ID(id.Draw(t, "id")), Name: id.Draw(t, "name")}, kind: kind.Draw(t, "kind")}
				key := name{n.kind, n.ID}
				if rapid.Bool().Draw(t, "delete") {
					if got, want := e.Delete(n.kind, n.ID) == nil, naiveDelete(draft, key); got != want {
						t.Fatalf("delete %v: done %v, want %v", key, got, want)
					}
					continue
				}
				if n.kind == "zone" {
					n.Region = model.ID(id.Draw(t, "region"))
					n.Tags = some("tags")
					if rapid.Bool().Draw(t, "owned") {
						n.Owner = model.ID(id.Draw(t, "owner"))
					}
					if rapid.Bool().Draw(t, "homed") {
						n.Home = n.Region
					}
					for _, l := range some("links") {
						n.Links = append(n.Links, model.ID(l))
					}
				}
				if got, want := e.Put(n) == nil, naivePut(draft, n); got != want {
					t.Fatalf("put %v %+v: done %v, want %v", key, n, got, want)
				}
			}
			compare(t, e, draft)
			compare(t, root, truth) // a draft never shows in what it came from
			if rapid.Bool().Draw(t, "publish") {
				root, truth = e.Publish(uint64(step+1)), draft
				compare(t, root, truth)
			}
		}
	})
}

func compare(t *rapid.T, v model.View, truth map[name]*node) {
	for _, kind := range []model.Kind{"region", "zone"} {
		var want []model.ID
		filed := map[string][]model.ID{}
		for key := range truth {
			if key.kind == kind {
				want = append(want, key.id)
			}
		}
		slices.Sort(want)
		for _, id := range want {
			for _, tag := range truth[name{kind, id}].Tags {
				filed[tag] = append(filed[tag], id)
			}
		}
		if got := listed(v.All(kind)); !slices.Equal(got, want) || v.Len(kind) != len(want) {
			t.Fatalf("all %s: %v (%d), want %v", kind, got, v.Len(kind), want)
		}
		for _, tag := range []string{"a", "b", "c", "d", "e", "f"} {
			if got := listed(v.By(kind, "tag", tag)); !slices.Equal(got, filed[tag]) {
				t.Fatalf("%s by tag %s: %v, want %v", kind, tag, got, filed[tag])
			}
		}
		for _, id := range want {
			n := truth[name{kind, id}]
			got, ok := v.One(kind, "name", string(n.Region)+"\x00"+n.Name)
			if !ok || got.Base().ID != id || !slices.Equal(got.(*node).Links, n.Links) {
				t.Fatalf("one %s %q: %+v, want %+v", kind, n.Name, got, n)
			}
		}
	}
}

func listed(seq func(func(model.Object) bool)) (out []model.ID) {
	for o := range seq {
		out = append(out, o.Base().ID)
	}
	return out
}

func naivePut(all map[name]*node, n *node) bool {
	key := name{n.kind, n.ID}
	for k, o := range all {
		if k.kind != n.kind || k == key {
			continue
		}
		if o.Name == n.Name && o.Region == n.Region {
			return false
		}
		if n.kind == "zone" && len(n.Tags) > 0 && len(o.Tags) > 0 && n.Tags[0] == o.Tags[0] {
			return false
		}
	}
	if n.kind == "zone" {
		if all[name{"region", n.Region}] == nil {
			return false
		}
		for _, to := range append([]model.ID{n.Owner}, n.Links...) {
			if to != "" && to != n.ID && all[name{"zone", to}] == nil {
				return false
			}
		}
	}
	all[key] = n
	return true
}

func naiveDelete(all map[name]*node, key name) bool {
	if all[key] == nil {
		return false
	}
	gone := map[name]bool{key: true}
	for grew := true; grew; {
		grew = false
		for k, o := range all {
			if !gone[k] && (o.Owner != "" && gone[name{"zone", o.Owner}] || o.Home != "" && gone[name{"region", o.Home}]) {
				gone[k], grew = true, true
			}
		}
	}
	for k, o := range all {
		if !gone[k] && o.kind == "zone" && gone[name{"region", o.Region}] {
			return false
		}
	}
	for k, o := range all {
		if !gone[k] && slices.ContainsFunc(o.Links, func(l model.ID) bool { return gone[name{"zone", l}] }) {
			c := *o
			c.Links = slices.DeleteFunc(slices.Clone(o.Links), func(l model.ID) bool { return gone[name{"zone", l}] })
			all[k] = &c
		}
	}
	for k := range gone {
		delete(all, k)
	}
	return true
}
