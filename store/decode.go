package store

import (
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
)

// Object decodes one side of a journal change: the object before or after it, its secrets opened; nil
// when there is none. Records from before a migration may not decode any more: the fault is Malformed.
func (s *Store) Object(kind model.Kind, v seal.Value) (model.Object, error) {
	if len(v) == 0 {
		return nil, nil
	}
	t, ok := s.tables[kind]
	if !ok {
		return nil, fault.New(fault.NotFound, "this release keeps no %s", kind)
	}
	return s.sealer.Decode(t, v)
}
