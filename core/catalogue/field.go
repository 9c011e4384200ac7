package catalogue

import (
	"kowabunga/core/model"
)

// Type is a JSON Schema type, plus Date for strings in the form YYYY-MM-DD.
type Type string

// The types of fields and parameters.
const (
	String  Type = "string"
	Integer Type = "integer"
	Number  Type = "number"
	Boolean Type = "boolean"
	Date    Type = "date"
	Array   Type = "array"
	Object  Type = "object"
)

// Field is one field of a JSON object, bound to a struct.
//
// In an answer of API v1 a field stands if it is Required or Always, if it is not empty, or if the last
// v1 writer sent it. In a PUT an absent field keeps its value, unless Replace is set: then it means the
// default. A null counts as absent.
type Field struct {
	Name   string
	Bit    int // in model.Meta.Sent; stable for ever; -1 for fields that are never sent
	Type   Type
	Items  Type    // of an Array
	Schema string  // of an Object, or of an Array's items
	Fields []Field // of that schema
	Doc    string

	Required  bool
	Lenient   bool // with Required: may be absent in requests all the same
	Always    bool
	ReadOnly  bool // set by the server; ignored in requests
	Immutable bool // a PUT may repeat it but not change it
	Replace   bool
	Secret    bool // may be shown to whoever may change the object, empty to others
	Bytes     bool // a size in bytes, for people shown with a unit
	Column    bool // shown in the CLI's default table
	Enum      []string
	Spellings map[string]string // other words for values of Enum, taken in requests
	Blank     bool              // with Required: an empty text is a value like others
	Single    bool              // of an Array: one item may stand for a list of it in requests
	Default   any               // string, int64, float64, bool, []int64 or nil
	Min, Max  int64
	Ref       model.Kind // the value or every item is an id of this kind
	Since     string     // first release of the API that has it; empty means 0.53.2; "v2": API v1 neither shows nor takes it
	Unsaid    bool       // a v1 writer who does not send it means the zero value, as before there was the field

	// write appends the value; empty tells whether it is the zero value.
	write func(b []byte, v model.View, p any) []byte
	empty func(v model.View, p any) bool
	// read sets the value from JSON known to be valid; path names it in faults.
	read func(p any, raw []byte, path string) error
	// reset sets the default.
	reset func(p any)
	// zero sets the zero value; only scalars have it.
	zero func(p any)
	// same tells whether two structs agree in this field.
	same func(a, b any) bool
	// address is a pointer to the bound struct field, nil for computed ones.
	address func(p any) any
	// refs lists the ids of a Ref field.
	refs func(p any) []model.ID
}

// Option changes a field while it is declared.
type Option func(*Field)

// The options of a field.
var (
	Required  Option = func(f *Field) { f.Required = true }
	Always    Option = func(f *Field) { f.Always = true }
	Lenient   Option = func(f *Field) { f.Required, f.Lenient = true, true }
	ReadOnly  Option = func(f *Field) { f.ReadOnly = true }
	Immutable Option = func(f *Field) { f.Immutable = true }
	Replace   Option = func(f *Field) { f.Replace = true }
	Secret    Option = func(f *Field) { f.Secret = true }
	Bytes     Option = func(f *Field) { f.Bytes = true }
	Column    Option = func(f *Field) { f.Column = true }
	Blank     Option = func(f *Field) { f.Blank = true }
	Single    Option = func(f *Field) { f.Single = true }
	Native    Option = func(f *Field) { f.Since = native }
	Unsaid    Option = func(f *Field) { f.Unsaid = true }
)

// Enum restricts a string to the listed values.
func Enum(values ...string) Option { return func(f *Field) { f.Enum = values } }

// Spelt takes other words for the values of an enumeration: of the pairs the first means the second.
func Spelt(pairs ...string) Option {
	return func(f *Field) {
		f.Spellings = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			f.Spellings[pairs[i]] = pairs[i+1]
		}
	}
}

// Default is the value of an absent field.
func Default(value any) Option { return func(f *Field) { f.Default = value } }

// Range bounds an integer.
func Range(low, high int64) Option { return func(f *Field) { f.Min, f.Max = low, high } }

// Ref makes a string or a list of strings ids of a kind.
func Ref(kind model.Kind) Option { return func(f *Field) { f.Ref = kind } }

// native is the Since of fields that API v2 alone has: v1 neither shows nor takes them.
const native = "v2"

// Since names the release of the API that a newer field came with. API v1 shows such a field only where
// the last v1 writer sent it: older clients refuse keys they do not know.
func Since(release string) Option { return func(f *Field) { f.Since = release } }

// Doc describes the field for OpenAPI and help.
func Doc(text string) Option { return func(f *Field) { f.Doc = text } }

// Refs lists every id of another kind that the fields of an object name, with the field's name.
func (k *Kind) Refs(o model.Object, yield func(field string, kind model.Kind, id model.ID)) {
	for i := range k.Fields {
		f := &k.Fields[i]
		if f.Ref == "" || f.ReadOnly || f.refs == nil {
			continue
		}
		for _, id := range f.refs(o) {
			if id != "" {
				yield(f.Name, f.Ref, id)
			}
		}
	}
}

// Field returns the field of this name.
func (k *Kind) Field(name string) (*Field, bool) {
	for i := range k.Fields {
		if k.Fields[i].Name == name {
			return &k.Fields[i], true
		}
	}
	return nil, false
}

// Same tells whether two objects of the kind agree in this field.
func (f *Field) Same(a, b model.Object) bool { return f.same(a, b) }

// Address returns a pointer to the struct field the wire field is bound to, nil for computed fields.
func (f *Field) Address(o any) any {
	if f.address == nil {
		return nil
	}
	return f.address(o)
}
