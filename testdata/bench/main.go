// Command bench measures the finished program as a whole: the size of the executable, how long Kahuna takes
// to start, and the memory of an idle Kahuna and an idle Kaktus that is connected to it; beside each figure
// stands what it should be. The Go benchmarks run first.
//
//	go run ./testdata/bench --program ./kowabunga [--only processes|benchmarks]
//
// Figures depend on the machine, which is printed with them. The exit code is 1 when something could not
// be measured; a missed aim is marked, and fails only with --strict.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// idleFor is how long a process is left alone before it is measured: long enough for the garbage of the
// start to be collected and given back to the system.
const idleFor = 20 * time.Second

// figure is one line of the table. Without a bound there is no aim.
type figure struct {
	name  string
	value float64
	unit  string
	bound float64 // the most it should be
}

func main() {
	program := flag.String("program", "./kowabunga", "the built program, stripped")
	only := flag.String("only", "", "processes or benchmarks; both when empty")
	strict := flag.Bool("strict", false, "fail when an aim is missed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	missed, err := run(ctx, os.Stdout, *program, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed > 0 && *strict {
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, program, only string) (missed int, err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return 0, err
	}
	fmt.Fprintln(out, machine())
	if only != "processes" {
		if err := benchmarks(ctx, out); err != nil {
			return 0, err
		}
	}
	if only == "benchmarks" {
		return 0, nil
	}
	figures, err := processes(ctx, program)
	if err != nil {
		return 0, err
	}
	return report(out, figures)
}

// report prints the table and counts the aims that were missed.
func report(out io.Writer, figures []figure) (missed int, err error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nfigure\tmeasured\taim\tratio")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%.1f %s", f.name, f.value, f.unit)
		if f.bound > 0 {
			verdict := "ok"
			if f.value > f.bound {
				verdict = "MISSED"
				missed++
			}
			fmt.Fprintf(table, "\t<= %.0f %s\t%.2f %s", f.bound, f.unit, f.value/f.bound, verdict)
		}
		fmt.Fprintln(table)
	}
	return missed, table.Flush()
}
