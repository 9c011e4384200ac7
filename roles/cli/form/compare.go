package form

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/roles/config"
)

// Change is a field whose value differs. Before and After are plain values; nil stands for none.
type Change struct {
	Field  *catalogue.Field // nil for a label
	Path   string           // "quotas.memory", "labels.env"
	Before any
	After  any
}

// Compare finds what setting values would change in an object as the server answered it. What values do not
// name stays; items of lists are compared with their defaults filled in.
func Compare(k *catalogue.Kind, now map[string]json.RawMessage, values map[string]any) []Change {
	var out []Change
	for i := range k.Fields {
		f := &k.Fields[i]
		if after, named := values[f.Name]; named && !f.ReadOnly {
			out = append(out, differ(f, f.Name, Decode(now[f.Name]), after)...)
		}
	}
	if after, named := values[Labels].(map[string]any); named {
		out = append(out, differLabels(Decode(now[Labels]), after)...)
	}
	return out
}

// Decode is the value of JSON text with exact numbers; nil for none.
func Decode(raw json.RawMessage) any {
	v, err := decodeJSON(raw)
	if err != nil || len(v) == 0 {
		return nil
	}
	return v[0]
}

func differ(f *catalogue.Field, path string, before, after any) []Change {
	top, isObject := after.(map[string]any)
	if f.Type == catalogue.Object && isObject {
		var out []Change
		under, _ := before.(map[string]any)
		for i := range f.Fields {
			sub := &f.Fields[i]
			if one, named := top[sub.Name]; named && !sub.ReadOnly {
				out = append(out, differ(sub, path+"."+sub.Name, under[sub.Name], one)...)
			}
		}
		return out
	}
	if b, a := canonical(f, before), canonical(f, after); !reflect.DeepEqual(b, a) {
		return []Change{{f, path, before, after}}
	}
	return nil
}

// differLabels compares all labels: they are replaced as a whole.
func differLabels(before any, after map[string]any) []Change {
	was, _ := before.(map[string]any)
	keys := maps.Clone(was)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, after)
	var out []Change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if was[key] != after[key] {
			out = append(out, Change{nil, Labels + "." + key, was[key], after[key]})
		}
	}
	return out
}

// canonical is a value that equals another one exactly when the server takes them for the same.
func canonical(f *catalogue.Field, v any) any {
	switch v := v.(type) {
	case nil:
		return zero(f)
	case json.Number, int64, float64, int, uint64:
		if n, ok := new(big.Rat).SetString(fmt.Sprint(v)); ok {
			return n.RatString()
		}
		return fmt.Sprint(v)
	case []any:
		item := *f
		item.Type, item.Default = f.Items, nil
		out := make([]any, len(v))
		for i := range v {
			out[i] = canonical(&item, v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for i := range f.Fields {
			if sub := &f.Fields[i]; !sub.ReadOnly {
				out[sub.Name] = canonical(sub, v[sub.Name])
			}
		}
		return out
	}
	return v
}

// zero is the canonical form of a value that is not there.
func zero(f *catalogue.Field) any {
	switch f.Type {
	case catalogue.Array:
		return []any{}
	case catalogue.Object:
		return canonical(f, map[string]any{})
	}
	switch d := f.Default.(type) {
	case nil:
	case int64, float64:
		return canonical(f, d)
	default:
		return d
	}
	switch f.Type {
	case catalogue.Integer, catalogue.Number:
		return "0"
	case catalogue.Boolean:
		return false
	}
	return ""
}

// Unset tells whether a value is what a field has when nothing is said about it.
func Unset(f *catalogue.Field, v any) bool {
	return reflect.DeepEqual(canonical(f, v), zero(f))
}

// Strip is a value as a document has it: without what the server sets, sizes with a unit where that is
// exact.
func Strip(f *catalogue.Field, v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && f.Bytes && n >= 1<<20 {
			if text := config.Size(n).String(); strings.HasSuffix(text, "iB") && !strings.HasSuffix(text, "KiB") {
				return text
			}
		}
		return v
	case []any:
		item := *f
		item.Type = f.Items
		out := make([]any, len(v))
		for i := range v {
			out[i] = Strip(&item, v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for i := range f.Fields {
			sub := &f.Fields[i]
			if one, has := v[sub.Name]; has && !sub.ReadOnly && (sub.Required || !Unset(sub, one)) {
				out[sub.Name] = Strip(sub, one)
			}
		}
		return out
	}
	return v
}
