package form

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

func TestReadDocuments(t *testing.T) {
	yaml := "# first\nkind: region\nname: eu\n---\n---\nkind: Zone\nregion: eu\nname: eu-a\n"
	for name, text := range map[string]string{
		"YAML":      yaml,
		"JSON":      `{"kind":"region","name":"eu"} {"kind":"zones","name":"eu-a","region":"eu"}`,
		"a list":    `[{"kind":"region","name":"eu"},{"kind":"zone","name":"eu-a","region":"eu"}]`,
		"YAML list": "- kind: region\n  name: eu\n- {kind: zone, name: eu-a, region: eu}\n",
	} {
		docs, err := ReadDocuments([]byte(text), "f.yaml")
		if err != nil || len(docs) != 2 || docs[0].Kind.Name != model.KindRegion || docs[1].Kind.Name != model.KindZone ||
			docs[1].Parents["region"] != "eu" || docs[1].Name() != "eu-a" || docs[1].At != "f.yaml, document 2" {
			t.Errorf("%s: %+v, %v", name, docs, err)
		}
	}
	for text, says := range map[string]string{
		"name: eu":               "read f.yaml: kind: is missing",
		"kind: regoin\nname: eu": `there is no kind "regoin"; did you mean "region"?`,
		"kind: region\n---\nkind: zone\nregoin: eu": `read f.yaml, document 2: regoin: is no field of a zone; did you mean "region"?`,
		"just words":                   "document 1 is no object with fields",
		"kind: [":                      "document 1 is neither YAML nor JSON",
		"kind: region\nlabels: {a: 1}": "labels.a: must be text; put quotes around it",
		"kind: region\nlabels: a":      "labels: must be words and their values",
	} {
		if _, err := ReadDocuments([]byte(text), "f.yaml"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	if docs, err := ReadDocuments([]byte("\n---\n# nothing\n"), "f.yaml"); err != nil || len(docs) != 0 {
		t.Errorf("an empty file: %v, %v", docs, err)
	}
}

// What a creation takes and what the server would take for the same is no difference; anything else is.
func TestCompare(t *testing.T) {
	read := func(kind model.Kind, text string) map[string]any {
		doc, err := ReadDocument(catalogue.Of(kind), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return doc.Values
	}
	for _, c := range []struct {
		kind      model.Kind
		now, text string
		want      string
	}{
		{model.KindKompute, `{"memory":2147483648,"vcpus":2,"name":"a"}`, "name: a\nmemory: 2GiB", ""},
		{model.KindKompute, `{"memory":2147483648,"vcpus":2,"name":"a"}`, "name: a\nmemory: 4GiB\nvcpus: 2", "memory 2147483648 4294967296"},
		{model.KindProject, `{"quotas":{"vcpus":8,"memory":0}}`, "quotas: {memory: 1GiB, vcpus: 8}", "quotas.memory 0 1073741824"},
		{model.KindProject, `{"tags":[],"metadatas":[{"key":"a","value":"b"}]}`, "tags: []\nmetadatas: [{key: a, value: b}]", ""},
		{model.KindProject, `{"labels":{"env":"prod","x":"y"}}`, "labels: {env: test}", "labels.env prod test; labels.x y <nil>"},
		{model.KindProject, `{"labels":{}}`, "name: a", "name <nil> a"},
		{model.KindKawaii, `{"firewall":{"ingress":[{"source":"0.0.0.0/0","protocol":"tcp","ports":"22"}],"egress_policy":"accept","egress":[]}}`, "firewall: {ingress: {ports: \"22\"}}", ""},
		{model.KindKawaii, `{"firewall":{"ingress":[{"source":"0.0.0.0/0","protocol":"tcp","ports":"22"}]}}`, "firewall: {ingress: [{ports: \"23\"}]}", `firewall.ingress`},
		{model.KindKonvey, `{"endpoints":[{"name":"w","port":80,"protocol":"tcp","backends":{"hosts":["a"],"port":8080}}],"failover":true}`, "endpoints: [{name: w, port: 80, backends: {hosts: [a], port: 8080}}]", ""},
		{model.KindKonvey, `{"endpoints":[{"name":"w","port":80,"protocol":"tcp","backends":{"hosts":["a"],"port":8080}}]}`, "endpoints: [{name: w, port: 80, backends: {hosts: [a, b], port: 8080}}]", "endpoints"},
		{model.KindPool, `{"cost":{"price":12.50,"currency":"EUR"}}`, "cost: {price: 12.5}", ""},
	} {
		var now map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.now), &now); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range Compare(catalogue.Of(c.kind), now, read(c.kind, c.text)) {
			text := d.Path
			if d.Field == nil || d.Field.Type != catalogue.Array {
				text = fmt.Sprint(d.Path, " ", d.Before, " ", d.After)
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s over %s differs in %q, want %q", c.text, c.now, got, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	now := map[string]any{"endpoints": []any{map[string]any{"name": "w", "port": json.Number("80"), "backends": map[string]any{"hosts": []any{"a"}, "port": json.Number("8080")}}}}
	for _, c := range []struct {
		kind model.Kind
		sets []string
		want string
	}{
		{model.KindProject, []string{"quotas.memory=8GiB", "quotas.vcpus=4"}, `{"quotas":{"memory":8589934592,"vcpus":4}}`},
		{model.KindKonvey, []string{`endpoints={"name":"x","port":1,"backends":{"hosts":["b"],"port":2}}`}, `{"endpoints":[{"backends":{"hosts":["b"],"port":2},"name":"x","port":1}]}`},
		{model.KindProject, []string{"tags=a,b", "tags[+]=c", "tags[0]=z"}, `{"tags":["z","b","c"]}`},
		{model.KindKonvey, []string{"endpoints[0].backends.hosts[+]=b"}, `{"endpoints":[{"backends":{"hosts":["a","b"],"port":8080},"name":"w","port":80}]}`},
		{model.KindKonvey, []string{"endpoints[+].name=x", "endpoints[1].port=443"}, `{"endpoints":[{"backends":{"hosts":["a"],"port":8080},"name":"w","port":80},{"name":"x","port":443}]}`},
		{model.KindKawaii, []string{"firewall.ingress[+].ports=22", "firewall.egress_policy=drop"}, `{"firewall":{"egress_policy":"drop","ingress":[{"ports":"22"}]}}`},
	} {
		values := map[string]any{}
		for _, set := range c.sets {
			if err := Set(catalogue.Of(c.kind), values, now, set); err != nil {
				t.Errorf("%s: %v", set, err)
			}
		}
		if got, _ := json.Marshal(values); string(got) != c.want {
			t.Errorf("%v makes %s, want %s", c.sets, got, c.want)
		}
	}
	if text, _ := json.Marshal(now); !strings.Contains(string(text), `"hosts":["a"]`) {
		t.Errorf("what was there was changed: %s", text)
	}
	for set, says := range map[string]string{
		"quotas":               "is not of the form PATH=VALUE",
		"quota.memory=1":       `did you mean "quotas"?`,
		"quotas.memry=1":       `quotas.memry: is unknown; there are vcpus, memory, storage, instances; did you mean "memory"?`,
		"quotas.memory.x=1":    "quotas.memory: has no parts",
		"quotas.memory=2GB":    `quotas.memory: has an unknown unit "GB"`,
		"tags[7]=x":            "tags[7]: does not exist; there are 0 items",
		"metadatas.key=x":      "metadatas: is a list: say which item, as in metadatas[0].key",
		"tags[x]=y":            "an index is a number",
		"tags[0=y":             "an index is a number",
		"root_password=s3cret": "use --root-password-file",
		"id=x":                 "can be set",
		".=x":                  "is no path",
		`metadatas=[{"a":1}]`:  "metadatas[0].a: is unknown",
		`quotas={`:             "begins like JSON and is none",
	} {
		err := Set(catalogue.Of(model.KindProject), map[string]any{}, nil, set)
		if f := fault.From(err); f == nil || f.Code != fault.Invalid || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", set, err, says)
		}
	}
}

// References are found wherever they stand, and only they.
func TestRefs(t *testing.T) {
	doc, err := ReadDocument(catalogue.Of(model.KindKawaii), []byte("vpc_peerings: [{subnet: a, ingress: [{ports: \"1\"}]}, {subnet: b}]\ndescription: c\n"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	if err := doc.Refs(func(kind model.Kind, ref, path string) (string, error) {
		seen = append(seen, fmt.Sprint(kind, " ", ref, " ", path))
		return ref + "!", nil
	}); err != nil || !reflect.DeepEqual(seen, []string{"subnet a vpc_peerings[0].subnet", "subnet b vpc_peerings[1].subnet"}) {
		t.Errorf("%v, %v", seen, err)
	}
	if text, _ := json.Marshal(doc.Values["vpc_peerings"]); string(text) != `[{"ingress":[{"ports":"1"}],"subnet":"a!"},{"subnet":"b!"}]` {
		t.Errorf("%s", text)
	}
}

// Whatever a file holds, reading it ends, and what it gives can be sent.
func FuzzReadDocuments(f *testing.F) {
	for _, text := range []string{"kind: region\nname: a\n---\nkind: zone\nregion: a\n", `[{"kind":"team"}]`, `{"kind":"user"}{`, "kind: konvey\nendpoints: {name: a}", "- - kind: x", "kind: &a *a", "---\n...\n---"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		docs, err := ReadDocuments(raw, "f")
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Malformed && code != fault.Invalid {
				t.Fatalf("a %s fault: %v", code, err)
			}
			return
		}
		for _, doc := range docs {
			if _, err := Body(doc.Kind, doc.Values); err != nil {
				t.Fatal(err)
			}
			if changes := Compare(doc.Kind, nil, doc.Values); len(changes) > 1<<20 {
				t.Fatal("more changes than text")
			}
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, text := range []string{"quotas.memory=1GiB", "tags[0]=a", "metadatas[+].key=x", "[=", "a[+][1].b=c"} {
		f.Add(text)
	}
	k := catalogue.Of(model.KindProject)
	f.Fuzz(func(t *testing.T, text string) {
		values := map[string]any{}
		if err := Set(k, values, nil, text); err == nil {
			if _, err := Body(k, values); err != nil {
				t.Fatal(err)
			}
		}
	})
}
