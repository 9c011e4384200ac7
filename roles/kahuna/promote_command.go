package kahuna

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/term"
)

func promoteCommand() *cobra.Command {
	var dry bool
	var loseAfter uint64
	var statement string
	cmd := localCommand(&cobra.Command{Use: "promote --lose-after RECORD", Short: "Make this Kahuna act on your word that the other one is off", Args: cobra.NoArgs,
		Long: `For when no take-over can happen by itself: status shows what is missing. You state that the other Kahuna is off, with its
power taken or its network cut, and stays off. If it works on all the same, two command, and what was written there is lost.
When it comes back it learns that it was overruled and follows; start it only where it reaches this one. So you type a
sentence that names it; --other-is-off gives that sentence where nobody types.

RECORD is the last record that must be kept: the journal here has to reach it. --dry-run shows how far it does, what the
other one was last known to have, what would be lost and the sentence; it changes nothing. Promotion is refused while the
other one is heard, or an agent says that its lease lasts; leases end within seconds.

After a promotion that may lose records nothing is allocated until every agent reported what it holds, so that no address or
disk is given out twice: kowabunga agent waive NAME says so for an agent that cannot report.`,
		Example: `  kowabunga kahuna promote --dry-run
  kowabunga kahuna promote --lose-after 10482
  kowabunga kahuna promote --lose-after 10482 --other-is-off 'the Kahuna at https://a.example.net:8443 is off'`},
		func(cmd *cobra.Command, c *Config, form *term.Output, _ []string) error {
			t := term.Of(cmd)
			var would Promotion
			if err := order(cmd.Context(), c, "promote", promoteRequest{DryRun: true}, &would); err != nil {
				return err
			}
			if dry {
				if form.JSON() {
					return t.JSON(would)
				}
				return showProspect(t.Out, &would)
			}
			request := promoteRequest{LoseAfter: &loseAfter, Statement: statement}
			if !cmd.Flags().Changed("lose-after") {
				return term.Usage(fault.New(fault.Invalid, "say with --lose-after which record is the last that must be kept; --dry-run shows how far the journal here reaches"))
			}
			if statement == "" {
				if err := showProspect(t.Err, &would); err != nil {
					return err
				}
				var err error
				if request.Statement, err = t.Line("Type the sentence", fmt.Sprintf("--other-is-off %q", would.Statement)); err != nil {
					return err
				}
			}
			var done Promotion
			if err := order(cmd.Context(), c, "promote", request, &done); err != nil {
				return err
			}
			if form.JSON() {
				return t.JSON(done)
			}
			fmt.Fprintf(t.Out, "This Kahuna acts, in epoch %s, with everything up to record %d.\n", done.Epoch, done.End)
			if done.MayLose {
				fmt.Fprintln(t.Out, "The other one may hold records that this one lacks: it keeps them as a fork and follows when it comes back. Start it only where it reaches this one.")
				fmt.Fprintln(t.Out, "Records may be lost: nothing is allocated until every agent reported what it holds. kowabunga kahuna status tells when.")
			}
			return nil
		})
	cmd.Flags().Uint64Var(&loseAfter, "lose-after", 0, "index of the last `RECORD` that must be kept")
	cmd.Flags().StringVar(&statement, "other-is-off", "", "the `SENTENCE` that states that the other Kahuna is off, as --dry-run shows it")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be lost, and change nothing")
	return cmd
}

// showProspect shows what a promotion would do.
func showProspect(w io.Writer, p *Promotion) error {
	fmt.Fprintf(w, "This Kahuna, %s, has records up to %d and knows those up to %d as published.\n", p.Node, p.End, p.Published)
	if p.Other != "" && p.Theirs > 0 {
		heard := ""
		if p.Silent != "" {
			heard = fmt.Sprintf(" Last heard %s ago.", p.Silent)
		}
		fmt.Fprintf(w, "The other one, %s, was last known to have published up to record %d.%s\n", p.Other, p.Theirs, heard)
	}
	fmt.Fprintf(w, "Lost would be %s.\n", p.Loses)
	for _, why := range p.Hindered {
		fmt.Fprintf(w, "Refused at present: %s.\n", why)
	}
	_, err := fmt.Fprintf(w, "The sentence: %s\n", p.Statement)
	return err
}
