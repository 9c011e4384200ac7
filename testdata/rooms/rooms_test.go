package rooms

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rooms of this house and the doors between them: core decides and touches nothing, store keeps, roles
// talk to the world and not to each other.

const (
	module    = "kowabunga"
	mostLines = 500 // past that a file has a second subject
)

var (
	// everyone is the rooms below roles that all roles share.
	everyone = []string{"agent", "netstack", "config", "term"}
	// gathers may import roles: the command tree (package roles itself), and those that run several.
	gathers = []string{"", "sandbox", "sim"}

	// effects are the packages through which core would reach the world. net/netip is a data type.
	effects = []string{"net", "net/http", "os", "os/exec", "os/signal", "os/user", "syscall", "plugin",
		"math/rand", "math/rand/v2", "crypto/rand", "log", "testing"}
	// moments are what core must not use of package time: it is told the time.
	moments = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

	// generated are the files that may be long, since a program writes them.
	generated = []string{}

	topLevel = []string{"LICENSE", "Makefile", "README.md", "core", "embed", "go.mod", "go.sum", "goreleaser.yaml",
		"main.go", "roles", "store", "testdata"}
	built = []string{"kowabunga", "dist"} // by make; not part of the tree
)

// TestMain goes to the top of the tree, which is what the rules are about.
func TestMain(m *testing.M) {
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

type pkg struct {
	ImportPath, Dir, Doc, Export string
	Standard                     bool
	Imports, Deps, GoFiles       []string
}

// list asks the Go tool for packages, in every combination of build tags that changes what is imported.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	var found []pkg
	for _, tags := range []string{"", "failpoint", "nextrelease"} {
		cmd := exec.Command("go", append([]string{"list", "-tags", tags}, args...)...)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, complaints.String())
		}
		for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
			var p pkg
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			found = append(found, p)
		}
	}
	return found
}

// in tells whether a package is a room's or one inside it.
func in(path string, room ...string) bool {
	root := strings.Join(append([]string{module}, room...), "/")
	return path == root || strings.HasPrefix(path, root+"/")
}

// role is the room below roles that a package belongs to; empty for package roles itself.
func role(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module+"/roles"), "/"), "/")
	return name
}

func TestDoors(t *testing.T) {
	for _, p := range list(t, "-json=ImportPath,Imports,Deps,Doc", "./...") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, breach := range breaches(p) {
			t.Errorf("%s %s", p.ImportPath, breach)
		}
	}
}

func breaches(p pkg) (found []string) {
	switch {
	case in(p.ImportPath, "core"):
		for _, dep := range p.Deps {
			if in(dep, "store") || in(dep, "roles") {
				found = append(found, "depends on "+dep+"; core knows neither store nor roles")
			}
		}
		for _, dep := range p.Imports {
			if slices.Contains(effects, dep) || strings.HasPrefix(dep, "golang.org/x/sys/") || strings.HasPrefix(dep, "golang.org/x/net/") {
				found = append(found, "imports "+dep+"; core is pure: let a role do it and hand in the result")
			}
		}
	case in(p.ImportPath, "store"):
		for _, dep := range p.Deps {
			if in(dep, "roles") {
				found = append(found, "depends on "+dep+"; store knows no roles")
			}
		}
	case in(p.ImportPath, "roles"):
		from := role(p.ImportPath)
		for _, dep := range p.Imports {
			to := role(dep)
			if in(dep, "roles") && to != from && !slices.Contains(gathers, from) && !slices.Contains(everyone, to) {
				found = append(found, "imports "+dep+"; a role imports no other role, only "+strings.Join(everyone, ", "))
			}
		}
	}
	return found
}

func TestBreachesAreSeen(t *testing.T) {
	for _, c := range []struct {
		path, imports string
		want          int
	}{
		{"core/place", "kowabunga/store/tree", 1},
		{"core/place", "kowabunga/core/model", 0},
		{"core/place", "net", 1},
		{"core/place", "net/netip", 0},
		{"core/place", "golang.org/x/sys/unix", 1},
		{"store/seal", "kowabunga/roles/config", 1},
		{"store", "os", 0},
		{"roles/kahuna/api", "kowabunga/roles/kaktus/block", 1},
		{"roles/kahuna/api", "kowabunga/roles", 1}, // the command tree knows the roles, not they it
		{"roles/kahuna/api", "kowabunga/roles/agent/link", 0},
		{"roles/kahuna/api", "kowabunga/roles/kahuna/fleet", 0},
		{"roles/agent", "kowabunga/roles/kaktus", 1},
		{"roles", "kowabunga/roles/kaktus", 0},
		{"roles/sandbox/guest", "kowabunga/roles/kahuna", 0},
	} {
		deps := []string{c.imports}
		if got := breaches(pkg{ImportPath: module + "/" + c.path, Imports: deps, Deps: deps}); len(got) != c.want {
			t.Errorf("%s importing %s: %d breaches, want %d: %v", c.path, c.imports, len(got), c.want, got)
		}
	}
}

// What the import list of core cannot show: the clock, goroutines, and effects reached through a package
// that is otherwise harmless.
func TestCoreIsPure(t *testing.T) {
	exports := map[string]string{}
	var core []pkg
	for _, p := range list(t, "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard", "./core/...") {
		exports[p.ImportPath] = p.Export
		if in(p.ImportPath, "core") && !slices.ContainsFunc(core, func(q pkg) bool { return q.ImportPath == p.ImportPath }) {
			core = append(core, p)
		}
	}
	if len(core) == 0 {
		t.Fatal("there is no core")
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range core {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		for _, complaint := range impurities(t, fset, imports, p.ImportPath, files) {
			t.Error(complaint)
		}
	}
}

func impurities(t *testing.T, fset *token.FileSet, imports types.Importer, path string, files []*ast.File) (found []string) {
	t.Helper()
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: imports}
	if _, err := config.Check(path, fset, files, &info); err != nil {
		t.Fatal(err)
	}
	complain := func(at token.Pos, what string) {
		found = append(found, fset.Position(at).String()+": "+what)
	}
	for id, object := range info.Uses {
		if object.Pkg() == nil {
			continue
		}
		from, name := object.Pkg().Path(), object.Name()
		packageLevel := object.Parent() == object.Pkg().Scope()
		switch {
		case from == "time" && packageLevel && slices.Contains(moments, name):
			complain(id.Pos(), "time."+name+": core is told the time")
		case packageLevel && slices.Contains(effects, from):
			complain(id.Pos(), from+"."+name+": core is pure")
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if g, is := n.(*ast.GoStmt); is {
				complain(g.Pos(), "a go statement: core starts no goroutines")
			}
			return true
		})
	}
	return found
}

// The walk above sees what it is there for, under any name.
func TestImpuritiesAreSeen(t *testing.T) {
	exports := map[string]string{}
	for _, p := range list(t, "-export", "-deps", "-json=ImportPath,Export", "time", "os", "math/rand/v2") {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for body, want := range map[string]int{
		"var now = t.Now":                           1,
		"func f() { go func() {}() }":               1,
		"var n = rand.IntN(3)":                      1,
		"func f() { os.Exit(1) }":                   1,
		"var d = t.Second; var m = t.Time{}.Add(d)": 0,
		"type clock struct{ Now func() int }; func f(t clock) int { return t.Now() }": 0,
	} {
		text := "package x\nimport (t \"time\"; \"os\"; \"math/rand/v2\")\nvar _ t.Time\nvar _ os.Signal\nvar _ rand.Rand\n" + body
		f, err := parser.ParseFile(fset, "x.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		// The three declarations that use the imports count as well, but for time's.
		if got := len(impurities(t, fset, imports, "x", []*ast.File{f})) - 2; got != want {
			t.Errorf("%s: %d impurities, want %d", body, got, want)
		}
	}
}

// eachFile calls f with every file of the tree that belongs to it.
func eachFile(t *testing.T, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(built, path)) {
				return filepath.SkipDir
			}
			return nil
		}
		f(path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWebSocketLibraryInOneFile(t *testing.T) {
	const library = "nhooyr.io/websocket"
	var where []string
	eachFile(t, func(path string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if strings.HasPrefix(strings.Trim(spec.Path.Value, `"`), library) {
				where = append(where, path)
			}
		}
	})
	if len(where) != 1 {
		t.Errorf("%s is imported in %d files, want 1: %s", library, len(where), strings.Join(where, ", "))
	}
}

// What is drawn is drawn through package chance, so that no test fails now and then.
func TestDrawsAreSettled(t *testing.T) {
	call := regexp.MustCompile(`\brapid\.(Make)?Check\(`)
	eachFile(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || filepath.Dir(path) == "testdata/chance" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if call.Match(text) {
			t.Errorf("%s tries a property without package chance", path)
		}
	})
}

func TestFilesAreShort(t *testing.T) {
	eachFile(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || slices.Contains(generated, path) {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines > mostLines {
			t.Errorf("%s has %d lines, more than %d: what is its second subject?", path, lines, mostLines)
		}
	})
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		left := strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof") // by go test
		if !strings.HasPrefix(name, ".") && !left && !slices.Contains(built, name) && !slices.Contains(topLevel, name) {
			t.Errorf("%s does not belong to the top level; it has %s", name, strings.Join(topLevel, ", "))
		}
	}
}
