package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/roles/kahuna/api/openapi"
)

var (
	keyRow   = regexp.MustCompile("(?m)^\\| (`[a-z][^|]*`) \\| ")
	keyName  = regexp.MustCompile("`([A-Za-z0-9.-]+)`")
	pathForm = regexp.MustCompile(`/api/v[12]/[a-z][a-z.]*`)
)

// section is a part of a topic by its heading.
func section(t *testing.T, topic, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(topics(t)[topic], "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s.md has no section %q", topic, heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// The tables of keys list what the roles take, all of it, with the defaults the roles have.
func TestKeys(t *testing.T) {
	for role, args := range map[string][]string{
		"kahuna": {"--dir", t.TempDir()},
		"kaktus": {"--url", "https://localhost", "--id", "000000000000000000000000"},
	} {
		cmd := exec.Command(program, append([]string{role, "serve", "--print-config"}, args...)...)
		cmd.Env = environment(t.TempDir(), filepath.Dir(program))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		var have []string
		defaults := map[string]string{}
		for line := range strings.Lines(string(out)) {
			setting, source, _ := strings.Cut(strings.TrimSpace(line), "  # ")
			name, value, _ := strings.Cut(setting, ": ")
			if name == "pools" {
				name = "pools.NAME.path"
			}
			have = append(have, name)
			if value = strings.Trim(strings.TrimSpace(value), `"`); strings.TrimSpace(source) == "default" && value != "" {
				defaults[name] = value
			}
		}
		var told []string
		for line := range strings.Lines(section(t, role, "Configuration")) {
			cells := strings.Split(line, " | ")
			if !keyRow.MatchString(line) {
				continue
			}
			for _, m := range keyName.FindAllStringSubmatch(cells[0], -1) {
				told = append(told, m[1])
				if want := defaults[m[1]]; want != "" && !strings.Contains(cells[1], "`"+want+"`") {
					t.Errorf("%s.md says that the default of %s is %s; it is %s", role, m[1], cells[1], want)
				}
			}
		}
		if !slices.Equal(told, have) {
			t.Errorf("%s.md has the keys\n%v, the role\n%v", role, told, have)
		}
	}
}

// Paths of the API that are named are served, and every kind of resource is introduced.
func TestNames(t *testing.T) {
	served := map[string]bool{}
	for base, document := range map[string]map[string]any{"/api/v1": openapi.V1(openapi.About{}), "/api/v2": openapi.V2(openapi.About{})} {
		paths, ok := document["paths"].(map[string]any)
		if !ok {
			t.Fatalf("the document of %s has no paths", base)
		}
		for path := range paths {
			segment, _, _ := strings.Cut(strings.TrimPrefix(path, base)[1:], "/")
			served[base+"/"+segment] = true
		}
	}
	served["/api/v1/openapi.yaml"], served["/api/v2/openapi.json"] = true, true
	named := 0
	for name, text := range topics(t) {
		for _, path := range pathForm.FindAllString(text, -1) {
			if named++; !served[path] {
				t.Errorf("%s.md names %s, which is not served", name, path)
			}
		}
	}
	if named < 10 {
		t.Errorf("only %d paths were found", named)
	}
	kinds := topics(t)["resources"]
	for _, k := range catalogue.Kinds {
		if !regexp.MustCompile(`(?m)^\|.*\b` + string(k.Name) + `\b.*\|`).MatchString(kinds) {
			t.Errorf("resources.md does not introduce %s", k.Name)
		}
	}
}
