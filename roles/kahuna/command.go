package kahuna

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// Command is `kowabunga kahuna`.
func Command() *cobra.Command {
	cmd := &cobra.Command{Use: "kahuna", Short: "The control plane: API, agents' endpoint, operations, store"}
	cmd.AddCommand(initCommand(), serveCommand(), statusCommand(), checkCommand(), backupCommand(), restoreCommand(), rotateCommand(),
		pairKeyCommand(), handoffCommand(), promoteCommand(), modeCommand(), adoptCommand(), witnessesCommand(), forksCommand())
	return cmd
}

func initCommand() *cobra.Command {
	var c Config
	s := c.set()
	cmd := &cobra.Command{Use: "init", Short: "Make a new Kahuna in an empty directory", Args: cobra.NoArgs,
		Long: `Makes secrets, an empty store and kahuna.yaml in a directory, and refuses one that holds anything else.
The master API key is in DIR/secrets/master-key.`,
		Example: "  kowabunga kahuna init --dir /var/lib/kowabunga/kahuna --url https://cloud.example.net:8443\n  kowabunga kahuna init --dir ./try --listen 127.0.0.1:8080 --plain-http",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Dir = s.Early(cmd, "dir")
			if initialised(&c) {
				return initialise(cmd.Context(), &c, s, nil)
			}
			if err := s.Load(cmd, "", false); err != nil {
				return err
			}
			if err := initialise(cmd.Context(), &c, s, given(cmd, s)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Kahuna is ready in %s.\nMaster API key: %s\nStart it with: kowabunga kahuna serve --dir %s\n", c.Dir, c.masterKey(), c.Dir)
			return nil
		}}
	s.Bind(cmd)
	return cmd
}

// given are the keys that were used as flags; they go into the file of a new Kahuna.
func given(cmd *cobra.Command, s *config.Set) map[string]string {
	out := map[string]string{}
	for _, v := range s.Dump() {
		if strings.HasPrefix(v.Source, "flag ") && v.Key != "dir" && v.Key != "pair-key-file" {
			out[v.Key] = v.Value
		}
	}
	return out
}

func statusCommand() *cobra.Command {
	var c Config
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "status", Short: "Show the running server", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			var st Status
			if err := get(cmd.Context(), &c, "/admin/status", &st); err != nil {
				return notRunning(&c, err)
			}
			return showStatus(term.Of(cmd), form, st)
		}}
	s.Bind(cmd)
	form = term.OutputFlag(cmd)
	return cmd
}

func notRunning(c *Config, err error) error {
	if err == errNotRunning {
		return term.Hint(fault.New(fault.Unavailable, "no server answers on %s", c.socket()), "start it: kowabunga kahuna serve --dir "+c.Dir)
	}
	return err
}

func checkCommand() *cobra.Command {
	var c Config
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "check", Short: "Verify the store: journal chain, indexes, references, secrets", Args: cobra.NoArgs,
		Long: "Verifies the store, of the running server or, when none runs, in the file. Nothing is repaired.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			return check(cmd, &c, form)
		}}
	s.Bind(cmd)
	form = term.OutputFlag(cmd)
	return cmd
}
