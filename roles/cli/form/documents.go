package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/config"
)

// MaxDocuments bounds a file of several documents.
const MaxDocuments = 64 << 20

// ReadDocuments reads the objects of a file, each with its kind in "kind": documents of YAML one after
// the other, or JSON objects, or a list of such objects. file names it for people. Empty documents are
// passed over. Faults as of ReadDocument, with the document's place in their words.
func ReadDocuments(raw []byte, file string) ([]*Document, error) {
	if len(raw) > MaxDocuments {
		return nil, fault.New(fault.Malformed, "%s is larger than 64 MiB", file)
	}
	trees, err := decodeAll(raw)
	if err != nil {
		return nil, fault.Wrap(err, fault.Malformed, "read "+file)
	}
	var out []*Document
	for i, tree := range trees {
		at := file
		if len(trees) > 1 {
			at = fmt.Sprintf("%s, document %d", file, i+1)
		}
		doc, err := headed(tree)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "read "+at)
		}
		doc.At = at
		out = append(out, doc)
	}
	return out, nil
}

// headed reads an object that says its kind.
func headed(tree map[string]any) (*Document, error) {
	kind, ok := tree["kind"].(string)
	if !ok || kind == "" {
		return nil, fault.Bad("kind", "is missing: what kind of object it is, such as \"kind: project\"")
	}
	k, ok := catalogue.Named(kind)
	if !ok {
		var known []string
		for _, k := range catalogue.Kinds {
			known = append(known, string(k.Name))
		}
		if near := config.Nearest(kind, known); near != "" {
			return nil, fault.Bad("kind", "there is no kind %q; did you mean %q?", kind, near)
		}
		return nil, fault.Bad("kind", "there is no kind %q; there are %v", kind, known)
	}
	return understand(k, tree)
}

func decodeAll(raw []byte) ([]map[string]any, error) {
	var values []any
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		var err error
		if values, err = decodeJSON(trimmed); err == nil {
			return objectsIn(values)
		}
	}
	values = nil
	for _, part := range separator.Split(string(raw), -1) {
		if strings.TrimSpace(part) == "" {
			continue
		}
		var value any
		if err := yaml.Unmarshal([]byte(part), &value); err != nil {
			return nil, fault.New(fault.Malformed, "document %d is neither YAML nor JSON: %s", len(values)+1, firstLine(err))
		}
		values = append(values, value)
	}
	return objectsIn(values)
}

// separator stands between documents (YAML 1.2.2 section 9.1.2). Nothing inside one begins a line like it.
var separator = regexp.MustCompile(`(?m)^(?:---|\.\.\.)[ \t]*(?:#.*)?\r?$`)

func decodeJSON(raw []byte) (values []any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		var value any
		switch err := d.Decode(&value); err {
		case nil:
			values = append(values, value)
		case io.EOF:
			return values, nil
		default:
			return nil, err
		}
	}
}

// objectsIn opens lists and passes empty documents over.
func objectsIn(values []any) ([]map[string]any, error) {
	var out []map[string]any
	for i, value := range values {
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, one := range list {
			tree, ok := one.(map[string]any)
			switch {
			case one == nil:
			case !ok:
				return nil, fault.New(fault.Malformed, "document %d is no object with fields", i+1)
			case len(tree) > 0:
				out = append(out, tree)
			}
		}
	}
	return out, nil
}

// Body writes values as JSON for the server, in the order of the catalogue.
func Body(k *catalogue.Kind, values map[string]any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(name string) error {
		v, ok := values[name]
		if !ok {
			return nil
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", name)
		if err := e.Encode(v); err != nil {
			return fault.Wrap(err, fault.Internal, "write "+name)
		}
		b.Truncate(b.Len() - 1) // the encoder's line end
		return nil
	}
	for i := range k.Fields {
		if err := write(k.Fields[i].Name); err != nil {
			return nil, err
		}
	}
	if _, own := k.Field(Labels); !own {
		if err := write(Labels); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Refs calls swap for every reference among a document's values, however deep, and puts in its place what
// swap returns. path is the reference's field: "peerings[0].subnet".
func (d *Document) Refs(swap func(kind model.Kind, ref, path string) (string, error)) error {
	for i := range d.Kind.Fields {
		f := &d.Kind.Fields[i]
		v, given := d.Values[f.Name]
		if !given {
			continue
		}
		next, err := swapRefs(f, v, f.Name, swap)
		if err != nil {
			return err
		}
		d.Values[f.Name] = next
	}
	return nil
}

// swapRefs copies what it changes: documents share parts with nobody, but answers may.
func swapRefs(f *catalogue.Field, v any, path string, swap func(model.Kind, string, string) (string, error)) (any, error) {
	switch v := v.(type) {
	case string:
		if f.Ref == "" || v == "" {
			return v, nil
		}
		return swap(f.Ref, v, path)
	case []any:
		out := make([]any, len(v))
		item := *f
		item.Type = f.Items
		for i := range v {
			var err error
			if out[i], err = swapRefs(&item, v[i], fmt.Sprintf("%s[%d]", path, i), swap); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for name, one := range v {
			out[name] = one
			if sub := find(f.Fields, name); sub != nil {
				next, err := swapRefs(sub, one, path+"."+name, swap)
				if err != nil {
					return nil, err
				}
				out[name] = next
			}
		}
		return out, nil
	}
	return v, nil
}
