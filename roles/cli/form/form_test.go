package form

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

func field(t testing.TB, kind model.Kind, name string) *catalogue.Field {
	t.Helper()
	f, ok := catalogue.Of(kind).Field(name)
	if !ok {
		t.Fatalf("%s has no field %s", kind, name)
	}
	return f
}

func TestFlagName(t *testing.T) {
	for name, want := range map[string]string{"bootstrap_pubkey": "bootstrap-pubkey", "poolId": "pool", "assignIP": "assign-ip", "subnetSize": "subnet-size", "ip": "ip", "vcpus": "vcpus"} {
		if got := FlagName(name, false); got != want {
			t.Errorf("%s: --%s, want --%s", name, got, want)
		}
	}
	if got := FlagName("root_password", true); got != "root-password-file" {
		t.Errorf("a secret's flag is --%s", got)
	}
}

func TestParse(t *testing.T) {
	type list = []any
	type object = map[string]any
	for _, c := range []struct {
		kind        model.Kind
		field, text string
		want        any    // nil for a mistake
		says        string // in the mistake
	}{
		{model.KindKompute, "memory", "4GiB", int64(4 << 30), ""},
		{model.KindKompute, "memory", "4 gib", int64(4 << 30), ""},
		{model.KindKompute, "memory", "1073741824", int64(1 << 30), ""},
		{model.KindKompute, "memory", "0", nil, "must lie between 1B and 1024TiB"},
		{model.KindKompute, "memory", "4GB", nil, `unknown unit "GB"; use B, KiB`},
		{model.KindKompute, "memory", "9999999999TiB", nil, "too large"},
		{model.KindKompute, "memory", "-1", nil, "must be a size"},
		{model.KindKompute, "vcpus", "2", int64(2), ""},
		{model.KindKompute, "vcpus", "2.5", nil, "whole number"},
		{model.KindKompute, "vcpus", "5000", nil, "between 1 and 4096"},
		{model.KindVNet, "private", "false", false, ""},
		{model.KindVNet, "private", "yes", true, ""},
		{model.KindVNet, "private", "maybe", nil, "true or false"},
		{model.KindAgent, "type", "Kiwi", "Kiwi", ""},
		{model.KindAgent, "type", "kiwi", nil, `did you mean "Kiwi"?`},
		{model.KindToken, "expiration_date", "2030-02-29", nil, "YYYY-MM-DD"},
		{model.KindToken, "expiration_date", "2028-02-29", "2028-02-29", ""},
		{model.KindTeam, "users", "ann, bob", list{"ann", "bob"}, ""},
		{model.KindTeam, "users", "", list{}, ""},
		{model.KindProject, "tags", `"a,b",c`, list{"a,b", "c"}, ""},
		{model.KindProject, "tags", `"a`, nil, "double quotes"},
		{model.KindProject, "quotas", "vcpus=4,memory=8GiB", object{"vcpus": int64(4), "memory": int64(8 << 30)}, ""},
		{model.KindProject, "quotas", "cpus=4", nil, "NAME one of vcpus, memory, storage, instances"},
		{model.KindProject, "quotas", "memory=8GB", nil, "memory has an unknown unit"},
		{model.KindProject, "metadatas", "greeting=a=b, c", list{object{"key": "greeting", "value": "a=b, c"}}, ""},
		{model.KindProject, "metadatas", "greeting", nil, "KEY=VALUE"},
		{model.KindSubnet, "reserved", "10.0.0.1-10.0.0.9,10.0.0.20", list{object{"first": "10.0.0.1", "last": "10.0.0.9"}, object{"first": "10.0.0.20", "last": "10.0.0.20"}}, ""},
		{model.KindSubnet, "reserved", "10.0.0.1-", nil, "FIRST-LAST"},
		{model.KindKaktus, "cpu_cost", "price=12.5,currency=CHF", object{"price": 12.5, "currency": "CHF"}, ""},
		{model.KindKaktus, "cpu_cost", "price=NaN", nil, "price must be a number"},
	} {
		got, err := Parse(field(t, c.kind, c.field), c.text)
		switch {
		case c.want == nil && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s %q: %v, %v; want a mistake with %q", c.field, c.text, got, err, c.says)
		case c.want != nil && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%s %q: %#v, %v; want %#v", c.field, c.text, got, err, c.want)
		}
	}
}

// Flags given several times add up.
func TestInputAddsUp(t *testing.T) {
	tags := &Input{Field: field(t, model.KindProject, "tags")}
	quotas := &Input{Field: field(t, model.KindProject, "quotas")}
	for _, err := range []error{tags.Set("a"), tags.Set("b,c"), quotas.Set("vcpus=1,memory=1GiB"), quotas.Set("vcpus=2")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []any{"a", "b", "c"}; !reflect.DeepEqual(tags.Value, want) {
		t.Errorf("tags are %v", tags.Value)
	}
	if want := map[string]any{"vcpus": int64(2), "memory": int64(1 << 30)}; !reflect.DeepEqual(quotas.Value, want) {
		t.Errorf("quotas are %v", quotas.Value)
	}
}

// What a table shows can be written back, whatever the words in it.
func TestShownIsReadBack(t *testing.T) {
	word := rapid.StringMatching(`[a-z0-9 ,"=äß.-]{1,12}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	chance.Check(t, func(t *rapid.T) {
		tags, quotas := catalogue.Of(model.KindProject), map[string]any{}
		list := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			list = append(list, word.Draw(t, "tag"))
		}
		check := func(name string, v any) {
			f, _ := tags.Field(name)
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text := Show(f, raw, nil)
			got, err := Parse(f, text)
			if err != nil || !reflect.DeepEqual(got, v) {
				t.Fatalf("%s %s is shown as %q and read back as %#v, %v", name, raw, text, got, err)
			}
		}
		check("tags", list)
		quotas["vcpus"] = rapid.Int64Range(0, 1<<31-1).Draw(t, "vcpus")
		quotas["memory"] = rapid.Int64Range(0, 1<<20).Draw(t, "MiB") << 20
		check("quotas", quotas)
		key := rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "key")
		check("metadatas", []any{map[string]any{"key": key, "value": rapid.StringMatching(`[ -~]{0,12}`).Draw(t, "value")}})
	})
}

func TestShow(t *testing.T) {
	name := func(_ model.Kind, id string) string { return "name-of-" + id }
	for _, c := range []struct {
		kind             model.Kind
		field, raw, want string
	}{
		{model.KindKompute, "memory", `3221225472`, "3GiB"},
		{model.KindKompute, "memory", `1234567890`, "1.1GiB"},
		{model.KindKompute, "data_disk", `0`, "0"},
		{model.KindProject, "root_password", `"hunter2"`, "(set)"},
		{model.KindProject, "teams", `["a","b"]`, "name-of-a,name-of-b"},
		{model.KindVNet, "private", `true`, "yes"},
		{model.KindSubnet, "gw_pool", `[{"first":"10.0.0.1","last":"10.0.0.1"},{"first":"10.0.0.3","last":"10.0.0.4"}]`, "10.0.0.1,10.0.0.3-10.0.0.4"},
		{model.KindKaktus, "cpu_cost", `{"price":12.5,"currency":"EUR"}`, "price=12.5,currency=EUR"},
		{model.KindVNet, "vlan", `null`, ""},
	} {
		if got := Show(field(t, c.kind, c.field), json.RawMessage(c.raw), name); got != c.want {
			t.Errorf("%s %s is shown as %q, want %q", c.field, c.raw, got, c.want)
		}
	}
}

func TestReadDocument(t *testing.T) {
	doc, err := ReadDocument(catalogue.Of(model.KindKompute), []byte("name: web-1\nzone: eu-a\nproject_id: 68fb1c2e9a0d4b7c35e6f812\nmemory: 2GiB # enough\nvcpus: 2\ndisk: 21474836480\nid: x\nip: 10.0.0.1\nphase: ready\nlabels: {env: prod}\ntemplate: debian\npublic: true\npool: \"\"\n"))
	want := &Document{Kind: catalogue.Of(model.KindKompute), Values: map[string]any{"name": "web-1", "memory": int64(2 << 30), "vcpus": int64(2), "disk": int64(20 << 30), "labels": map[string]any{"env": "prod"}},
		Parents: map[model.Kind]string{"zone": "eu-a", "project": "68fb1c2e9a0d4b7c35e6f812"}, Query: map[string]string{"templateId": "debian", "public": "true"}}
	if err != nil || !reflect.DeepEqual(doc, want) {
		t.Errorf("%+v, %v", doc, err)
	}
	big, err := ReadDocument(catalogue.Of(model.KindKompute), []byte(`{"disk": 1152921504606846976}`))
	if err != nil || big.Values["disk"] != int64(1<<60) {
		t.Errorf("2^60 became %v, %v", big, err)
	}
	date, err := ReadDocument(catalogue.Of(model.KindToken), []byte("expiration_date: 2030-01-31\nexpire: true\n"))
	if err != nil || date.Values["expiration_date"] != "2030-01-31" || date.Values["expire"] != true {
		t.Errorf("%+v, %v", date, err)
	}
	for text, says := range map[string]string{
		"vcpu: 2":                             `vcpu: is no field of a kompute; did you mean "vcpus"?`,
		"vcpus: two":                          "vcpus: must be a whole number, not text",
		"vcpus: 2.5":                          "vcpus: must be a whole number",
		"vcpus: 5000":                         "vcpus: must lie between 1 and 4096",
		"name: 12":                            "name: must be text; put quotes around it",
		"name: true":                          "name: must be text, not true or false",
		"name: [a]":                           "name: must be text",
		"zone: [a]":                           "zone: must be the id or name",
		"kind: region\nname: x":               `kind: is "region", but a kompute is wanted`,
		"":                                    "the document is empty",
		"- name: a":                           "neither YAML nor JSON with one object",
		"name: a\n---\nname: b":               "more than one object",
		`{"name":"a"} {"name":"b"}`:           "more than one object",
		"name: " + strings.Repeat("a", 1<<20): "larger than 1 MiB",
	} {
		if _, err := ReadDocument(catalogue.Of(model.KindKompute), []byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", text, err, says)
		}
	}
	_, err = ReadDocument(catalogue.Of(model.KindProject), []byte("quotas:\n  memory: 2GB\n"))
	if f := fault.From(err); f == nil || f.Field != "quotas.memory" {
		t.Errorf("%v", err)
	}
	_, err = ReadDocument(catalogue.Of(model.KindSubnet), []byte("reserved:\n- first: 10.0.0.1\n  lst: 10.0.0.2\n"))
	if f := fault.From(err); f == nil || f.Field != "reserved[0].lst" {
		t.Errorf("%v", err)
	}
}

// Whatever a document holds, reading it ends, and what it gives can be sent.
func FuzzReadDocument(f *testing.F) {
	for _, text := range []string{"name: web\nquotas: {memory: 8GiB}\ntags: [a, b]\n", `{"name":"web","quotas":{"vcpus":4},"metadatas":[{"key":"a","value":"b"}]}`, "a: &a [*a]", "? {}\n: 1", "name: !!binary aGk=\n", "tags: !!set {a}\n", "quotas: .inf", "{", "\x00"} {
		f.Add([]byte(text))
	}
	k := catalogue.Of(model.KindProject)
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := ReadDocument(k, raw)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Malformed && code != fault.Invalid {
				t.Fatalf("a %s fault: %v", code, err)
			}
			return
		}
		body, err := json.Marshal(doc.Values)
		if err != nil {
			t.Fatal(err)
		}
		for name := range doc.Values {
			if f, ok := k.Field(name); name != Labels && (!ok || f.ReadOnly) {
				t.Fatalf("%s came through: %s", name, body)
			}
		}
	})
}
