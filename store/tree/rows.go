package tree

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"kowabunga/core/model"
)

// degree is half the fan-out of the trees. A write copies one node per level: at 16 a table of 10,000
// objects is three levels of nodes of at most 31 items, about 3 KB for one Put.
const degree = 16

type (
	objects = btree.Map[string, model.Object]
	keys    = btree.Map[string, model.ID] // unique key -> holder
	entries = btree.Map[string, struct{}] // prefix(key) + id
)

// rows is the state of one table. Once published it is read by anybody and only ever copied.
type rows struct {
	copying sync.Mutex // taken by copiers alone: a copy marks its source, see the package comment
	objects *objects
	unique  []*keys
	indexes []*entries
	refs    []*entries // reverse references: prefix(target) + referrer
}

func newRows(t model.Table) *rows {
	r := &rows{objects: btree.NewMap[string, model.Object](degree)}
	for range t.Unique {
		r.unique = append(r.unique, btree.NewMap[string, model.ID](degree))
	}
	for range t.Indexes {
		r.indexes = append(r.indexes, btree.NewMap[string, struct{}](degree))
	}
	for range t.Refs {
		r.refs = append(r.refs, btree.NewMap[string, struct{}](degree))
	}
	return r
}

// copy returns rows that may be written to. The source may be published.
func (r *rows) copy() *rows {
	r.copying.Lock()
	defer r.copying.Unlock()
	c := &rows{objects: r.objects.Copy()}
	c.unique = copies(r.unique)
	c.indexes = copies(r.indexes)
	c.refs = copies(r.refs)
	return c
}

func copies[M interface{ Copy() M }](from []M) []M {
	if from == nil {
		return nil
	}
	to := make([]M, len(from))
	for i, m := range from {
		to[i] = m.Copy()
	}
	return to
}

// prefix makes the part of an entry that all entries of one key have in common. The length in front
// keeps keys apart of which one begins with the other.
func prefix(key string) string {
	var n [binary.MaxVarintLen64]byte
	return string(binary.AppendUvarint(n[:0], uint64(len(key)))) + key
}

// ids yields the ids filed under a key, in order.
func ids(of *entries, key string) iter.Seq[model.ID] {
	return func(yield func(model.ID) bool) {
		p := prefix(key)
		of.Ascend(p, func(entry string, _ struct{}) bool {
			return strings.HasPrefix(entry, p) && yield(model.ID(entry[len(p):]))
		})
	}
}

// set replaces old by new in all trees of the table; either may be nil. It checks nothing.
func (r *rows) set(t *model.Table, id model.ID, old, new model.Object) {
	if new == nil {
		r.objects.Delete(string(id))
	} else {
		r.objects.Set(string(id), new)
	}
	for i, x := range t.Unique {
		was, is := keysOf(x, old), keysOf(x, new)
		for _, k := range was {
			if !slices.Contains(is, k) {
				r.unique[i].Delete(k)
			}
		}
		for _, k := range is {
			if !slices.Contains(was, k) {
				r.unique[i].Set(k, id)
			}
		}
	}
	for i, x := range t.Indexes {
		refile(r.indexes[i], id, keysOf(x, old), keysOf(x, new))
	}
	for i, x := range t.Refs {
		refile(r.refs[i], id, targets(x, old), targets(x, new))
	}
}

func refile[K ~string](in *entries, id model.ID, was, is []K) {
	for _, k := range was {
		if !slices.Contains(is, k) {
			in.Delete(prefix(string(k)) + string(id))
		}
	}
	for _, k := range is {
		if !slices.Contains(was, k) {
			in.Set(prefix(string(k))+string(id), struct{}{})
		}
	}
}

// keysOf gives the keys an object has in an index, without empty ones; none for no object.
func keysOf(x model.Index, o model.Object) []string {
	if o == nil {
		return nil
	}
	return filled(x.Keys(o))
}

// targets gives the ids an object refers to, without empty ones; none for no object.
func targets(r model.Ref, o model.Object) []model.ID {
	if o == nil {
		return nil
	}
	return filled(r.IDs(o))
}

func filled[K ~string](all []K) []K {
	if slices.Contains(all, "") {
		return slices.DeleteFunc(slices.Clone(all), func(k K) bool { return k == "" })
	}
	return all
}
