package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/config"
)

// MaxDocument bounds a document: it is what the server takes as a body.
const MaxDocument = 1 << 20

// Document is a resource as a person wrote it down.
type Document struct {
	Kind    *catalogue.Kind
	Values  map[string]any        // by field name, with Labels among them; what the server sets itself is left out
	Parents map[model.Kind]string // id or name
	Query   map[string]string     // parameters of the creation, by their names in the API
	At      string                // where it stands: "web.yaml, document 2"
}

// Labels is the name under which the labels of an object stand among its values.
const Labels = "labels"

// New is an empty document.
func New(k *catalogue.Kind) *Document {
	return &Document{Kind: k, Values: map[string]any{}, Parents: map[model.Kind]string{}, Query: map[string]string{}}
}

// Name is the name of the object, empty when there is none.
func (d *Document) Name() string {
	name, _ := d.Values["name"].(string)
	return name
}

// meta is what the server adds to an object; a document that began as an answer holds it.
var meta = []string{"kind", "created", "updated", "version", "phase", "operation"}

// ReadDocument reads one object in YAML or JSON with the field names of the API. Sizes may have units,
// references may be names, and the kinds that the object lies in stand as "region" or "region_id".
// Faults: Malformed for text that is neither, Invalid for unknown fields and wrong values.
func ReadDocument(k *catalogue.Kind, raw []byte) (*Document, error) {
	if len(raw) > MaxDocument {
		return nil, fault.New(fault.Malformed, "the document is larger than 1 MiB")
	}
	tree, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if kind, ok := tree["kind"].(string); ok && kind != string(k.Name) {
		return nil, fault.Bad("kind", "is %q, but a %s is wanted", kind, k.Name)
	}
	return understand(k, tree)
}

// understand sorts what a document says into fields, places and parameters of a creation.
func understand(k *catalogue.Kind, tree map[string]any) (*Document, error) {
	doc := New(k)
	for name, value := range tree {
		if parent, ok := parentOf(k, name); ok {
			ref, isText := value.(string)
			if !isText {
				return nil, fault.Bad(name, "must be the id or name of a %s", parent)
			}
			doc.Parents[parent] = ref
			continue
		}
		f, ok := k.Field(name)
		q := parameter(k, name)
		var err error
		switch {
		case q != nil && (!ok || f.ReadOnly):
			if value != nil && value != "" {
				doc.Query[q.Name], err = takeParameter(q, value, name)
			}
		case name == Labels && !ok:
			if value != nil {
				doc.Values[name], err = takeLabels(value)
			}
		case !ok && slices.Contains(meta, name):
		case !ok:
			return nil, fault.Bad(name, "is no field of a %s%s", k.Name, nearest(k, name))
		case f.ReadOnly || value == nil:
		default:
			doc.Values[name], err = take(f, value, name)
		}
		if err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// parameter finds the query parameter of a creation that a document's key names, as in the API or as its
// flag is called, with underscores.
func parameter(k *catalogue.Kind, name string) *catalogue.Query {
	for i := range k.Ops {
		if k.Ops[i].Verb != catalogue.Create {
			continue
		}
		for j := range k.Ops[i].Query {
			q := &k.Ops[i].Query[j]
			if name == q.Name || name == ParameterName(q) {
				return q
			}
		}
	}
	return nil
}

// ParameterName is how documents call a query parameter of a creation.
func ParameterName(q *catalogue.Query) string {
	return strings.ReplaceAll(FlagName(q.Name, false), "-", "_")
}

func takeParameter(q *catalogue.Query, v any, name string) (string, error) {
	value, err := take(&catalogue.Field{Name: q.Name, Type: q.Type}, v, name)
	return fmt.Sprint(value), err
}

func takeLabels(v any) (any, error) {
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Bad(Labels, "must be words and their values, such as {env: prod}")
	}
	for key, value := range tree {
		text, err := takeScalar(&catalogue.Field{Type: catalogue.String}, value, Labels+"."+key)
		if err != nil {
			return nil, err
		}
		tree[key] = text
	}
	return tree, nil
}

// decode reads JSON when the text begins like it, for the exact numbers and messages, else YAML.
func decode(raw []byte) (map[string]any, error) {
	var tree map[string]any
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(trimmed))
		d.UseNumber()
		if err := d.Decode(&tree); err == nil {
			if _, err := d.Token(); err != io.EOF {
				return nil, fault.New(fault.Malformed, "the document holds more than one object")
			}
			return tree, nil
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&tree); err != nil && err != io.EOF {
		return nil, fault.New(fault.Malformed, "the document is neither YAML nor JSON with one object: %s", firstLine(err))
	}
	var more any
	if err := d.Decode(&more); err != io.EOF {
		return nil, fault.New(fault.Malformed, "the document holds more than one object")
	}
	if len(tree) == 0 {
		return nil, fault.New(fault.Malformed, "the document is empty")
	}
	return tree, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// parentOf finds the kind a document's key names as the place of the object.
func parentOf(k *catalogue.Kind, name string) (model.Kind, bool) {
	if _, isField := k.Field(name); isField {
		return "", false
	}
	for i := range k.Parents {
		if kind := k.Parents[i].Kind; name == string(kind) || name == string(kind)+"_id" {
			return kind, true
		}
	}
	return "", false
}

func nearest(k *catalogue.Kind, name string) string {
	known := append(names(k.Fields), Labels)
	for i := range k.Parents {
		known = append(known, string(k.Parents[i].Kind))
	}
	for i := range k.Ops {
		for j := range k.Ops[i].Query {
			if k.Ops[i].Verb == catalogue.Create {
				known = append(known, ParameterName(&k.Ops[i].Query[j]))
			}
		}
	}
	if near := config.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// take brings a document's value into the form of the field.
func take(f *catalogue.Field, v any, path string) (any, error) {
	switch f.Type {
	case catalogue.Array:
		items, ok := v.([]any)
		if !ok && f.Single {
			items, ok = []any{v}, true
		}
		if !ok {
			return nil, fault.Bad(path, "must be a list")
		}
		return takeItems(f, items, path)
	case catalogue.Object:
		return takeObject(f.Fields, v, path)
	}
	return takeScalar(f, v, path)
}

func takeItems(f *catalogue.Field, items []any, path string) (any, error) {
	out := make([]any, 0, len(items))
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		var one any
		var err error
		if f.Items == catalogue.Object {
			one, err = takeObject(f.Fields, item, at)
		} else {
			one, err = takeScalar(&catalogue.Field{Type: f.Items}, item, at)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func takeObject(fields []catalogue.Field, v any, path string) (any, error) {
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Bad(path, "must be an object with %s", strings.Join(names(fields), ", "))
	}
	out := map[string]any{}
	for name, value := range tree {
		sub := find(fields, name)
		if sub != nil && (sub.ReadOnly || value == nil) {
			continue
		}
		if sub == nil {
			return nil, fault.Bad(path+"."+name, "is unknown; there are %s", strings.Join(names(fields), ", "))
		}
		one, err := take(sub, value, path+"."+name)
		if err != nil {
			return nil, err
		}
		out[name] = one
	}
	return out, nil
}

func takeScalar(f *catalogue.Field, v any, path string) (any, error) {
	text := ""
	switch v := v.(type) {
	case string:
		if f.Type != catalogue.String && f.Type != catalogue.Date && !f.Bytes {
			return nil, fault.Bad(path, "must be %s, not text", article(f.Type))
		}
		text = v
	case bool:
		if f.Type != catalogue.Boolean {
			return nil, fault.Bad(path, "must be %s, not true or false; put quotes around a text", article(f.Type))
		}
		return v, nil
	case nil, []any, map[string]any:
		return nil, fault.Bad(path, "must be %s", article(f.Type))
	default:
		if f.Type == catalogue.Boolean || f.Type == catalogue.String || f.Type == catalogue.Date {
			return nil, fault.Bad(path, "must be %s; put quotes around it", article(f.Type))
		}
		text = number(v)
	}
	out, err := parseScalar(f, text)
	if err != nil {
		return nil, fault.Bad(path, "%v", err)
	}
	return out, nil
}

// number writes what the decoders make of a number; whole numbers without an exponent.
func number(v any) string {
	if n, ok := v.(float64); ok && n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(v)
}

func article(t catalogue.Type) string {
	switch t {
	case catalogue.Integer:
		return "a whole number"
	case catalogue.Number:
		return "a number"
	case catalogue.Boolean:
		return "true or false"
	case catalogue.Date:
		return "a date of the form YYYY-MM-DD"
	}
	return "text"
}
