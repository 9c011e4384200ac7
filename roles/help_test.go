package roles

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What every command says of itself, a file for each command below the root. The verbs of resources stand
// in roles/cli/testdata/help; here they are left out.
func TestHelp(t *testing.T) {
	root := Tree()
	goldenHelp(t, "kowabunga", root, false)
	for _, top := range root.Commands() {
		if top.GroupID != "resources" && top.GroupID != "work" {
			goldenHelp(t, top.Name(), top, true)
		}
	}
}

func goldenHelp(t *testing.T, name string, top *cobra.Command, below bool) {
	var text strings.Builder
	page := func(c *cobra.Command) {
		if c.Hidden || c.GroupID == "resource" || !below && c != top {
			return
		}
		var out bytes.Buffer
		c.SetOut(&out)
		c.SetErr(&out)
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Errorf("%s: %v", c.CommandPath(), err)
		}
		text.WriteString("$ " + c.CommandPath() + " --help\n" + out.String() + "\n")
	}
	each(top, page)
	path := filepath.Join("testdata", "help", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s differs; read the difference, then run with -update\n--- got\n%s--- want\n%s", path, text.String(), want)
	}
}
