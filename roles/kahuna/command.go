package kahuna

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// Command is `kowabunga kahuna`.
func Command() *cobra.Command {
	cmd := &cobra.Command{Use: "kahuna", Short: "The control plane: API, agents' endpoint, operations, store"}
	cmd.AddCommand(initCommand(), serveCommand(), statusCommand(), checkCommand(), backupCommand(), restoreCommand(), rotateCommand())
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
		if strings.HasPrefix(v.Source, "flag ") && v.Key != "dir" {
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

func backupCommand() *cobra.Command {
	var c Config
	var o backupFlags
	s := c.set()
	cmd := &cobra.Command{Use: "backup FILE", Short: "Copy the store to a file while the server runs", Args: cobra.ExactArgs(1),
		Long: `Writes a consistent copy of the store, journal included. The sealing key, without which the secrets in it
are lost, goes into it only encrypted: with a passphrase (--passphrase-file) or for age recipients
(--recipient). Otherwise keep DIR/secrets/sealing-key elsewhere. FILE - is standard output.`,
		Example: "  kowabunga kahuna backup --recipient age1... /backup/kahuna-$(date +%F)\n  kowabunga kahuna backup --passphrase-file ./pass - | ssh elsewhere 'cat > kahuna.backup'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			return backup(cmd, &c, o, args[0])
		}}
	s.Bind(cmd)
	cmd.Flags().StringVar(&o.passphrase.File, "passphrase-file", "", "file with the passphrase for the sealing key, - for standard input")
	cmd.Flags().StringArrayVar(&o.recipients, "recipient", nil, "age recipient to encrypt the sealing key for; repeat for several")
	return cmd
}

func restoreCommand() *cobra.Command {
	var c Config
	var o restoreFlags
	s := c.set()
	cmd := &cobra.Command{Use: "restore FILE", Short: "Make a Kahuna from a backup, in an empty directory", Args: cobra.ExactArgs(1),
		Long: `Verifies a backup and makes a Kahuna of it in an empty directory. It is a new node: it commands no agents
unless --promote states that the one the backup was made of is off for good. The master key is a new one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Dir = s.Early(cmd, "dir")
			if err := s.Load(cmd, "", false); err != nil {
				return err
			}
			return restore(cmd, &c, s, o, args[0])
		}}
	s.Bind(cmd)
	cmd.Flags().StringVar(&o.sealingKey.File, "sealing-key-file", "", "file with the sealing key, when it is not in the backup")
	cmd.Flags().StringVar(&o.passphrase.File, "passphrase-file", "", "file with the passphrase of the sealing key, - for standard input")
	cmd.Flags().StringVar(&o.identities.File, "identity-file", "", "file with the age identity that opens the sealing key")
	cmd.Flags().BoolVar(&o.promote, "promote", false, "the original is off for good: this one may command its agents")
	return cmd
}

// backupFlags and restoreFlags say where keys are; never the keys themselves.
type backupFlags struct {
	passphrase config.Secret
	recipients []string
}

type restoreFlags struct {
	sealingKey, passphrase, identities config.Secret
	promote                            bool
}

func read(s config.Secret) (string, error) {
	if !s.Given() {
		return "", nil
	}
	return s.Read(os.Stdin)
}
