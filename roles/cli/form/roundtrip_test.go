package form

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/roles/term"
	"kowabunga/testdata/chance"
)

// valueFor draws a value that the server could answer for a field.
func valueFor(t *rapid.T, f *catalogue.Field, at string) any {
	switch f.Type {
	case catalogue.Array:
		item := *f
		item.Type, item.Default = f.Items, nil
		out := []any{}
		for i := range rapid.IntRange(0, 3).Draw(t, at+" items") {
			out = append(out, valueFor(t, &item, fmt.Sprintf("%s[%d]", at, i)))
		}
		return out
	case catalogue.Object:
		out := map[string]any{}
		for i := range f.Fields {
			sub := &f.Fields[i]
			out[sub.Name] = valueFor(t, sub, at+"."+sub.Name)
		}
		return out
	case catalogue.Integer:
		if len(f.Enum) > 0 {
			return json.Number(rapid.SampledFrom(f.Enum).Draw(t, at))
		}
		low, high := f.Min, f.Max
		if high == 0 {
			low, high = 0, 1<<62
		}
		// Round sizes are written with their unit.
		return rapid.OneOf(rapid.Int64Range(low, high), rapid.SampledFrom([]int64{low, high, min(high, max(low, 1<<30)), min(high, max(low, 1536<<20))})).Draw(t, at)
	case catalogue.Number:
		return rapid.Float64Range(0, 1e9).Draw(t, at)
	case catalogue.Boolean:
		return rapid.Bool().Draw(t, at)
	case catalogue.Date:
		return "2030-12-31"
	}
	switch {
	case f.Ref != "":
		return rapid.StringMatching(`[0-9a-f]{24}`).Draw(t, at)
	case len(f.Enum) > 0:
		return rapid.SampledFrom(f.Enum).Draw(t, at)
	}
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9:./ ,"'#-]{0,12}`), rapid.SampledFrom([]string{"yes", "0x10", "1e3", "2GiB", "null", "ssh-ed25519 AAAA\nssh-rsa BBBB"})).Draw(t, at)
}

// Whatever an object of any kind holds: written down as a document and read back, nothing of it differs.
func TestDocumentsTellObjectsWhole(t *testing.T) {
	for _, k := range catalogue.Kinds {
		chance.Check(t, func(t *rapid.T) {
			now := map[string]json.RawMessage{}
			tree := map[string]any{"kind": string(k.Name)}
			for i := range k.Fields {
				f := &k.Fields[i]
				if f.ReadOnly {
					continue
				}
				raw, err := json.Marshal(valueFor(t, f, f.Name))
				if err != nil {
					t.Fatal(err)
				}
				now[f.Name] = raw
				if v := Decode(raw); !Unset(f, v) {
					tree[f.Name] = Strip(f, v)
				}
			}
			labels := rapid.MapOfN(rapid.StringMatching(`[a-z][a-z./-]{0,8}`), rapid.String(), 0, 3).Draw(t, "labels")
			tree[Labels] = labels
			now[Labels], _ = json.Marshal(labels) // text can be written
			text, err := term.YAML(tree)
			if err != nil {
				t.Fatal(err)
			}
			docs, err := ReadDocuments(text, "export")
			if err != nil || len(docs) != 1 {
				t.Fatalf("%d documents, %v, of\n%s", len(docs), err, text)
			}
			if changes := Compare(k, now, docs[0].Values); len(changes) > 0 {
				t.Fatalf("%+v differ in\n%s", changes, text)
			}
			for name := range tree {
				if _, given := docs[0].Values[name]; !given && name != "kind" {
					t.Fatalf("%s was lost in\n%s", name, text)
				}
			}
		})
	}
}
