package doctor

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/term"
)

// Command is `kowabunga doctor` with `bundle` below it.
func Command() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and say what to do",
		Long: `Check whether this machine can run Kowabunga. Each line is ok, warn (works, with the limit named) or fail (a
role will not work) and says what to do. With --dir the data directory of a Kahuna is checked too. The exit
code is 1 when a check failed.`,
		Args: cobra.NoArgs,
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", "", "data directory of a Kahuna to look at as well")
	output := term.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t := term.Of(cmd)
		results := Examine(cmd.Context(), Checks(dir))
		if output.JSON() {
			if err := t.JSON(map[string]any{"checks": results}); err != nil {
				return err
			}
		} else if err := print(t, results); err != nil {
			return err
		}
		if n := count(results, Fail); n > 0 {
			return &fault.Error{Code: fault.Conflict, Op: "check this machine", Message: fmt.Sprintf("%d of %d checks failed", n, len(results))}
		}
		return nil
	}
	cmd.AddCommand(bundleCommand(&dir))
	return cmd
}

func bundleCommand(dir *string) *cobra.Command {
	b := Bundle{}
	cmd := &cobra.Command{
		Use:   "bundle --output FILE.tar.gz",
		Short: "Pack what is needed to help from afar, without secrets",
		Long: `Pack version, checks, configuration (secrets masked), the last part of the log files named by --log, and what
a running Kahuna says about its health and metrics into one archive. Nothing below DIR/secrets and no record
of the database goes into it. Look through it before you hand it on: names of hosts and projects are inside.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&b.Output, "output", "", "archive to write; it must not exist yet (- for standard output)")
	cmd.Flags().StringSliceVar(&b.Logs, "log", nil, "log file to include the last MiB of; may be repeated")
	_ = cmd.MarkFlagRequired("output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t := term.Of(cmd)
		b.Dir, b.Now = *dir, time.Now()
		b.Checks = Examine(cmd.Context(), Checks(b.Dir))
		names, err := b.Write(cmd.Context(), t.Out)
		if err != nil {
			return err
		}
		if b.Output != "-" {
			fmt.Fprintf(t.Out, "%s holds:\n", b.Output)
			for _, name := range names {
				fmt.Fprintf(t.Out, "  %s\n", name)
			}
		}
		return nil
	}
	return cmd
}

func print(t *term.Terminal, results []Result) error {
	table := &term.Table{Head: []string{"check", "state", "found", "what to do"}}
	for _, r := range results {
		table.Add(r.Name, string(r.State), r.Found, r.Advice)
	}
	return t.Table(table)
}

func count(results []Result, s State) (n int) {
	for _, r := range results {
		if r.State == s {
			n++
		}
	}
	return n
}
