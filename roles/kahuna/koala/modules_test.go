package koala

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
)

// own are the files that are not somebody else's, kinds.js included.
func own(t *testing.T) (own, all map[string][]byte) {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	own = maps.Clone(all)
	maps.DeleteFunc(own, func(name string, _ []byte) bool { return strings.HasPrefix(name, "vendor/") })
	return own, all
}

// Every module that one imports is there, named by a path from where it is, before the page begins.
func TestModulesImportWhatThereIs(t *testing.T) {
	own, all := own(t)
	imports := regexp.MustCompile(`(?m)^(?:import|export)\b[^;]*?\bfrom\s*'([^']*)'|^import\s*'([^']*)'`)
	seen := 0
	for name, text := range own {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for _, found := range imports.FindAllStringSubmatch(string(text), -1) {
			from := found[1] + found[2]
			if to := path.Join(path.Dir(name), from); !strings.HasPrefix(from, ".") || all[to] == nil {
				t.Errorf("%s imports %q", name, from)
			}
			seen++
		}
		if strings.Contains(string(text), "import(") {
			t.Errorf("%s imports something late, when the Kahuna may be gone that it is at", name)
		}
	}
	if seen < 20 {
		t.Errorf("only %d imports were found", seen)
	}
}

// Koala looks, and powers machines: whatever else would change something is not in it.
func TestModulesOnlyReadButForTheseRequests(t *testing.T) {
	own, _ := own(t)
	method := regexp.MustCompile(`\b(POST|PUT|PATCH|DELETE)\b`)
	request := regexp.MustCompile(`method: '([A-Z]+)', path(?:: ['"]([^'"]*)['"])?[,}]`)
	for name, text := range own {
		if !strings.HasSuffix(name, ".js") || name == "kinds.js" {
			continue
		}
		if found := method.FindAllString(string(text), -1); name != "writes.js" && found != nil {
			t.Errorf("%s has %v; what changes something is in writes.js", name, found)
		}
		if name != "api.js" && regexp.MustCompile(`(?m)(^|[^.\w])fetch\(|XMLHttpRequest|sendBeacon|WebSocket|EventSource|<form[^>]*action`).Match(text) {
			t.Errorf("%s sends requests past api.js", name)
		}
	}
	text := string(own["writes.js"])
	var sent []string
	for _, found := range request.FindAllStringSubmatch(text, -1) {
		sent = append(sent, strings.TrimSpace(found[1]+" "+found[2]))
	}
	want := []string{"POST /api/v1/login", "POST /api/v1/logout", "PUT /api/v1/resetPassword", "PATCH"}
	if !slices.Equal(sent, want) || len(method.FindAllString(text, -1)) != len(want) {
		t.Errorf("writes.js sends %q, and names methods %v", sent, method.FindAllString(text, -1))
	}
	if !strings.Contains(text, "if (!kind.power?.includes(verb)) throw") || !strings.Contains(text, "const path = `/api/v2/${kind.plural}/${encodeURIComponent(id)}/${verb}`;") {
		t.Error("the path of the PATCH is not that of a power action")
	}
}

// Nothing comes from anywhere else, and no text becomes markup or a program.
func TestModulesNameNobodyElse(t *testing.T) {
	own, all := own(t)
	for name, text := range all {
		if strings.HasSuffix(name, ".LICENSE") {
			continue
		}
		for _, found := range regexp.MustCompile(`https?://[A-Za-z0-9.-]+[^\s"'<>)]*`).FindAllString(string(text), -1) {
			if found != "http://www.w3.org/2000/svg" {
				t.Errorf("%s names %s", name, found)
			}
		}
	}
	for name, text := range own {
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|dangerously|javascript:|sourceMappingURL`).Find(text); found != nil {
			t.Errorf("%s has %s", name, found)
		}
	}
	for _, name := range []string{"vendor/htm.LICENSE", "vendor/preact.LICENSE"} {
		if all[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// What Koala knows of kinds is what the catalogue says: all kinds, all fields but secrets.
func TestKindsAreTheCatalogues(t *testing.T) {
	raw, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(raw), ";\n")
	var told []kind
	var hidden []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "export const kinds = ")), &told); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimPrefix(second, "export const secrets = "), ";\n")), &hidden); err != nil {
		t.Fatal(err)
	}
	if len(told) != len(catalogue.Kinds) {
		t.Fatalf("%d kinds of %d", len(told), len(catalogue.Kinds))
	}
	for i, k := range catalogue.Kinds {
		got := told[i]
		if got.Name != k.Name || got.Plural != k.Plural || got.Title != k.Title || got.Summary != k.Summary || len(got.Parents) != len(k.Parents) {
			t.Errorf("%s: %+v", k.Name, got)
		}
		same(t, string(k.Name), got.Fields, k.Fields, hidden)
	}
	if !slices.Equal(hidden, []string{"ceph_secret_uuid", "pre_shared_key", "root_password"}) {
		t.Errorf("secrets are %q", hidden)
	}
}

func same(t *testing.T, where string, got []field, want []catalogue.Field, hidden []string) {
	t.Helper()
	left := got
	for i := range want {
		w := &want[i]
		if w.Secret {
			if !slices.Contains(hidden, w.Name) {
				t.Errorf("%s.%s is not dropped", where, w.Name)
			}
			continue
		}
		if len(left) == 0 {
			t.Errorf("%s.%s is not there", where, w.Name)
			return
		}
		g := left[0]
		left = left[1:]
		if g.Name != w.Name || g.Type != string(w.Type) || g.Items != string(w.Items) || g.Ref != w.Ref || g.Bytes != w.Bytes || g.Column != w.Column || g.Doc != w.Doc {
			t.Errorf("%s.%s: %+v", where, w.Name, g)
		}
		same(t, where+"."+w.Name, g.Fields, w.Fields, hidden)
	}
	if len(left) > 0 {
		t.Errorf("%s has %+v besides", where, left)
	}
}

// Machines can be powered, and asked how they are; hosts are superAdmins' alone.
func TestKindsSayWhatCanBeDone(t *testing.T) {
	by := map[string]kind{}
	for _, k := range catalogue.Kinds {
		by[string(k.Name)] = kindOf(k)
	}
	for _, name := range []string{"instance", "kompute"} {
		if k := by[name]; !slices.Equal(k.Power, []string{"start", "reboot", "stop"}) || !k.State || k.Group != "projects" || k.Reserved || !k.Create {
			t.Errorf("%s: %+v", name, k)
		}
	}
	for name, k := range by {
		if (k.Power != nil || k.State) != (name == "instance" || name == "kompute") {
			t.Errorf("%s: %v", name, k.Power)
		}
		if k.Hardware != (name == "kaktus") {
			t.Errorf("%s is asked what it is made of: %v", name, k.Hardware)
		}
		if k.Reserved != slices.Contains([]string{"kaktus", "kiwi", "agent"}, name) {
			t.Errorf("%s is for superAdmins alone: %v", name, k.Reserved)
		}
	}
	for name, group := range map[string]string{"ipsec": "projects", "project": "projects", "subnet": "ground", "agent": "ground", "region": "ground", "user": "people", "session": "people", "organization": "people"} {
		if by[name].Group != group {
			t.Errorf("%s is in %s", name, by[name].Group)
		}
	}
	for name, heading := range map[string]string{"vnet": "VNets", "nfs": "NFS", "ipsec": "IpSecs", "kaktus": "Kaktuses"} {
		if by[name].Heading != heading {
			t.Errorf("%s is headed %s", name, by[name].Heading)
		}
	}
}
