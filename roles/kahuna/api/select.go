package api

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// candidate is an object that may be on a page, with what the list is sorted by.
type candidate struct {
	object model.Object
	id     model.ID
	keys   []catalogue.Value
}

// order compares candidates: by the keys, then by id.
type order []catalogue.Order

func (o order) compare(a, b *candidate) int {
	for i := range o {
		n := a.keys[i].Compare(b.keys[i])
		if o[i].Down {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return cmp.Compare(a.id, b.id)
}

// keys are what an object is sorted by. Long texts count with their beginning, so that cursors stay
// short.
func (o order) keys(v model.View, object model.Object, into []catalogue.Value) []catalogue.Value {
	for i := range o {
		k := o[i].Attribute.Of(v, object)
		if len(k.Text) > keyMax {
			k.Text = strings.Clone(k.Text[:keyMax])
		}
		into = append(into, k)
	}
	return into
}

// selection keeps the first n of many candidates without sorting them all: a heap with the last of
// those kept on top.
type selection struct {
	order order
	n     int
	kept  []*candidate
	spare *candidate // to compare with before anything is allocated
}

// admits tells whether a candidate would be kept now.
func (s *selection) admits(c *candidate) bool {
	return len(s.kept) < s.n || s.order.compare(c, s.kept[0]) < 0
}

// add keeps a candidate that was admitted, in the place of the last one when there are enough.
func (s *selection) add(c *candidate) {
	if len(s.kept) < s.n {
		heap.Push(s, c)
		return
	}
	s.kept[0] = c
	heap.Fix(s, 0)
}

// sorted ends the selection.
func (s *selection) sorted() []*candidate {
	slices.SortFunc(s.kept, s.order.compare)
	return s.kept
}

func (s *selection) Len() int           { return len(s.kept) }
func (s *selection) Less(i, j int) bool { return s.order.compare(s.kept[i], s.kept[j]) > 0 }
func (s *selection) Swap(i, j int)      { s.kept[i], s.kept[j] = s.kept[j], s.kept[i] }
func (s *selection) Push(x any)         { s.kept = append(s.kept, x.(*candidate)) }
func (s *selection) Pop() any           { panic("nothing is taken out") }
