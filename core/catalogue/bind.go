package catalogue

import (
	"slices"
	"strconv"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func field(name string, bit int, typ Type, options []Option) Field {
	f := Field{Name: name, Bit: bit, Type: typ}
	for _, o := range options {
		o(&f)
	}
	return f
}

// bindScalar binds a comparable value.
func bindScalar[T any, V comparable](f *Field, at func(*T) *V, write func([]byte, V) []byte, read func(*Field, []byte, string) (V, error)) {
	var zero V
	f.write = func(b []byte, _ model.View, p any) []byte { return write(b, *at(p.(*T))) }
	f.empty = func(_ model.View, p any) bool { return *at(p.(*T)) == zero }
	f.same = func(a, b any) bool { return *at(a.(*T)) == *at(b.(*T)) }
	f.address = func(p any) any { return at(p.(*T)) }
	def := zero
	if f.Default != nil {
		def = f.Default.(V)
	}
	f.reset = func(p any) { *at(p.(*T)) = def }
	f.zero = func(p any) { *at(p.(*T)) = zero }
	frozen := *f // the declaration as read needs it
	f.read = func(p any, raw []byte, path string) error {
		value, err := read(&frozen, raw, path)
		if err == nil {
			*at(p.(*T)) = value
		}
		return err
	}
}

func str[T any](name string, bit int, at func(*T) *string, options ...Option) Field {
	f := field(name, bit, String, options)
	bindScalar(&f, at, appendString, readString)
	return f
}

func date[T any](name string, bit int, at func(*T) *string, options ...Option) Field {
	f := field(name, bit, Date, options)
	bindScalar(&f, at, appendString, readString)
	return f
}

func secret[T any](name string, bit int, at func(*T) *model.Secret, options ...Option) Field {
	f := field(name, bit, String, append(options, Secret))
	bindScalar(&f, at,
		func(b []byte, s model.Secret) []byte { return appendString(b, s.Reveal()) },
		func(f *Field, raw []byte, path string) (model.Secret, error) {
			s, err := readString(f, raw, path)
			return model.Secret(s), err
		})
	return f
}

// reference binds the id of an object, empty for none.
func reference[T any](name string, bit int, at func(*T) *model.ID, to model.Kind, options ...Option) Field {
	f := field(name, bit, String, append(options, Ref(to)))
	bindScalar(&f, at, func(b []byte, id model.ID) []byte { return appendString(b, string(id)) },
		func(f *Field, raw []byte, path string) (model.ID, error) {
			s, err := readString(f, raw, path)
			return model.ID(s), err
		})
	f.refs = func(p any) []model.ID { return []model.ID{*at(p.(*T))} }
	return f
}

func integer[T any](name string, bit int, at func(*T) *int64, options ...Option) Field {
	f := field(name, bit, Integer, options)
	bindScalar(&f, at, func(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }, readInteger)
	return f
}

func number[T any](name string, bit int, at func(*T) *float64, options ...Option) Field {
	f := field(name, bit, Number, options)
	bindScalar(&f, at, func(b []byte, n float64) []byte { return strconv.AppendFloat(b, n, 'f', -1, 64) }, readNumber)
	return f
}

func boolean[T any](name string, bit int, at func(*T) *bool, options ...Option) Field {
	f := field(name, bit, Boolean, options)
	bindScalar(&f, at, strconv.AppendBool, readBoolean)
	return f
}

// unless binds the contrary of a boolean, for a field that is true where nothing was stored.
func unless[T any](name string, bit int, at func(*T) *bool, options ...Option) Field {
	f := field(name, bit, Boolean, append(options, Default(true)))
	bindScalar(&f, at, func(b []byte, not bool) []byte { return strconv.AppendBool(b, !not) },
		func(f *Field, raw []byte, path string) (bool, error) {
			yes, err := readBoolean(f, raw, path)
			return !yes, err
		})
	f.reset = f.zero
	return f
}

// list binds a slice of strings or ids; the order is kept as sent.
func list[T any, S ~string](name string, bit int, at func(*T) *[]S, options ...Option) Field {
	f := field(name, bit, Array, options)
	f.Items = String
	bindSlice(&f, at, func(b []byte, _ model.View, s *S) []byte { return appendString(b, string(*s)) },
		func(raw []byte, path string) (S, error) {
			s, err := readString(&Field{Ref: f.Ref}, raw, path)
			return S(s), err
		}, func(a, b S) bool { return a == b })
	f.refs = func(p any) []model.ID {
		var ids []model.ID
		for _, s := range *at(p.(*T)) {
			ids = append(ids, model.ID(s))
		}
		return ids
	}
	return f
}

func integers[T any](name string, bit int, at func(*T) *[]int64, options ...Option) Field {
	f := field(name, bit, Array, options)
	f.Items = Integer
	bindSlice(&f, at, func(b []byte, _ model.View, n *int64) []byte { return strconv.AppendInt(b, *n, 10) },
		func(raw []byte, path string) (int64, error) { return readInteger(&Field{Enum: f.Enum}, raw, path) },
		func(a, b int64) bool { return a == b })
	return f
}

// objects binds a slice of structs.
func objects[T, U any](name string, bit int, schema string, at func(*T) *[]U, fields []Field, options ...Option) Field {
	f := field(name, bit, Array, options)
	f.Items, f.Schema, f.Fields = Object, schema, fields
	bindSlice(&f, at, func(b []byte, v model.View, u *U) []byte { return appendFields(b, v, fields, u, ^model.Bits(0)) },
		func(raw []byte, path string) (U, error) {
			var u U
			for i := range fields {
				fields[i].reset(&u)
			}
			return u, readFields(fields, &u, raw, path)
		}, func(a, b U) bool { return sameFields(fields, &a, &b) })
	return f
}

func bindSlice[T, U any](f *Field, at func(*T) *[]U, write func([]byte, model.View, *U) []byte, read func([]byte, string) (U, error), same func(a, b U) bool) {
	f.write = func(b []byte, v model.View, p any) []byte {
		b = append(b, '[')
		for i := range *at(p.(*T)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = write(b, v, &(*at(p.(*T)))[i])
		}
		return append(b, ']')
	}
	f.empty = func(_ model.View, p any) bool { return len(*at(p.(*T))) == 0 }
	f.same = func(a, b any) bool { return slices.EqualFunc(*at(a.(*T)), *at(b.(*T)), same) }
	f.address = func(p any) any { return at(p.(*T)) }
	def, _ := f.Default.([]U)
	f.reset = func(p any) { *at(p.(*T)) = slices.Clone(def) }
	single := f.Single
	f.read = func(p any, raw []byte, path string) error {
		if single && len(raw) > 0 && raw[0] == '{' {
			u, err := read(raw, path)
			if err == nil {
				*at(p.(*T)) = []U{u}
			}
			return err
		}
		items, err := splitArray(raw, path)
		if err != nil {
			return err
		}
		out := make([]U, 0, len(items))
		for i, item := range items {
			u, err := read(item, path+"["+strconv.Itoa(i)+"]")
			if err != nil {
				return err
			}
			out = append(out, u)
		}
		*at(p.(*T)) = out
		return nil
	}
}

// nested binds a struct inside the struct.
func nested[T, U any](name string, bit int, schema string, at func(*T) *U, fields []Field, options ...Option) Field {
	f := field(name, bit, Object, options)
	f.Schema, f.Fields = schema, fields
	f.write = func(b []byte, v model.View, p any) []byte {
		return appendFields(b, v, fields, at(p.(*T)), ^model.Bits(0))
	}
	f.empty = func(v model.View, p any) bool {
		for i := range fields {
			if !fields[i].empty(v, at(p.(*T))) {
				return false
			}
		}
		return true
	}
	f.same = func(a, b any) bool { return sameFields(fields, at(a.(*T)), at(b.(*T))) }
	f.address = func(p any) any { return at(p.(*T)) }
	f.reset = func(p any) {
		for i := range fields {
			fields[i].reset(at(p.(*T)))
		}
	}
	f.read = func(p any, raw []byte, path string) error {
		var u U
		for i := range fields {
			fields[i].reset(&u)
		}
		if err := readFields(fields, &u, raw, path); err != nil {
			return err
		}
		*at(p.(*T)) = u
		return nil
	}
	return f
}

// computed declares a read-only field whose value comes from the view. A nil result of value means
// that there is none.
func computed[T any](name string, typ Type, write func(b []byte, v model.View, o *T) []byte, empty func(v model.View, o *T) bool, options ...Option) Field {
	f := field(name, -1, typ, append(options, ReadOnly))
	f.write = func(b []byte, v model.View, p any) []byte { return write(b, v, p.(*T)) }
	f.empty = func(v model.View, p any) bool { return empty(v, p.(*T)) }
	f.same = func(a, b any) bool { return true }
	f.reset = func(any) {}
	f.read = func(any, []byte, string) error { return nil }
	return f
}

func sameFields(fields []Field, a, b any) bool {
	for i := range fields {
		if !fields[i].same(a, b) {
			return false
		}
	}
	return true
}

func readFields(fields []Field, p any, raw []byte, path string) error {
	members, err := splitObject(raw, path)
	if err != nil {
		return err
	}
	for i := range fields {
		f := &fields[i]
		value, ok := members.get(f.Name)
		switch {
		case f.ReadOnly:
		case ok:
			if err := f.read(p, value, join(path, f.Name)); err != nil {
				return err
			}
			if f.blank(p) {
				return fault.Bad(join(path, f.Name), "must not be empty")
			}
		case f.Required && !f.Lenient:
			return fault.Bad(join(path, f.Name), "is required")
		}
	}
	return nil
}

// blank tells whether the field of p is an empty text where one is required.
func (f *Field) blank(p any) bool {
	return f.Required && !f.Lenient && !f.Blank && f.Type == String && f.empty(nil, p)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
