package tree

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// A draft and its fork begin alike and then go their own ways; the state under both stays as it is.
func TestForksGoTheirOwnWays(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
		change := func(d model.Draft, truth map[name]*node) {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				n := &node{Meta: model.Meta{ID: model.ID(id.Draw(t, "id")), Name: id.Draw(t, "name")}, kind: "region", Tags: []string{id.Draw(t, "tag")}}
				if rapid.Bool().Draw(t, "delete") {
					if (d.Delete("region", n.ID) == nil) != naiveDelete(truth, name{"region", n.ID}) {
						t.Fatal("delete")
					}
				} else if (d.Put(n) == nil) != naivePut(truth, n) {
					t.Fatal("put")
				}
			}
		}
		base := map[name]*node{}
		edit := New(tables()).Edit()
		change(edit, base)
		root := edit.Publish(1)
		first, one := root.Edit(), maps.Clone(base)
		change(first, one)
		fork, ok := model.Fork(first)
		if !ok {
			t.Fatal("no fork")
		}
		two := maps.Clone(one)
		if len(model.Changes(fork)) != len(model.Changes(first)) {
			t.Fatal("a fork does not know what was changed before it")
		}
		for range 3 {
			change(first, one)
			change(fork, two)
		}
		compare(t, root, base)
		compare(t, first, one)
		compare(t, fork, two)
		compare(t, first.Publish(2), one)
	})
}
