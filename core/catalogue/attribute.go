package catalogue

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"kowabunga/core/model"
)

// Time is the type of attributes that are moments; on the wire they are RFC 3339.
const Time Type = "time"

// Attribute is something of an object that lists are filtered and sorted by: a scalar field, one inside
// a nested object ("quotas.memory"), a list of words or numbers, or what every object has (id, created,
// updated, version, phase, operation, and its parents: "project_id"). Secrets are none.
type Attribute struct {
	Name  string
	Type  Type // String, Date, Integer, Number, Boolean or Time
	List  bool // has several values: a filter asks whether it has one; nothing is sorted by it
	Bytes bool // filters take a unit: 4GiB
	Enum  []string
	Ref   model.Kind

	one  func(v model.View, o model.Object) Value
	many func(v model.View, o model.Object) []Value
}

// Value is one value of an attribute. Integers, booleans (0, 1) and moments (milliseconds since 1970)
// are in Int, numbers in Number, everything else in Text.
type Value struct {
	Int    int64   `json:"i,omitempty"`
	Number float64 `json:"n,omitempty"`
	Text   string  `json:"t,omitempty"`
}

// Compare orders values of the same attribute; text goes by its bytes.
func (a Value) Compare(b Value) int {
	return cmp.Or(cmp.Compare(a.Int, b.Int), cmp.Compare(a.Number, b.Number), strings.Compare(a.Text, b.Text))
}

// Of is the attribute's value of an object; v is the view the object is from. Lists have none.
func (a *Attribute) Of(v model.View, o model.Object) Value { return a.one(v, o) }

// Attributes are what objects of the kind are filtered and sorted by, in order of their names.
func (k *Kind) Attributes() []*Attribute { return k.attributes }

// Attribute finds one by its name.
func (k *Kind) Attribute(name string) (*Attribute, bool) {
	i, ok := slices.BinarySearchFunc(k.attributes, name, func(a *Attribute, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return nil, false
	}
	return k.attributes[i], true
}

func (k *Kind) gather() []*Attribute {
	whole := func(name string, typ Type, of func(o model.Object) Value) *Attribute {
		return &Attribute{Name: name, Type: typ, one: func(_ model.View, o model.Object) Value { return of(o) }}
	}
	out := []*Attribute{
		whole("id", String, func(o model.Object) Value { return Value{Text: string(o.Base().ID)} }),
		whole("created", Time, func(o model.Object) Value { return Value{Int: o.Base().Created.UnixMilli()} }),
		whole("updated", Time, func(o model.Object) Value { return Value{Int: o.Base().Updated.UnixMilli()} }),
		whole("version", Integer, func(o model.Object) Value { return Value{Int: int64(o.Base().Version)} }),
		whole("operation", String, func(o model.Object) Value { return Value{Text: string(o.Base().Operation)} }),
		whole("phase", String, func(o model.Object) Value {
			if p := o.Base().Phase; p != model.Ready {
				return Value{Text: string(p)}
			}
			return Value{Text: "ready"}
		}),
	}
	out[5].Enum = []string{"ready", string(model.Creating), string(model.Updating), string(model.Deleting)}
	for i := range k.Parents {
		p := &k.Parents[i]
		a := whole(string(p.Kind)+"_id", String, func(o model.Object) Value { return Value{Text: string(p.Of(o))} })
		a.Ref = p.Kind
		out = append(out, a)
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if f.Name == "id" {
			continue
		}
		out = append(out, attributesOf(f, "", k.Table.New(), func(o model.Object) any { return o })...)
	}
	slices.SortFunc(out, func(a, b *Attribute) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b *Attribute) bool { return a.Name == b.Name })
}

// attributesOf are the attributes of a field of the struct that at finds in an object: one for a scalar
// or a list of scalars, those inside for a nested object, none for what cannot be compared.
func attributesOf(f *Field, prefix string, sample model.Object, at func(model.Object) any) []*Attribute {
	a := &Attribute{Name: prefix + f.Name, Type: f.Type, Bytes: f.Bytes, Enum: f.Enum, Ref: f.Ref}
	switch {
	case f.Secret || f.write == nil:
		return nil
	case f.Type == Object:
		if f.address == nil {
			return nil
		}
		var out []*Attribute
		for i := range f.Fields {
			out = append(out, attributesOf(&f.Fields[i], prefix+f.Name+".", sample, func(o model.Object) any { return f.address(at(o)) })...)
		}
		return out
	case f.Type == Array:
		if f.Items == Object || f.Items == Array {
			return nil
		}
		a.List, a.Type = true, f.Items
		a.many = func(v model.View, o model.Object) []Value { return f.list(v, at(o)) }
	default:
		if f.address != nil {
			if _, moment := f.address(at(sample)).(*time.Time); moment {
				a.Type = Time
			}
		}
		a.one = func(v model.View, o model.Object) Value { return f.scalar(v, at(o)) }
	}
	return []*Attribute{a}
}

// scalar is the value of a scalar field; that of a computed one is read from what it writes.
func (f *Field) scalar(v model.View, p any) Value {
	if f.address != nil {
		switch x := f.address(p).(type) {
		case *string:
			return Value{Text: *x}
		case *model.ID:
			return Value{Text: string(*x)}
		case *int64:
			return Value{Int: *x}
		case *float64:
			return Value{Number: *x}
		case *bool:
			return truth(*x)
		case *time.Time:
			return Value{Int: x.UnixMilli()}
		}
	}
	return parsed(f.Type, f.write(nil, v, p))
}

func (f *Field) list(v model.View, p any) []Value {
	var out []Value
	if f.address != nil {
		switch x := f.address(p).(type) {
		case *[]string:
			for _, s := range *x {
				out = append(out, Value{Text: s})
			}
			return out
		case *[]model.ID:
			for _, id := range *x {
				out = append(out, Value{Text: string(id)})
			}
			return out
		}
	}
	var raw []json.RawMessage
	if json.Unmarshal(f.write(nil, v, p), &raw) != nil {
		return nil
	}
	for _, item := range raw {
		out = append(out, parsed(f.Items, item))
	}
	return out
}

func truth(b bool) Value {
	if b {
		return Value{Int: 1}
	}
	return Value{}
}

// parsed reads a scalar that was written as JSON.
func parsed(t Type, raw []byte) (out Value) {
	var err error
	switch t {
	case Integer:
		err = json.Unmarshal(raw, &out.Int)
	case Number:
		err = json.Unmarshal(raw, &out.Number)
	case Boolean:
		out = truth(string(raw) == "true")
	default:
		err = json.Unmarshal(raw, &out.Text)
	}
	if err != nil {
		return Value{} // null, or absent
	}
	return out
}
