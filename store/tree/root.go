package tree

import (
	"iter"
	"time"

	"kowabunga/core/model"
)

// Root is one immutable state of all tables. Any number of goroutines may read it and edit from it.
type Root struct {
	schema *schema
	rows   []*rows
	index  uint64
}

var _ model.View = (*Root)(nil)

// New makes an empty state. It panics when Validate refuses the tables: they are part of the program.
func New(tables []model.Table) *Root {
	s, err := compile(tables)
	if err != nil {
		panic(err)
	}
	r := &Root{schema: s, rows: make([]*rows, len(tables))}
	for i := range tables {
		r.rows[i] = newRows(tables[i])
	}
	return r
}

// Index is the journal index of the last commit in this state.
func (r *Root) Index() uint64 { return r.index }

// Get returns the object of this kind and id; none for a kind that is not declared.
func (r *Root) Get(kind model.Kind, id model.ID) (model.Object, bool) {
	i, ok := r.schema.pos[kind]
	if !ok {
		return nil, false
	}
	return r.rows[i].objects.Get(string(id))
}

// All yields every object of a kind in order of id; none for a kind that is not declared.
func (r *Root) All(kind model.Kind) iter.Seq[model.Object] {
	i, ok := r.schema.pos[kind]
	if !ok {
		return none
	}
	return all(r.rows[i].objects)
}

// By yields the objects filed under key in a secondary index, in order of id. It panics when the kind
// declares no such index.
func (r *Root) By(kind model.Kind, index, key string) iter.Seq[model.Object] {
	i := r.schema.table(kind)
	n := position(r.schema.indexes[i], kind, index)
	return by(r.rows[i].indexes[n], r.rows[i].objects, key)
}

// One returns the object that holds key in a unique index. It panics when the kind declares no such
// index.
func (r *Root) One(kind model.Kind, index, key string) (model.Object, bool) {
	i := r.schema.table(kind)
	return one(r.rows[i], position(r.schema.unique[i], kind, index), key)
}

// Len is the number of objects of a kind.
func (r *Root) Len(kind model.Kind) int {
	i, ok := r.schema.pos[kind]
	if !ok {
		return 0
	}
	return r.rows[i].objects.Len()
}

// Edit begins a draft whose objects get the next index as their version and keep the times they come
// with.
func (r *Root) Edit() *Edit { return r.EditAt(r.index+1, time.Time{}) }

// EditAt begins a draft whose objects get this version, and this time as the time of change; a new
// object also as its time of creation.
func (r *Root) EditAt(version uint64, now time.Time) *Edit {
	e := &Edit{schema: r.schema, rows: make([]*rows, len(r.rows)), own: make([]bool, len(r.rows)), index: r.index, version: version, now: now}
	copy(e.rows, r.rows)
	return e
}

func (s *schema) table(kind model.Kind) int {
	i, ok := s.pos[kind]
	if !ok {
		panic("tree: no such kind: " + string(kind))
	}
	return i
}

func none(func(model.Object) bool) {}

func all(of *objects) iter.Seq[model.Object] {
	return func(yield func(model.Object) bool) {
		of.Scan(func(_ string, o model.Object) bool { return yield(o) })
	}
}

func by(filed *entries, of *objects, key string) iter.Seq[model.Object] {
	return func(yield func(model.Object) bool) {
		for id := range ids(filed, key) {
			if o, ok := of.Get(string(id)); ok && !yield(o) {
				return
			}
		}
	}
}

func one(r *rows, n int, key string) (model.Object, bool) {
	id, ok := r.unique[n].Get(key)
	if !ok {
		return nil, false
	}
	return r.objects.Get(string(id))
}
