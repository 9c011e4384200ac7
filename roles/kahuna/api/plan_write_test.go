package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// done is what the audit says of everything after an index, as a plan would have said it: one line a
// field, "action kind name field: before -> after".
func (w *world) done(index uint64) []string {
	type object struct {
		made, gone bool
		name, kind string
		before     map[string]string
		after      map[string]string
	}
	all := map[string]*object{}
	entries := w.audit(fmt.Sprintf("from_index=%d&limit=1000", index+1))
	slices.Reverse(entries)
	for _, e := range entries {
		for _, c := range e["changes"].([]any) {
			c := c.(map[string]any)
			if c["kind"] == "operation" {
				continue
			}
			id := c["id"].(string)
			o := all[id]
			if o == nil {
				o = &object{made: c["action"] == "create", kind: c["kind"].(string), before: map[string]string{}, after: map[string]string{}}
				all[id] = o
			}
			o.name, o.gone = c["name"].(string), c["action"] == "delete"
			for _, f := range c["fields"].([]any) {
				f := f.(map[string]any)
				name := f["field"].(string)
				if _, known := o.before[name]; !known {
					o.before[name] = text(f["before"])
				}
				o.after[name] = text(f["after"])
			}
		}
	}
	var out []string
	for _, o := range all {
		action := "update"
		switch {
		case o.made && o.gone:
			continue
		case o.made:
			action = "create"
		case o.gone:
			action = "delete"
		}
		for name := range maps.Keys(o.before) {
			before := o.before[name]
			if action == "create" {
				before = "null"
			}
			if before != o.after[name] {
				out = append(out, fmt.Sprintf("%s %s %s %s: %s -> %s", action, o.kind, o.name, name, before, o.after[name]))
			}
		}
	}
	slices.Sort(out)
	return out
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func planned(p map[string]any) []string {
	var out []string
	for _, c := range p["changes"].([]any) {
		c := c.(map[string]any)
		for _, f := range c["fields"].([]any) {
			f := f.(map[string]any)
			out = append(out, fmt.Sprintf("%s %s %s %s: %s -> %s", c["action"], c["kind"], c["name"], f["field"], text(f["before"]), text(f["after"])))
		}
	}
	slices.Sort(out)
	return out
}

var drawn = regexp.MustCompile(`\[new[^\]]*\]`)

// agree tells whether what was done is what was planned, whatever was drawn where the plan says [new].
func agree(plan, done []string) bool {
	if len(plan) != len(done) {
		return false
	}
	left := slices.Clone(done)
	for _, line := range plan {
		parts := drawn.Split(line, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern := regexp.MustCompile("^" + strings.Join(parts, `[^"]+`) + "$")
		i := slices.IndexFunc(left, pattern.MatchString)
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// A write that is pinned to its plan does exactly what the plan says, field by field.
func TestWritesDoWhatWasPlanned(t *testing.T) {
	w := newWorld(t)
	w.topology()
	n := 0
	chance.Check(t, func(t *rapid.T) {
		n++
		number := rapid.IntRange(0, 3)
		name := fmt.Sprintf("m%d", number.Draw(t, "machine"))
		disk, vcpus, memory := 4+number.Draw(t, "disk"), 1+number.Draw(t, "vcpus"), 1+number.Draw(t, "memory")
		body := fmt.Sprintf(`{"description":"d%d","vcpus":%d,"memory":%d,"disk":%d,"labels":{"n":"%d"}}`, n%3, vcpus, memory<<30, disk<<30, n%2)
		write := rapid.SampledFrom([]string{"put", "put", "delete", "stop", "start", "region", "zone", "volume", "rename"}).Draw(t, "write")
		method, path := "PUT", "/api/v2/komputes/"+name+"?project=web&zone=eu-a"
		switch write {
		case "delete":
			method, path, body = "DELETE", "/api/v2/komputes/"+name+"?project=web", ""
		case "stop", "start":
			method, path, body = "PATCH", "/api/v2/komputes/"+name+"/"+write+"?project=web", ""
		case "region":
			path, body = fmt.Sprintf("/api/v2/regions/r%d?a=", number.Draw(t, "region")), fmt.Sprintf(`{"domain":"d%d.test"}`, n%5)
			path = strings.TrimSuffix(path, "a=")
		case "zone":
			path, body = fmt.Sprintf("/api/v2/zones/z%d?region=eu", number.Draw(t, "zone")), fmt.Sprintf(`{"description":"d%d"}`, n%5)
		case "volume":
			path, body = fmt.Sprintf("/api/v2/volumes/v%d?project=web&region=eu", number.Draw(t, "volume")), fmt.Sprintf(`{"type":"raw","size":%d}`, int64(disk)<<30)
		case "rename":
			body = strings.Replace(body, "{", fmt.Sprintf(`{"name":"m%d",`, number.Draw(t, "other")), 1)
		}
		a := w.do(method, path+"&plan=true", body)
		index := w.store.View().Index()
		if a.status != 200 { // what cannot be planned cannot be done
			if got := w.do(method, path+"&wait=true", body); got.status != a.status {
				t.Fatalf("%s %s %s: planned %d %s, done %d %s", method, path, body, a.status, a.body, got.status, got.body)
			}
			return
		}
		p := decode(w.t, a.body)
		if got := w.do(method, path+"&wait=true&pin="+p["hash"].(string), body); got.status >= 300 {
			t.Fatalf("%s %s %s: planned, but %d %s", method, path, body, got.status, got.body)
		}
		if plan, done := planned(p), w.done(index); !agree(plan, done) {
			t.Fatalf("%s %s %s\nplanned\n\t%s\ndone\n\t%s", method, path, body, strings.Join(plan, "\n\t"), strings.Join(done, "\n\t"))
		}
	})
}
