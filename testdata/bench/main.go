// Command bench measures the finished program as a whole: the size of the executable, how long Kahuna takes
// to start, the memory of an idle Kahuna and an idle Kaktus that is connected to it, how it answers, with many
// objects and with many agents, and what two Kahunas cost and how fast one follows and takes over; beside each
// figure stands what it should be. The Go benchmarks run first.
//
//	go run ./testdata/bench --program ./kowabunga [--only benchmarks|processes|wrk|scale|swarm|pair]
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
	least float64 // the least it should be

	low, high float64 // between which single runs were; zero when there was one
}

func main() {
	program := flag.String("program", "./kowabunga", "the built program, stripped")
	only := flag.String("only", "", "benchmarks, processes, wrk, scale, swarm or pair; all when empty")
	bare := flag.String("bare", "", "serve the bare handler to compare with, on this address")
	strict := flag.Bool("strict", false, "fail when an aim is missed")
	flag.Parse()
	if *bare != "" {
		fmt.Fprintln(os.Stderr, "bench:", serveBare(*bare))
		os.Exit(1)
	}
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
	if only == "" || only == "benchmarks" {
		if err := benchmarks(ctx, out); err != nil {
			return 0, err
		}
	}
	var figures []figure
	for _, part := range []struct {
		name    string
		measure func(context.Context, string) ([]figure, error)
	}{{"processes", processes}, {"wrk", beside}, {"scale", scale}, {"swarm", swarm}, {"pair", pairOfTwo}} {
		if only != "" && only != part.name {
			continue
		}
		fmt.Fprintf(out, "\nmeasuring %s...\n", part.name)
		more, err := part.measure(ctx, program)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", part.name, err)
		}
		figures = append(figures, more...)
	}
	return report(out, figures)
}

// places is how many digits after the point a figure is worth.
func places(value float64) int {
	if value < 10 {
		return 2
	}
	return 1
}

// report prints the table and counts the aims that were missed.
func report(out io.Writer, figures []figure) (missed int, err error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nfigure\tmeasured\taim\tratio")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%.*f %s", f.name, places(f.value), f.value, f.unit)
		if f.high > 0 {
			fmt.Fprintf(table, " (%.*f to %.*f)", places(f.low), f.low, places(f.high), f.high)
		}
		verdict := "ok"
		if f.bound > 0 && f.value > f.bound || f.value < f.least {
			verdict = "MISSED"
			missed++
		}
		switch {
		case f.bound > 0:
			fmt.Fprintf(table, "\t<= %g %s\t%.2f %s", f.bound, f.unit, f.value/f.bound, verdict)
		case f.least > 0:
			fmt.Fprintf(table, "\t>= %g %s\t%.2f %s", f.least, f.unit, f.value/f.least, verdict)
		}
		fmt.Fprintln(table)
	}
	return missed, table.Flush()
}
