package kahuna

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/count"
	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/backups"
	"kowabunga/roles/term"
	"kowabunga/store"
	"kowabunga/store/durable"
)

// backupFlags say where a backup goes and where keys are; never the keys themselves.
type backupFlags struct {
	passphrase config.Secret
	recipients []string
	to         string
	full       bool
}

func backupCommand() *cobra.Command {
	var c Config
	var o backupFlags
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "backup [FILE]", Short: "Back up the store while the server runs", Args: cobra.MaximumNArgs(1),
		Long: `With FILE, writes a consistent copy of the store, journal included, to a file; - is standard output. The
sealing key, without which the secrets in it are lost, goes into it only encrypted: with a passphrase
(--passphrase-file) or for age recipients (--recipient). Otherwise keep DIR/secrets/sealing-key elsewhere.

Without FILE, makes a backup in a target: a directory, or S3-compatible storage (s3://BUCKET/PREFIX, reached
as the keys backup.s3.* say); the one of the configuration when --to names none. The first one is a full
backup, those that follow while the server runs hold what was recorded since. Each is restored into a
scratch file before it counts. With recipients it is encrypted as a whole, the sealing key inside. Targets
are what kahuna backup list, kahuna backup verify and kahuna restore read.`,
		Example: "  kowabunga kahuna backup --recipient age1... /backup/kahuna-$(date +%F)\n  kowabunga kahuna backup --passphrase-file ./pass - | ssh elsewhere 'cat > kahuna.backup'\n  kowabunga kahuna backup --to /backup\n  kowabunga kahuna backup --to s3://backup/kahuna --backup-s3-endpoint https://s3.example.net --backup-s3-key-file ./s3.key --full",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			if len(args) == 1 && (o.to != "" || o.full) {
				return term.Usage(errors.New("FILE is one full backup; --to and --full are for targets"))
			}
			if len(args) == 1 {
				return backup(cmd, &c, o, args[0])
			}
			return take(cmd, &c, o, form)
		}}
	s.Bind(cmd)
	cmd.Flags().StringVar(&o.passphrase.File, "passphrase-file", "", "file with the passphrase for the sealing key, - for standard input")
	cmd.Flags().StringArrayVar(&o.recipients, "recipient", nil, "age recipient to encrypt for; repeat for several")
	cmd.Flags().StringVar(&o.to, "to", "", "target: a directory, or s3://BUCKET/PREFIX; backup.target when empty")
	cmd.Flags().BoolVar(&o.full, "full", false, "begin a new chain with a full backup")
	form = term.OutputFlag(cmd)
	cmd.AddCommand(backupListCommand(), backupVerifyCommand())
	return cmd
}

// backup writes a backup of the running server, or of the file when none runs, and names the file only
// when it is complete.
func backup(cmd *cobra.Command, c *Config, flags backupFlags, path string) error {
	pass, err := read(flags.passphrase)
	if err != nil {
		return err
	}
	o := store.BackupOptions{Passphrase: pass, Recipients: flags.recipients}
	if path == "-" {
		return writeBackup(cmd, c, o, cmd.OutOrStdout())
	}
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return term.Hint(fault.New(fault.Conflict, "%s is a directory", path), "kowabunga kahuna backup --to "+path)
		}
		return fault.New(fault.Conflict, "%s exists already and is left as it is", path)
	}
	if err := durable.Fill(path, 0o600, func(w io.Writer) error { return writeBackup(cmd, c, o, w) }); err != nil {
		return fault.Wrap(err, fault.Unavailable, "write the backup")
	}
	inside := "is NOT inside: without " + c.sealingKey() + " the secrets in it are lost, keep that file elsewhere"
	if pass != "" || len(flags.recipients) > 0 {
		inside = "is inside, encrypted"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Backup written to %s. The sealing key %s.\n", path, inside)
	return nil
}

func writeBackup(cmd *cobra.Command, c *Config, o store.BackupOptions, w io.Writer) error {
	body, err := ask(cmd.Context(), c, http.MethodPost, "/admin/backup", o)
	if err == nil {
		defer body.Close()
		_, err = io.Copy(w, body)
		return err
	}
	if err != errNotRunning {
		return err
	}
	s, _, err := openOffline(c)
	if err != nil {
		return err
	}
	_, err = s.Backup(cmd.Context(), w, o)
	return errors.Join(err, s.Close())
}

// openOffline opens the store of a Kahuna that does not run.
func openOffline(c *Config) (*store.Store, store.Key, error) {
	key, err := readKey(c.sealingKey())
	if err != nil {
		return nil, key, err
	}
	s, err := store.Open(store.Options{Dir: c.data(), Tables: tables(), SealKey: key, Held: true})
	return s, key, err
}

// take makes a backup in a target, through the running server, or by itself when none runs.
func take(cmd *cobra.Command, c *Config, flags backupFlags, form *term.Output) error {
	if flags.passphrase.Given() {
		return term.Usage(errors.New("--passphrase-file is for a backup in a FILE; use --recipient for a target"))
	}
	place, err := c.placeOr(flags.to)
	if err != nil {
		return err
	}
	recipients := flags.recipients
	if len(recipients) == 0 {
		recipients = c.Backup.Recipients
	}
	t := term.Of(cmd)
	work := slowly(t, "backup")
	result, err := takeFrom(cmd, c, takeRequest{Place: place, Recipients: recipients, Full: flags.full})
	if err := work.end(err); err != nil {
		return err
	}
	if form.JSON() {
		return t.JSON(result)
	}
	what := "Nothing was recorded since the last backup"
	switch {
	case result.Full:
		what = "Full backup " + term.Bytes(result.Bytes)
	case result.Object != "":
		what = fmt.Sprintf("Segment %s with %s", term.Bytes(result.Bytes), count.Of(result.Records, "record"))
	}
	_, err = fmt.Fprintf(t.Out, "%s in %s: chain %s, %s, %s, leads to record %d of %s.\n", what, result.Target, result.Chain, count.Of(result.Pieces, "piece"), term.Bytes(result.Total), result.Index, result.Time.Format(time.RFC3339))
	if err == nil && len(recipients) == 0 {
		_, err = fmt.Fprintf(t.Err, "The sealing key is NOT inside: without %s the secrets in it are lost, keep that file elsewhere.\n", c.sealingKey())
	}
	return err
}

func takeFrom(cmd *cobra.Command, c *Config, request takeRequest) (*backups.Result, error) {
	result := &backups.Result{}
	body, err := ask(cmd.Context(), c, http.MethodPost, "/admin/backup/take", request)
	if err == nil {
		defer body.Close()
		return result, fault.Wrap(json.NewDecoder(body).Decode(result), fault.Internal, "read the server's answer")
	}
	if err != errNotRunning {
		return nil, err
	}
	s, key, err := openOffline(c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	if s.Status().Drill {
		return nil, fault.New(fault.Conflict, "%s is a restored copy that was not promoted; it makes no backups of its own", c.Dir)
	}
	how, err := c.backups(request.Place, request.Recipients)
	if err != nil {
		return nil, err
	}
	how.Store, how.Key = s, key
	b, err := backups.New(how)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(c.scratch()); err != nil { // what a crash left; nobody else has the store
		return nil, fault.Wrap(err, fault.Unavailable, "clear the scratch folder")
	}
	defer os.Remove(c.scratch())
	return b.Take(cmd.Context(), true)
}

// placeOr is a target that a command names, or else the configured one.
func (c *Config) placeOr(named string) (backups.Place, error) {
	if named == "" {
		named = c.Backup.Target
	}
	if named == "" {
		return backups.Place{}, term.Usage(errors.New("name a FILE or a target (--to, --from), or configure backup.target"))
	}
	p, err := c.Backup.at(named).Absolute()
	if err != nil {
		return p, err
	}
	return p, p.Check()
}

// backupState is how backups stand, in a line.
func backupState(s *backups.Status) string {
	text := "none yet in " + s.Target
	if !s.Last.IsZero() {
		text = fmt.Sprintf("%s in %s, up to record %d, %s, %s", s.Last.Format(time.RFC3339), s.Target, s.Index, count.Of(s.Pieces, "piece"), term.Bytes(s.Bytes))
	}
	if s.Failed != "" {
		text += fmt.Sprintf("; FAILED %s since %s: %s", count.Of(s.Retries, "time"), s.Since.Format(time.RFC3339), s.Failed)
	}
	if !s.Next.IsZero() {
		text += "; next " + s.Next.Format(time.RFC3339)
	}
	return text
}

func read(s config.Secret) (string, error) {
	if !s.Given() {
		return "", nil
	}
	return s.Read(os.Stdin)
}
