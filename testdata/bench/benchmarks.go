package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// pairs are benchmarks that mean something only side by side. The ratio is that of ours to the other, in
// a unit of which more is better.
var pairs = []struct {
	ours, other, unit, name string
	aim                     float64 // at least
}{
	{"Put/16", "Batch/16", "puts/s", "committer beside DB.Batch, 16 writers", 4},
	{"Put/1", "Batch/1", "puts/s", "committer beside DB.Batch, 1 writer", 0},
	{"Put/256", "Batch/256", "puts/s", "committer beside DB.Batch, 256 writers", 0},
	{"GetBesideBare", "", "ratio", "v1 GET of one beside a bare handler", 0.75},
	{"OneMachine", "", "budgets", "5 ms beside what one changed machine of 10,000 costs to plan", 1},
	{"Board/hosts=5000/machines=0", "", "decisions/s", "placements a second, 5,000 empty hosts", 5000},
	{"Board/hosts=5000/machines=50000", "", "decisions/s", "placements a second, 5,000 hosts, 50,000 machines", 5000},
	{"Board/hosts=5000/machines=27500", "Board/hosts=5000/machines=0", "decisions/s", "placement half full beside empty", 0.8},
	{"Board/hosts=5000/machines=50000", "Board/hosts=5000/machines=0", "decisions/s", "placement 90 % full beside empty", 0.8},
}

// benchmarks runs every package that has any, one after the other, and prints the pairs.
func benchmarks(ctx context.Context, out io.Writer) error {
	packages, err := withBenchmarks(".")
	if err != nil {
		return err
	}
	seen := map[string]map[string]float64{}
	for _, p := range packages {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "1s", "-timeout", "20m", p)
		var text bytes.Buffer
		cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &text), os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("benchmarks of %s: %w", p, err)
		}
		parse(text.String(), seen)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nside by side\tours\tother\tratio\taim")
	for _, pair := range pairs {
		line, err := compare(seen, pair.ours, pair.other, pair.unit, pair.aim)
		if err != nil {
			return fmt.Errorf("%s: %w", pair.name, err)
		}
		fmt.Fprintf(table, "%s\t%s\n", pair.name, line)
	}
	return table.Flush()
}

// compare is a line of the table: ours, other, ratio, aim. With no other benchmark the figure is a ratio.
func compare(seen map[string]map[string]float64, ours, other, unit string, aim float64) (string, error) {
	a, known := seen[ours][unit]
	if !known {
		return "", fmt.Errorf("Benchmark%s gave no figure %s", ours, unit)
	}
	ratio, line := a, "\t"
	if other != "" {
		b, known := seen[other][unit]
		if !known || b == 0 {
			return "", fmt.Errorf("Benchmark%s gave no figure %s", other, unit)
		}
		ratio, line = a/b, fmt.Sprintf("%.0f %s\t%.0f %s", a, unit, b, unit)
	}
	line += fmt.Sprintf("\t%.2f", ratio)
	if aim == 0 {
		return line, nil
	}
	verdict := "ok"
	if ratio < aim {
		verdict = "MISSED"
	}
	return line + fmt.Sprintf("\t>= %.2f %s", aim, verdict), nil
}

var (
	declared = regexp.MustCompile(`(?m)^func Benchmark[A-Z]`)
	resultOf = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`) // the suffix is GOMAXPROCS
)

// parse adds what go test printed: figures by unit, by name of the benchmark without its prefix.
func parse(text string, into map[string]map[string]float64) {
	for _, line := range strings.Split(text, "\n") {
		m := resultOf.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		figures := map[string]float64{}
		for fields := strings.Fields(m[2]); len(fields) >= 2; fields = fields[2:] {
			if value, err := strconv.ParseFloat(fields[0], 64); err == nil {
				figures[fields[1]] = value
			}
		}
		into[m[1]] = figures
	}
}

// withBenchmarks finds the packages below a directory whose tests declare benchmarks.
func withBenchmarks(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (strings.HasPrefix(name, ".") || name == "dist" || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if dir := "./" + filepath.Dir(path); declared.Match(text) && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
		return nil
	})
	return found, err
}
