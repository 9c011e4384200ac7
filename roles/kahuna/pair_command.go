package kahuna

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/count"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/roles/term"
)

// order asks the running server to do something and decodes what it did.
func order(ctx context.Context, c *Config, path string, body, into any) error {
	answer, err := ask(ctx, c, http.MethodPost, "/admin/pair/"+path, body)
	if err != nil {
		return notRunning(c, err)
	}
	defer answer.Close()
	return fault.Wrap(json.NewDecoder(answer).Decode(into), fault.Internal, "read the server's answer")
}

// localCommand is a command that speaks to the server of a directory.
func localCommand(cmd *cobra.Command, run func(cmd *cobra.Command, c *Config, form *term.Output, args []string) error) *cobra.Command {
	var c Config
	s := c.set()
	var form *term.Output
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := load(cmd, &c, s, true); err != nil {
			return err
		}
		return run(cmd, &c, form, args)
	}
	s.Bind(cmd)
	form = term.OutputFlag(cmd)
	return cmd
}

func pairKeyCommand() *cobra.Command {
	var force bool
	var c Config
	s := c.set()
	cmd := &cobra.Command{Use: "pair-key", Short: "Print the key that makes another Kahuna the standby of this one", Args: cobra.NoArgs,
		Long: `Prints what the file DIR/secrets/pair-key holds, and makes it first if it is not there. It is a secret: whoever has it
can become the standby of this Kahuna and gets everything that this one keeps. Write it to a file that its owner alone can
read, take that to the other machine, and delete it there once the standby runs. No server needs to run.`,
		Example: `  (umask 077; kowabunga kahuna pair-key > pair.key)
  scp pair.key b.example.net: && ssh b.example.net kowabunga kahuna serve --standby-of https://a.example.net:8443 --pair-key-file pair.key`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if term.IsTerminal(out) && !force {
				return term.Hint(fault.New(fault.Invalid, "the key is a secret and this is a terminal, where it would be seen and kept; write it to a file, or say --force"), "(umask 077; kowabunga kahuna pair-key > pair.key)")
			}
			return printPairKey(cmd, &c)
		}}
	s.Bind(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "print it on a terminal all the same")
	return cmd
}

func printPairKey(cmd *cobra.Command, c *Config) error {
	key, err := offlinePairKey(c)
	if err != nil {
		return err
	}
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning: others can read that file; chmod 600 it before the key is used.")
		}
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), key.Text())
	return err
}

// offlinePairKey reads the key of the pair, or draws it, with the authority that this Kahuna made itself.
func offlinePairKey(c *Config) (pair.Key, error) {
	if exists(c.pairKey()) {
		return pair.ReadKey(c.pairKey())
	}
	p := &pairing{}
	if !c.PlainHTTP {
		made, err := newCertificates(c)
		if err != nil {
			return pair.Key{}, fault.Wrap(err, fault.Unavailable, "read the local CA")
		}
		defer made.close()
		if p.ca, err = made.own(); err != nil {
			return pair.Key{}, err
		}
	}
	return keepPairKey(c, p.ca)
}

func handoffCommand() *cobra.Command {
	return localCommand(&cobra.Command{Use: "handoff", Short: "Let the other Kahuna take over, in order", Args: cobra.NoArgs,
		Long: `Lets the other Kahuna act in the place of this one, which has to be the one that acts, and returns once it does. That takes
less than a second: requests that arrive meanwhile wait, agents and machines notice nothing, no write is lost. This one
then follows. It is refused while the other one lacks a write; nothing changes then. Exit code 1 when it did not come about.

To upgrade both: upgrade and restart the one that follows, wait until status shows it in the sync set, hand over to it, then
upgrade and restart the other one. Stopping the one that acts (SIGTERM) hands over first by itself.`,
		Example: "  kowabunga kahuna handoff\n  kowabunga kahuna handoff -o json"},
		func(cmd *cobra.Command, c *Config, form *term.Output, _ []string) error {
			var done HandedOver
			if err := order(cmd.Context(), c, "handoff", nil, &done); err != nil {
				return err
			}
			if form.JSON() {
				return term.Of(cmd).JSON(done)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s acts since %.2f s after it was asked; %s follows.\n", done.To, done.Seconds, done.From)
			return err
		})
}

func modeCommand() *cobra.Command {
	return localCommand(&cobra.Command{Use: "mode sync|async", Short: "Say whether a write waits for both Kahunas", ValidArgs: []string{"sync", "async"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		Long: `sync: a write is acknowledged once both Kahunas have it on disk, as long as the other one answers; the other one takes over
by itself. async: a write is acknowledged as soon as this one has it; the other one follows and may lack the last writes, so
that only a person lets it take over (kowabunga kahuna promote). The mode never changes by itself. Give it to the one that acts.`,
		Example: "  kowabunga kahuna mode async\n  kowabunga kahuna mode sync"},
		func(cmd *cobra.Command, c *Config, form *term.Output, args []string) error {
			var done modeRequest
			if err := order(cmd.Context(), c, "mode", modeRequest{lease.Mode(args[0])}, &done); err != nil {
				return err
			}
			if form.JSON() {
				return term.Of(cmd).JSON(done)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "The mode is %s.\n", done.Mode)
			return err
		})
}

func adoptCommand() *cobra.Command {
	var dry bool
	cmd := localCommand(&cobra.Command{Use: "adopt [NODE]", Short: "Put a Kahuna that follows in the place of a dead one", Args: cobra.MaximumNArgs(1),
		Long: `Makes a Kahuna that only follows the other one of the two. Without NODE it lists those that follow: whoever was started with
--standby-of and is not one of the two. NODE is an address, an id or the beginning of one. The one it replaces has no voice
any more, should it come back; to use it again make it anew with --standby-of. It has to be out of the sync set, so that no
write is only there.`,
		Example: "  kowabunga kahuna adopt\n  kowabunga kahuna adopt https://c.example.net:8443\n  kowabunga kahuna adopt --dry-run 5f3a"},
		func(cmd *cobra.Command, c *Config, form *term.Output, args []string) error {
			request := adoptRequest{DryRun: dry || len(args) == 0}
			if len(args) > 0 {
				request.Node = args[0]
			}
			var done Adopted
			if err := order(cmd.Context(), c, "adopt", request, &done); err != nil {
				return err
			}
			t := term.Of(cmd)
			if form.JSON() {
				return t.JSON(done)
			}
			instead := ""
			if done.Replaces != "" {
				instead = ", in the place of " + done.Replaces
			}
			switch {
			case len(args) > 0 && !dry:
				fmt.Fprintf(t.Out, "%s is the other Kahuna now%s.\n", done.Node.Address, instead)
			case len(args) > 0:
				fmt.Fprintf(t.Out, "%s would be the other Kahuna%s. Nothing was changed.\n", done.Node.Address, instead)
			case len(done.Candidates) == 0:
				fmt.Fprintln(t.Err, "no other Kahuna follows this one")
			default:
				table := &term.Table{Head: []string{"ADDRESS", "ID", "LAG", "HEARD"}}
				for _, n := range done.Candidates {
					table.Add(n.Address, n.ID, count.Of(n.Lag, "record"), fmt.Sprintf("%.1f s ago", n.Silent))
				}
				return t.Table(table)
			}
			return nil
		})
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be, and change nothing")
	return cmd
}

func witnessesCommand() *cobra.Command {
	return localCommand(&cobra.Command{Use: "witnesses", Short: "Show which agents help to decide which Kahuna acts, and why", Args: cobra.NoArgs,
		Long: `Shows all agents, whether each is a witness, and why not. Kahuna chooses up to nine by itself: agents that keep their state on
a durable disk, on hosts without a Kahuna, one on a host, spread over zones. With two Kahunas a majority of them is needed for a
take-over. With one they remember which records its disk had, so that it does not act on a disk of an earlier time.`,
		Example: "  kowabunga kahuna witnesses\n  kowabunga kahuna witnesses -o json"},
		func(cmd *cobra.Command, c *Config, form *term.Output, _ []string) error {
			var all []Candidate
			if err := get(cmd.Context(), c, "/admin/pair/witnesses", &all); err != nil {
				return notRunning(c, err)
			}
			t := term.Of(cmd)
			if form.JSON() {
				return t.JSON(all)
			}
			table := &term.Table{Head: []string{"AGENT", "WITNESS", "CONNECTED", "WHY"}}
			for _, a := range all {
				table.Add(a.Name, yes(a.Witness), yes(a.Connected), strings.Join(a.Why, "; "))
			}
			return t.Table(table)
		})
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
