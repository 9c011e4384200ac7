package store

import (
	"iter"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
)

// readObjects decodes every object in the file. Faults: Conflict for a kind that this release does not
// know, Malformed and Internal as seal.Sealer.Decode.
func readObjects(tx *bbolt.Tx, tables map[model.Kind]*model.Table, sealer *seal.Sealer) (iter.Seq[model.Object], error) {
	var all []model.Object
	objects := tx.Bucket(objectsBucket)
	err := objects.ForEachBucket(func(kind []byte) error {
		b := objects.Bucket(kind)
		t := tables[model.Kind(kind)]
		if t == nil {
			if k, _ := b.Cursor().First(); k == nil {
				return nil
			}
			return fault.New(fault.Conflict, "the data has objects of kind %q, which this release does not know; run a newer one, and if none wrote it, the file is damaged: restore a backup", kind)
		}
		return b.ForEach(func(id, value []byte) error {
			o, err := sealer.Decode(t, value)
			if err != nil {
				return fault.Wrap(err, fault.Malformed, "read "+string(kind)+" "+string(id))
			}
			if o.Base().ID != model.ID(id) {
				return fault.New(fault.Malformed, "%s %s is filed as %s", kind, o.Base().ID, id)
			}
			all = append(all, o)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return slices.Values(all), nil
}

// guarded runs f, which reads a file that may be damaged: bbolt panics on pages that make no sense, and
// touching what lies beyond the end of the file faults. Both become an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Unavailable, "the file is damaged: %v; restore a backup", p)
		}
	}()
	return f()
}
