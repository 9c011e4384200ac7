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

// Commands are `kowabunga sim run` and what belongs to it.
func Commands() []*cobra.Command {
	return []*cobra.Command{runCommand(), replayCommand(), scenarioCommand(), mutantsCommand()}
}

// random is which runs of chance are asked for.
type random struct {
	seeds, from uint64
	minutes     int
	workers     int
	names       []string
	flaws       lease.Flaws
}

func (r *random) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&r.minutes, "minutes", 10, "simulated minutes of each run, from 1 to 1440")
	f.StringSliceVar(&r.names, "flaw", nil, "deliberate defect, M1 to M35; the run is expected to notice it")
}

func (r *random) check() (err error) {
	if r.minutes < 1 || r.minutes > 1440 {
		return term.Usage(fault.Bad("minutes", "%d is not between 1 and 1440", r.minutes))
	}
	r.flaws, err = ParseFlaws(r.names)
	return term.Usage(err)
}

func (r *random) length() time.Duration { return time.Duration(r.minutes) * time.Minute }

// replay is the command that repeats a run.
func (r *random) replay(seed uint64) string {
	text := fmt.Sprintf("kowabunga sim replay --seed %d --minutes %d", seed, r.minutes)
	if names := flawNames(r.flaws); len(names) > 0 {
		text += " --flaw " + strings.Join(names, ",")
	}
	return text
}

// found is a run that broke a rule, for people and programs.
type found struct {
	*Violation
	Replay string `json:"replay"`
}

// totals are what many runs amount to.
type totals struct {
	Seeds      uint64  `json:"seeds"`
	From       uint64  `json:"seedFrom"`
	Minutes    int     `json:"minutes"`
	Messages   int     `json:"messages"`
	Records    int     `json:"records"`
	Faults     int     `json:"faults"`
	Epochs     uint64  `json:"epochs"`
	Violations []found `json:"violations"`
}

func runCommand() *cobra.Command {
	r := random{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Simulate two Kahunas under faults, many times",
		Long: `Runs two Kahunas, their agents and clients in virtual time: the very program parts that elect, replicate
and command in production, on a simulated network, with simulated disks and clocks. Each seed enables some
kinds of faults - lost, late and repeated messages, cut and stalled links, pauses, suspends, crashes, power
losses, hung, slow and full disks, hosts installed anew, changes of witnesses and of the mode, handoffs - and
after every step the run is checked against what must always hold.

A run that breaks a rule is shown with the command that repeats it; the exit code is 1 then.`,
		Example: `  kowabunga sim run --seeds 100 --minutes 10
  kowabunga sim run --seeds 200 --flaw M9`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().Uint64Var(&r.seeds, "seeds", 100, "how many runs")
	cmd.Flags().Uint64Var(&r.from, "seed-from", 1, "seed of the first; the others follow")
	cmd.Flags().IntVar(&r.workers, "workers", 1, "runs at the same time")
	r.flags(cmd)
	output := term.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := r.check(); err != nil {
			return err
		}
		if r.seeds < 1 || r.workers < 1 {
			return term.Usage(fault.Bad("seeds", "runs and workers are at least 1"))
		}
		return r.run(cmd, output)
	}
	return cmd
}

func (r *random) run(cmd *cobra.Command, output *term.Output) error {
	progress := term.Of(cmd).Progress()
	defer progress.Close()
	step := progress.Step("runs")
	t := totals{From: r.from, Minutes: r.minutes, Violations: []found{}}
	for o := range Many(r.from, r.seeds, r.length(), r.workers, r.flaws) {
		if err := cmd.Context().Err(); err != nil {
			return step.Fail(err)
		}
		t.Seeds++
		t.Messages, t.Records, t.Faults, t.Epochs = t.Messages+o.Messages, t.Records+o.Records, t.Faults+o.Faults, t.Epochs+o.Epochs
		if o.Violation != nil {
			t.Violations = append(t.Violations, found{o.Violation, r.replay(o.Seed)})
		}
		step.Say("%d of %d, %d broke a rule", t.Seeds, r.seeds, len(t.Violations))
	}
	step.Done("%d, %d broke a rule", t.Seeds, len(t.Violations))
	progress.Close()
	out := cmd.OutOrStdout()
	if output.JSON() {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(t); err != nil {
			return err
		}
	} else {
		t.print(out)
	}
	if len(t.Violations) > 0 {
		return &term.Status{Code: 1}
	}
	return nil
}

func (t *totals) print(out io.Writer) {
	for _, v := range t.Violations {
		fmt.Fprintf(out, "seed %d at %.3f s: %s\n  %s\n  %s\n", v.Seed, v.At.Seconds(), v.Rule, v.Detail, v.Replay)
	}
	fmt.Fprintf(out, "%d runs of %d minutes: %d faults, %d epochs, %d records, %d messages; %d broke a rule\n",
		t.Seeds, t.Minutes, t.Faults, t.Epochs, t.Records, t.Messages, len(t.Violations))
}

func replayCommand() *cobra.Command {
	r := random{}
	var seed uint64
	cmd := &cobra.Command{
		Use:   "replay --seed SEED",
		Short: "Repeat one simulated run and show all that happened",
		Long: `Repeats a run of kowabunga sim run: the same seed is the same run, byte for byte, with the same number of
minutes and the same flaws. A line has the time since the beginning, who does something, and what.
The exit code is 1 when the run breaks a rule.`,
		Example: `  kowabunga sim replay --seed 7 --minutes 10`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			o := Random(seed, r.length(), r.flaws, out)
			fmt.Fprintf(out, "%d messages, %d records, %d epochs, %d faults, sum %016x\n", o.Messages, o.Records, o.Epochs, o.Faults, o.Sum)
			if o.Violation != nil {
				return &term.Status{Code: 1}
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "seed of the run")
	_ = cmd.MarkFlagRequired("seed")
	r.flags(cmd)
	return cmd
}
