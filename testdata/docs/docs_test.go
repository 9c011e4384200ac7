package docs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	assets "kowabunga/embed"
)

// program is the built program.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kowabunga-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "kowabunga")
	cmd := exec.Command("go", "build", "-ldflags", "-X kowabunga/roles.version=1.0.0", "-o", program, "kowabunga")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// topics are the documents by name.
func topics(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(assets.Docs(), "*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("topics: %v, %v", names, err)
	}
	out := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(assets.Docs(), name)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(name, ".md")] = string(text)
	}
	return out
}

// Every example does what the documentation says.
func TestExamples(t *testing.T) {
	_, noCurl := exec.LookPath("curl")
	var left []string
	ran := 0
	documents := topics(t)
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		all, err := blocks(documents[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, b := range all {
			for _, s := range b.steps {
				switch {
				case b.kind == "host":
					left = append(left, fmt.Sprintf("%s.md:%d: %s", name, s.line, s.command))
				case noCurl != nil && strings.HasPrefix(s.command, "curl "):
					left = append(left, fmt.Sprintf("%s.md:%d: %s   (curl is not installed)", name, s.line, s.command))
				default:
					ran++
				}
			}
		}
		t.Run(name, func(t *testing.T) { topic(t, name, all, noCurl == nil) })
	}
	slices.Sort(left)
	t.Logf("%d commands are run, these are not:\n%s", ran, strings.Join(left, "\n"))
	if hosts := len(left); noCurl == nil && hosts*5 > ran {
		t.Errorf("%d commands are not run, %d are: the examples have to be such that they can be", hosts, ran)
	}
}

var makesSandbox = regexp.MustCompile(`\bsandbox up\b`)

// topic runs the blocks of a topic in order.
func topic(t *testing.T, name string, all []block, curl bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(b block) bool { return b.kind == "host" })
	if len(all) == 0 {
		return
	}
	s := open(t, program)
	if !slices.ContainsFunc(all, func(b block) bool {
		return slices.ContainsFunc(b.steps, func(s step) bool { return makesSandbox.MatchString(s.command) })
	}) {
		if printed, code, err := s.run("kowabunga sandbox up --dir ./try --simulate"); err != nil || code != 0 {
			t.Fatalf("the sandbox does not come up: exit code %d, %v\n%s", code, err, printed)
		}
	}
	for _, b := range all {
		for i, step := range b.steps {
			if !curl && strings.HasPrefix(step.command, "curl ") {
				continue
			}
			where := fmt.Sprintf("%s.md:%d: %s", name, step.line, step.command)
			printed, code, err := s.run(step.command)
			last := i == len(b.steps)-1
			switch {
			case err != nil:
				t.Fatalf("%s\n%v; it printed\n%s", where, err, printed)
			case b.kind == "" && code != 0:
				t.Fatalf("%s\nexit code %d; it printed\n%s", where, code, printed)
			case b.kind == "fails" && last && code != 1 && code != 2:
				t.Errorf("%s\nexit code %d, which is no failure; it printed\n%s", where, code, printed)
			}
			if want := lines(strings.Join(step.prints, "\n")); step.prints != nil && !same(want, lines(printed)) {
				t.Errorf("%s\nis said to print\n%s\n\nand prints\n%s", where, strings.Join(want, "\n"), printed)
			}
		}
	}
}
