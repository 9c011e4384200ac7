package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// Namer gives the name of an object, or its id where the name is not known.
type Namer func(kind model.Kind, id string) string

// Show writes a field's JSON value for people, in the form a flag takes. Secrets are not shown, only
// whether there is one. A nil Namer shows ids.
func Show(f *catalogue.Field, raw json.RawMessage, name Namer) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if f.Secret {
		if string(raw) == `""` {
			return "(none, or not yours to know)"
		}
		return "(set)"
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	return show(f, v, name)
}

// Words writes a value of a document or of an answer for people. f is nil for a label.
func Words(f *catalogue.Field, v any, name Namer) string {
	if list, ok := v.([]any); v == nil || v == "" || ok && len(list) == 0 {
		return "(none)"
	}
	switch {
	case f == nil:
		return fmt.Sprint(v)
	case f.Secret:
		return "(hidden)"
	case (f.Type == catalogue.Object || f.Items == catalogue.Object) && Deep(f.Fields):
		raw, _ := json.Marshal(v) // it came from JSON or can be sent as such
		return string(raw)
	}
	return show(f, v, name)
}

func show(f *catalogue.Field, v any, name Namer) string {
	switch v := v.(type) {
	case []any:
		item := *f
		item.Type = f.Items
		parts := make([]string, 0, len(v))
		for _, one := range v {
			text := show(&item, one, name)
			if f.Items != catalogue.Object || IsRange(f.Fields) {
				text = quote(text)
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		return showObject(f, v, name)
	case string:
		if f.Ref != "" && name != nil {
			return name(f.Ref, v)
		}
		return v
	case json.Number:
		if n, err := v.Int64(); err == nil && f.Bytes {
			return size(n)
		}
		return v.String()
	case int64, float64, int:
		return show(f, json.Number(number(v)), name)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return ""
}

func showObject(f *catalogue.Field, v map[string]any, name Namer) string {
	text := func(key string) string { s, _ := v[key].(string); return s }
	switch {
	case IsRange(f.Fields) && text("first") == text("last"):
		return text("first")
	case IsRange(f.Fields):
		return text("first") + "-" + text("last")
	case IsPair(f.Fields):
		return text("key") + "=" + text("value")
	}
	var parts []string
	for i := range f.Fields {
		sub := &f.Fields[i]
		if one, ok := v[sub.Name]; ok {
			parts = append(parts, quote(sub.Name+"="+show(sub, one, name)))
		}
	}
	return strings.Join(parts, ",")
}

// quote makes a text one item of a list.
func quote(text string) string {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") && strings.TrimSpace(text) == text {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

// size writes bytes exactly where a unit of MiB or more allows it, else rounded.
func size(n int64) string {
	if text := config.Size(n).String(); strings.HasSuffix(text, "iB") && !strings.HasSuffix(text, "KiB") || n == 0 {
		return text
	}
	if n < 0 {
		return strconv.FormatInt(n, 10)
	}
	return strings.ReplaceAll(term.Bytes(n), " ", "")
}
