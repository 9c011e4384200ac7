// Command audit says under which licence every module is that go.mod names, indirect ones included, and what others
// wrote of the files that the program carries with it. It fails when something is under none that the Open Source
// Initiative approves, or under none it knows.
//
//	go run ./testdata/audit
//
// The texts are read from the module cache; modules that are not there are downloaded first.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := audit(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

type module struct{ Path, Version, Dir, Error string }

func audit(out io.Writer) error {
	modules, err := modules()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	counts, bad := map[string]int{}, 0
	for _, m := range modules {
		ids, why := licenceOf(m.Dir)
		if why != "" {
			bad++
			fmt.Fprintf(table, "%s\t%s\tREFUSED: %s\n", m.Path, m.Version, why)
			continue
		}
		name := strings.Join(ids, " and ")
		counts[name]++
		fmt.Fprintf(table, "%s\t%s\t%s\n", m.Path, m.Version, name)
	}
	carried, err := carriedOf(vendor)
	if err != nil {
		return err
	}
	for _, c := range carried {
		if c.why != "" {
			bad++
			fmt.Fprintf(table, "%s\t\tREFUSED: %s\n", c.name, c.why)
			continue
		}
		fmt.Fprintf(table, "%s\t\t%s\n", c.name, strings.Join(c.ids, " and "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var summary []string
	for name, n := range counts {
		summary = append(summary, fmt.Sprintf("%d %s", n, name))
	}
	sort.Strings(summary)
	fmt.Fprintf(out, "%d modules: %s; %d works carried as files\n", len(modules), strings.Join(summary, ", "), len(carried))
	if bad > 0 {
		return fmt.Errorf("%d are under no approved licence", bad)
	}
	return nil
}

// modules are those of go.mod, which since Go 1.17 lists all that a build or test of this module uses.
func modules() ([]module, error) {
	text, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	var file struct {
		Require []module
		Replace []struct{ Old, New module }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if len(file.Replace) > 0 {
		return nil, errors.New("go.mod replaces modules; their licences would go unseen")
	}
	args := []string{"mod", "download", "-json"}
	for _, m := range file.Require {
		args = append(args, m.Path+"@"+m.Version)
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	text, err = cmd.Output()
	if err != nil && len(text) == 0 {
		return nil, fmt.Errorf("download modules: %w", err)
	}
	var found []module
	for decoder := json.NewDecoder(strings.NewReader(string(text))); decoder.More(); {
		var m module
		if err := decoder.Decode(&m); err != nil {
			return nil, err
		}
		if m.Error != "" {
			return nil, fmt.Errorf("download %s: %s", m.Path, m.Error)
		}
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[sc]e|copying)([.-].*)?$`)

// licenceOf is what the licence files at the top of a module say together. Each has to be acceptable.
func licenceOf(dir string) (ids []string, why string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err.Error()
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err.Error()
		}
		more, why := classify(string(text))
		if why != "" {
			return nil, entry.Name() + ": " + why
		}
		ids = append(ids, more...)
	}
	if ids == nil {
		return nil, "it has no licence file"
	}
	slices.Sort(ids)
	return slices.Compact(ids), ""
}
