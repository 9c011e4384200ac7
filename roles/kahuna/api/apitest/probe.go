package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
)

// valid is a call that was answered with success: what probes are made of.
type valid struct {
	op    *Operation
	ids   []string
	query map[string]string
	body  string
}

func (c *valid) path() string {
	path := fill(c.op.Path, c.ids)
	if len(c.query) == 0 {
		return path
	}
	q := url.Values{}
	for name, value := range c.query {
		q.Set(name, value)
	}
	return path + "?" + q.Encode()
}

// probe repeats every call that takes a body with one thing wrong in it at a time. Each must be refused
// with the status that says what is wrong, as an error object, and change nothing.
func (w *walk) probe() {
	w.t.Helper()
	probes := 0
	for _, id := range slices.Sorted(maps.Keys(w.valid)) {
		c := w.valid[id]
		w.misaimed(c)
		if c.op.Request == nil || id == "Login" || id == "ResetPassword" { // these two are rate limited
			continue
		}
		for _, m := range w.mutations(c) {
			probes++
			w.refusedUnchanged(c.op.ID+": "+m.what, c.op.Method, c.path(), m.body, m.want)
		}
		if strings.HasPrefix(id, "Update") {
			w.tolerated(c)
		}
		if kind, ok := catalogue.Named(*c.op.Request); ok && strings.HasPrefix(id, "Create") && kind.Table.Unique != nil {
			w.twice(c)
		}
	}
	w.t.Logf("%d bodies with one thing wrong were refused", probes)
}

// twice asks for what exists: its name is taken, or one of its parts.
func (w *walk) twice(c *valid) {
	w.t.Helper()
	before := w.state()
	status, _, raw := w.send(c.op.Method, c.path(), w.target.Key, c.body)
	if status != http.StatusConflict && status != http.StatusUnprocessableEntity || w.state() != before {
		w.t.Errorf("%s: the same once more: %d %s", c.op.ID, status, raw)
	}
}

// misaimed sends the call to ids that do not exist and with parameters of the wrong type.
func (w *walk) misaimed(c *valid) {
	w.t.Helper()
	for i := range c.ids {
		for _, wrong := range []string{unknown, "ABCDEF", "..%2f..%2fetc", strings.Repeat("9", 300)} {
			ids := slices.Clone(c.ids)
			ids[i] = wrong
			w.refusedUnchanged(c.op.ID+": id "+wrong[:min(len(wrong), 12)], c.op.Method, fill(c.op.Path, ids), c.body, http.StatusNotFound)
		}
	}
	for _, p := range c.op.Params {
		if p.In != "query" || p.Type == "string" && p.Name != "expiration_date" || c.op.ID == "ListProjects" {
			continue
		}
		w.refusedUnchanged(c.op.ID+": query "+p.Name, c.op.Method, fill(c.op.Path, c.ids)+"?"+p.Name+"=x%20y", c.body, http.StatusBadRequest)
	}
}

type mutation struct {
	what, body string
	want       int
}

// mutations are bodies with one thing wrong.
func (w *walk) mutations(c *valid) []mutation {
	out := []mutation{
		{"no body", "", http.StatusBadRequest},
		{"half a body", c.body[:len(c.body)/2], http.StatusBadRequest},
		{"a list", "[" + c.body + "]", http.StatusBadRequest},
		{"text", `"x"`, http.StatusBadRequest},
		{"two values", c.body + c.body, http.StatusBadRequest},
		{"nested without end", strings.Repeat(`{"a":`, 1000), http.StatusBadRequest},
		{"too large", `{"description":"` + strings.Repeat("x", 1<<20) + `"}`, http.StatusBadRequest},
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(c.body), &sent); err != nil {
		w.t.Fatal(err)
	}
	kind, _ := catalogue.Named(*c.op.Request)
	var fields []catalogue.Field
	if kind != nil {
		fields = kind.Fields
	}
	return append(out, w.within("", *c.op.Request, fields, sent, func(changed map[string]any) string { return text(changed) })...)
}

// within makes the mutations of one object of a body; whole puts a changed one back into its place.
// fields are what the catalogue declares of it, nil for what only the contract describes.
func (w *walk) within(at, schema string, fields []catalogue.Field, sent map[string]any, whole func(map[string]any) string) []mutation {
	var out []mutation
	with := func(key string, value any) string {
		changed := maps.Clone(sent)
		if value == nil {
			delete(changed, key)
		} else {
			changed[key] = value
		}
		return whole(changed)
	}
	contract := w.wire.Schemas[schema]
	for _, name := range slices.Sorted(maps.Keys(contract.Fields)) {
		f := contract.Fields[name]
		var declared *catalogue.Field
		if i := slices.IndexFunc(fields, func(f catalogue.Field) bool { return f.Name == name }); i >= 0 {
			declared = &fields[i]
		}
		if declared != nil && declared.ReadOnly || f.ReadOnly {
			continue
		}
		out = append(out, mutate(at+name, name, f, declared, with)...)
		if declared == nil || len(declared.Fields) == 0 {
			continue
		}
		switch value := sent[name].(type) {
		case map[string]any:
			out = append(out, w.within(at+name+".", declared.Schema, declared.Fields, value, func(changed map[string]any) string { return with(name, changed) })...)
		case []any:
			if len(value) == 0 {
				continue
			}
			item, _ := value[0].(map[string]any)
			out = append(out, w.within(at+name+"[0].", declared.Schema, declared.Fields, item, func(changed map[string]any) string {
				items := slices.Clone(value)
				items[0] = changed
				return with(name, items)
			})...)
		}
	}
	return out
}

// mutate makes what can be wrong with one field.
func mutate(at, name string, f Field, declared *catalogue.Field, with func(key string, value any) string) []mutation {
	var out []mutation
	if f.Required && (declared == nil || !declared.Lenient) {
		out = append(out, mutation{at + " is absent", with(name, nil), http.StatusUnprocessableEntity},
			mutation{at + " is null", with(name, json.RawMessage("null")), http.StatusUnprocessableEntity})
		// The value of a project's metadata is the one text that is required and may be empty.
		if f.Type == "string" && name != "value" {
			out = append(out, mutation{at + " is empty", with(name, ""), http.StatusUnprocessableEntity})
		}
	}
	for _, wrong := range wrongTypes[f.Type] {
		out = append(out, mutation{at + " is " + text(wrong), with(name, wrong), http.StatusBadRequest})
	}
	if declared == nil {
		return out
	}
	if len(declared.Enum) > 0 && f.Type == "string" {
		out = append(out, mutation{at + " is no declared word", with(name, "nonsense"), http.StatusUnprocessableEntity})
	}
	if len(declared.Enum) > 0 && f.Type == "integer" {
		out = append(out, mutation{at + " is no declared number", with(name, 1), http.StatusUnprocessableEntity})
	}
	if declared.Max > declared.Min && f.Type == "integer" {
		out = append(out, mutation{at + " is too small", with(name, declared.Min-1), http.StatusUnprocessableEntity},
			mutation{at + " is too large", with(name, declared.Max+1), http.StatusUnprocessableEntity})
	}
	if declared.Ref != "" && f.Type == "array" {
		out = append(out, mutation{at + " names nothing", with(name, []string{unknown}), http.StatusUnprocessableEntity},
			mutation{at + " is no id", with(name, []string{"nobody"}), http.StatusUnprocessableEntity})
	}
	return out
}

var wrongTypes = map[string][]any{
	"string":  {json.RawMessage("12"), json.RawMessage(`{"a":1}`), json.RawMessage("[]"), json.RawMessage("true")},
	"integer": {json.RawMessage(`"12"`), json.RawMessage("1.5"), json.RawMessage("1e400"), json.RawMessage("99999999999999999999999"), json.RawMessage("{}")},
	"number":  {json.RawMessage(`"1"`), json.RawMessage("[]")},
	"boolean": {json.RawMessage(`"true"`), json.RawMessage("1"), json.RawMessage("[]")},
	"array":   {json.RawMessage(`"x"`), json.RawMessage("7"), json.RawMessage("[[]]")},
	"object":  {json.RawMessage(`"x"`), json.RawMessage("[]"), json.RawMessage("7")},
}

// tolerated sends what clients send that a strict server would refuse: keys of newer contracts, read-only
// fields with whatever they held, nulls for what is optional. Nothing may change but the time.
func (w *walk) tolerated(c *valid) {
	w.t.Helper()
	var sent map[string]any
	if err := json.Unmarshal([]byte(c.body), &sent); err != nil {
		w.t.Fatal(err)
	}
	schema := w.wire.Schemas[*c.op.Request]
	for name, f := range schema.Fields {
		if f.ReadOnly && f.Type != "object" {
			sent[name] = "whatever"
		}
	}
	sent["of_a_newer_contract"] = map[string]any{"a": []int{1}}
	status, _, raw := w.send(c.op.Method, c.path(), w.target.Key, text(sent))
	if status != http.StatusOK {
		w.t.Errorf("%s with unknown and read-only keys: %d %s", c.op.ID, status, raw)
		return
	}
	if err := w.wire.Check(*c.op.Request, raw); err != nil {
		w.t.Errorf("%s with unknown and read-only keys: %v", c.op.ID, err)
	}
	status, _, again := w.send(c.op.Method, c.path(), w.target.Key, c.body)
	if status != http.StatusOK || !bytes.Equal(raw, again) {
		w.t.Errorf("%s: unknown and read-only keys changed %s to %s", c.op.ID, again, raw)
	}
}

// refusedUnchanged sends what must be refused and leave everything as it is.
func (w *walk) refusedUnchanged(what, method, path, body string, want int) {
	w.t.Helper()
	w.denied(what, method, path, w.target.Key, body, want)
}

func (w *walk) denied(what, method, path, key, body string, want int) {
	w.t.Helper()
	before := w.state()
	status, header, raw := w.send(method, path, key, body)
	if status != want {
		w.t.Errorf("%s: %s %s: %d %.300s instead of %d", what, method, path, status, raw, want)
		return
	}
	if err := w.wire.CheckError(want, header.Get("Content-Type"), raw); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
	if w.state() != before {
		w.t.Errorf("%s was refused and changed something", what)
	}
}

func (w *walk) state() string {
	if w.target.State == nil {
		return ""
	}
	return w.target.State()
}

// send makes one request of API v1 without the SDK, which could not say what is wrong.
func (w *walk) send(method, path, key, body string) (int, http.Header, []byte) {
	w.t.Helper()
	return w.raw(method, "/api/v1"+path, key, body)
}

func (w *walk) raw(method, path, key, body string) (int, http.Header, []byte) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.target.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(key, "Bearer "), strings.HasPrefix(key, "Authorization "):
		r.Header.Set("Authorization", strings.TrimPrefix(key, "Authorization "))
	case key != "":
		r.Header.Set("X-API-Key", key)
	}
	next := w.api.next
	if key != w.target.Key && w.target.From != nil {
		w.requests++
		next = w.target.From(w.requests)
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		w.t.Fatal(fmt.Errorf("%s %s: %w", method, path, err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, raw
}
