package tree

import (
	"fmt"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// schema is the set of declared tables with what follows from them.
type schema struct {
	tables  []model.Table
	pos     map[model.Kind]int
	unique  []map[string]int // per table: index name -> position in Table.Unique
	indexes []map[string]int // per table: index name -> position in Table.Indexes
	inbound [][]inbound      // per table: the references that point to it, in order of declaration
}

// inbound is a reference seen from its target.
type inbound struct{ table, ref int }

// Validate tells whether tables can be kept together: kinds are unique, index names are unique within
// a kind, every function is there, every reference goes to a declared kind, and Detach says how.
func Validate(tables []model.Table) error {
	_, err := compile(tables)
	return err
}

func compile(tables []model.Table) (*schema, error) {
	s := &schema{
		tables:  tables,
		pos:     make(map[model.Kind]int, len(tables)),
		unique:  make([]map[string]int, len(tables)),
		indexes: make([]map[string]int, len(tables)),
		inbound: make([][]inbound, len(tables)),
	}
	for i, t := range tables {
		if _, twice := s.pos[t.Kind]; twice || t.Kind == "" || t.New == nil {
			return nil, wrong(t.Kind, "it is declared twice, or lacks its name or its New function")
		}
		if made := t.New(); made == nil || made.Kind() != t.Kind {
			return nil, wrong(t.Kind, "New makes an object of another kind")
		}
		s.pos[t.Kind] = i
		s.unique[i], s.indexes[i] = map[string]int{}, map[string]int{}
		for n, x := range t.Unique {
			s.unique[i][x.Name] = n
		}
		for n, x := range t.Indexes {
			s.indexes[i][x.Name] = n
		}
		for _, x := range append(t.Unique[:len(t.Unique):len(t.Unique)], t.Indexes...) {
			_, u := s.unique[i][x.Name]
			_, n := s.indexes[i][x.Name]
			if u && n || x.Name == "" || x.Keys == nil {
				return nil, wrong(t.Kind, "index %q is declared twice, or lacks its name or its Keys function", x.Name)
			}
		}
		if len(s.unique[i]) != len(t.Unique) || len(s.indexes[i]) != len(t.Indexes) {
			return nil, wrong(t.Kind, "two of its indexes have the same name")
		}
	}
	for i, t := range tables {
		for n, r := range t.Refs {
			to, known := s.pos[r.To]
			if !known || r.IDs == nil {
				return nil, wrong(t.Kind, "reference %q goes to %q, which is not declared, or lacks its IDs function", r.Field, r.To)
			}
			if r.OnDelete == model.Detach && r.Drop == nil {
				return nil, wrong(t.Kind, "reference %q detaches but has no Drop function", r.Field)
			}
			s.inbound[to] = append(s.inbound[to], inbound{i, n})
		}
	}
	return s, nil
}

func wrong(kind model.Kind, format string, args ...any) error {
	return fault.New(fault.Internal, "table %q is declared wrongly: %s", kind, fmt.Sprintf(format, args...))
}

// position finds a declared index; a name that is none is a defect of the caller, not an empty answer.
func position(names map[string]int, kind model.Kind, index string) int {
	n, ok := names[index]
	if !ok {
		panic(fmt.Sprintf("tree: %q has no such index: %q", kind, index))
	}
	return n
}
