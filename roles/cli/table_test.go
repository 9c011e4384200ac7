package cli_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
)

// What differs from run to run.
var (
	anID  = regexp.MustCompile(`\b[0-9a-f]{24}\b`)
	aTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	aMAC  = regexp.MustCompile(`\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b`)
)

func steady(text string) string {
	text = aTime.ReplaceAllString(anID.ReplaceAllString(text, "<id>"), "<time>")
	return aMAC.ReplaceAllString(text, "xx:xx:xx:xx:xx:xx")
}

// Every kind's list and one object of it, as people see them.
func TestTables(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.topology()
	w.must("project", "update", "web", "--metadatas", "greeting=hello, world", "--tags", "a,b", "--domain", "web.test")
	w.must("kompute", "create", "web-1", "--project", "web", "--zone", "eu-a", "--vcpus", "2", "--memory", "2GiB", "--disk", "20GiB", "--data-disk", "1536MiB")
	w.must("kwarantine", "create", "apart", "--project", "web")
	w.must("agent", "token", "a1")
	one := map[string]string{"region": "eu", "zone": "eu-a", "agent": "a1", "kaktus": "k1", "vnet": "private", "subnet": "net1", "pool": "ssd",
		"template": "debian", "user": "ann", "team": "t1", "project": "web", "kwarantine": "apart", "kompute": "web-1"}
	var all strings.Builder
	for _, k := range catalogue.Kinds {
		kind := string(k.Name)
		lines := strings.SplitAfter(w.must(kind, "list"), "\n")
		if len(lines) < 3 {
			if one[kind] != "" {
				t.Errorf("no %s is listed", kind)
			}
			continue
		}
		slices.Sort(lines[1 : len(lines)-1]) // ids are drawn, and lists are in their order
		all.WriteString("$ kowabunga " + kind + " list\n" + steady(strings.Join(lines, "")))
		if name := one[kind]; name != "" {
			all.WriteString("\n$ kowabunga " + kind + " get " + name + "\n" + steady(w.must(kind, "get", name)))
		}
		all.WriteByte('\n')
	}
	golden(t, "tables.txt", all.String())
}
