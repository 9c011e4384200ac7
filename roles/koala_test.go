package roles

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	assets "kowabunga/embed"
	"kowabunga/embed/koala"
)

// The commands that the web interface advises are commands of this program, and the topics it links to are topics.
func TestKoalaAdvisesWhatThereIs(t *testing.T) {
	command := regexp.MustCompile(`<code>(kowabunga [^<]*)</code>|'(kowabunga [^']*)'`)
	root, seen := Tree(), 0
	exists := func(line string) {
		t.Helper()
		words := strings.Fields(strings.TrimSuffix(line, " --help"))[1:]
		if found, left, err := root.Find(words); err != nil || len(left) > 0 || found.Name() != words[len(words)-1] && !found.HasAlias(words[len(words)-1]) {
			t.Errorf("%q: %v %v", line, left, err)
		}
		seen++
	}
	topic := regexp.MustCompile(`topic: '([a-z-]+)'|/docs/([a-z-]+)`)
	err := fs.WalkDir(koala.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "vendor/") {
			return err
		}
		text, err := fs.ReadFile(koala.Files, name)
		for _, found := range command.FindAllStringSubmatch(string(text), -1) {
			line := found[1] + found[2]
			if !strings.Contains(line, "${") {
				exists(line)
				continue
			}
			for _, k := range catalogue.Kinds {
				if slices.ContainsFunc(k.Ops, func(op catalogue.Op) bool { return op.Verb == catalogue.Create }) {
					exists(strings.ReplaceAll(line, "${kind.name}", string(k.Name)))
				}
			}
		}
		for _, found := range topic.FindAllStringSubmatch(string(text), -1) {
			if _, err := fs.Stat(assets.Docs(), found[1]+found[2]+".md"); err != nil {
				t.Errorf("%s links to %s: %v", name, found[0], err)
			}
		}
		return err
	})
	if err != nil || seen < 30 {
		t.Errorf("%d commands were found, %v", seen, err)
	}
}
