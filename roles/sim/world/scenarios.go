package world

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/term"
)

func scenarioCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "scenario [NAME|FILE...]",
		Short: "Carry out directed simulations and show their logs",
		Long: `Carries out scripts that say what fails when, and what must come of it, and shows all that happened.
Without arguments it lists the scenarios in the program, one for each way that is known to go wrong.
A file is in txtar form: a comment, then the files script and log.
The exit code is 1 when a scenario does not go as its script expects.`,
		Args: cobra.ArbitraryArgs,
		Example: `  kowabunga sim scenario
  kowabunga sim scenario a1
  kowabunga sim scenario a1 --flaw M4`,
	}
	cmd.Flags().StringSliceVar(&names, "flaw", nil, "deliberate defect, M1 to M35; the scenario is expected to notice it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := cmd.OutOrStdout()
		flaws, err := ParseFlaws(names)
		if err != nil {
			return term.Usage(err)
		}
		if len(args) == 0 {
			return list(out)
		}
		failed := false
		for i, name := range args {
			s, err := OpenScenario(name)
			if err != nil {
				return err
			}
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%s: %s\n\n", s.Name, s.About)
			v, _, err := s.Run(flaws, out)
			if err != nil {
				return err
			}
			failed = failed || v != nil
		}
		if failed {
			return &term.Status{Code: 1}
		}
		return nil
	}
	return cmd
}

func list(out io.Writer) error {
	all, err := Scenarios()
	if err != nil {
		return err
	}
	for _, s := range all {
		about, _, _ := strings.Cut(s.About, "\n")
		fmt.Fprintf(out, "%-18s %-16s %s\n", s.Name, strings.Join(s.Catches, " "), about)
	}
	return nil
}

// Mutant is how a flaw was caught.
type Mutant struct {
	Flaw      string   `json:"flaw"`
	Scenarios []string `json:"scenarios"` // that catch it
	Seed      uint64   `json:"seed"`      // the first of the runs of chance that catches it; 0: none
	Rule      string   `json:"rule,omitempty"`
}

func mutantsCommand() *cobra.Command {
	r := random{}
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Show that deliberate defects are noticed",
		Long: `Puts each of the defects M1 to M35 into the simulation, one at a time, and shows which scenario and which
seed of the runs of chance notice it. The exit code is 1 when a defect is noticed by no scenario.`,
		Example: `  kowabunga sim mutants --seeds 200`,
		Args:    cobra.NoArgs,
	}
	cmd.Flags().Uint64Var(&r.seeds, "seeds", 0, "runs of chance for each defect, until one notices it")
	cmd.Flags().Uint64Var(&r.from, "seed-from", 1, "seed of the first; the others follow")
	cmd.Flags().IntVar(&r.workers, "workers", 1, "runs at the same time")
	r.flags(cmd)
	output := term.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := r.check(); err != nil {
			return err
		}
		if r.workers < 1 {
			return term.Usage(fault.Bad("workers", "at least 1"))
		}
		return r.mutants(cmd, output)
	}
	return cmd
}

func (r *random) mutants(cmd *cobra.Command, output *term.Output) error {
	all, err := Scenarios()
	if err != nil {
		return err
	}
	progress := term.Of(cmd).Progress()
	defer progress.Close()
	var found []Mutant
	byScript, byChance := 0, 0
	for i := range Mutants {
		flaw := lease.Flaw(i + 1)
		if r.flaws != 0 && !r.flaws.Has(flaw) {
			continue
		}
		m := Mutant{Flaw: fmt.Sprintf("M%d", i+1), Scenarios: []string{}}
		step := progress.Step(m.Flaw)
		for _, s := range all {
			if v, _, err := s.Run(lease.Of(flaw), nil); err == nil && v != nil {
				m.Scenarios = append(m.Scenarios, s.Name)
			}
		}
		if m.Seed, m.Rule, err = Search(r.from, r.seeds, r.length(), r.workers, lease.Of(flaw), cmd.Context().Err); err != nil {
			return step.Fail(err)
		}
		if len(m.Scenarios) > 0 {
			byScript++
		}
		if m.Seed > 0 {
			byChance++
		}
		step.Done("%d scenarios, seed %d", len(m.Scenarios), m.Seed)
		found = append(found, m)
	}
	progress.Close()
	out := cmd.OutOrStdout()
	if output.JSON() {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(found); err != nil {
			return err
		}
	} else {
		for _, m := range found {
			seed := "-"
			if m.Seed > 0 {
				seed = fmt.Sprint(m.Seed)
			}
			fmt.Fprintf(out, "%-4s seed %-6s %-55s %s\n", m.Flaw, seed, m.Rule, strings.Join(m.Scenarios, " "))
		}
		fmt.Fprintf(out, "%d defects: %d noticed by scenarios, %d by %d seeds of chance\n", len(found), byScript, byChance, r.seeds)
	}
	if byScript < len(found) {
		return &term.Status{Code: 1}
	}
	return nil
}

// Search runs worlds of chance with flaws until one breaks a rule, and tells which seed and which rule; 0
// when none of count does. stop, asked between runs, ends it early.
func Search(first, count uint64, length time.Duration, jobs int, flaws lease.Flaws, stop func() error) (seed uint64, rule string, err error) {
	for o := range Many(first, count, length, jobs, flaws) {
		if err := stop(); err != nil {
			return 0, "", err
		}
		if o.Violation != nil {
			return o.Seed, o.Violation.Rule, nil
		}
	}
	return 0, "", nil
}
