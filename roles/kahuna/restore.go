package kahuna

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// restoreFlags say what to restore and where keys are; never the keys themselves.
type restoreFlags struct {
	readFlags
	passphrase config.Secret
	at         string
	dryRun     bool
	promote    bool
}

func restoreCommand() *cobra.Command {
	var c Config
	var o restoreFlags
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "restore FILE|TARGET", Short: "Make a Kahuna from a backup, in an empty directory", Args: cobra.ExactArgs(1),
		Long: `Verifies a backup and makes a Kahuna of it in an empty directory. It is a new node: it commands no agents
unless --promote states that the one the backup was made of is off for good. The master key is a new one.

TARGET is a directory or s3://BUCKET/PREFIX that kahuna backup --to writes to; the newest state in it is
restored. --at restores an earlier one: as after the record of an index, or after the last record that is
not later than a time; the index is shown. --dry-run does the same into a scratch file and keeps nothing.`,
		Example: "  kowabunga kahuna restore --identity-file ./backup.identity s3://backup/kahuna --backup-s3-endpoint https://s3.example.net --backup-s3-key-file ./s3.key\n  kowabunga kahuna restore --sealing-key-file ./sealing-key --at 2026-11-20T13:42:19Z --dry-run /backup",
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Dir = s.Early(cmd, "dir")
			if err := s.Load(cmd, "", false); err != nil {
				return err
			}
			return restore(cmd, &c, s, o, form, args[0])
		}}
	s.Bind(cmd)
	o.bind(cmd)
	cmd.Flags().StringVar(&o.passphrase.File, "passphrase-file", "", "file with the passphrase of the sealing key, - for standard input")
	cmd.Flags().StringVar(&o.at, "at", "", "state to restore: index of a record, or a time (RFC 3339)")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "restore into a scratch file, show what that gives, and keep nothing")
	cmd.Flags().BoolVar(&o.promote, "promote", false, "the original is off for good: this one may command its agents")
	form = term.OutputFlag(cmd)
	return cmd
}

// restored says what a restore made, or would make.
type restored struct {
	Dir       string      `json:"dir,omitempty"` // none in a dry run
	From      string      `json:"from"`
	Chain     string      `json:"chain,omitempty"`
	Epoch     store.Epoch `json:"epoch"`  // that the backup was made in
	Index     uint64      `json:"index"`  // of the last record
	Hash      store.Hash  `json:"hash"`   // of that record
	Time      time.Time   `json:"time"`   // of that record
	Oldest    uint64      `json:"oldest"` // the first record that the journal keeps
	Pieces    int         `json:"pieces"` // that were used
	Bytes     int64       `json:"bytes"`  // that were read
	MasterKey string      `json:"masterKey,omitempty"`
	Promoted  bool        `json:"promoted"`
	DryRun    bool        `json:"dryRun"`
}

// source is where a restore reads from.
type source struct {
	chain  string
	pieces int
	// restore makes a store and tells how many bytes it read; scratch is an empty folder that is removed later.
	restore func(ctx context.Context, scratch string, o store.RestoreOptions, work *slow) (*store.Restored, store.Key, int64, error)
}

// restore makes a Kahuna of a backup.
func restore(cmd *cobra.Command, c *Config, s *config.Set, flags restoreFlags, form *term.Output, from string) error {
	if !flags.dryRun {
		if err := vacant(c); err != nil {
			return err
		}
	}
	moment, err := backups.ParseMoment(flags.at)
	if err != nil {
		return err
	}
	o := store.RestoreOptions{Tables: tables(), Promote: flags.promote, At: moment.Index, Until: moment.Time}
	if o.Passphrase, err = read(flags.passphrase); err != nil {
		return err
	}
	t := term.Of(cmd)
	src, err := flags.source(cmd, c, from, moment, &o)
	if err != nil {
		return err
	}
	work, out := slowly(t, "restore"), &restored{}
	if flags.dryRun {
		err = rehearsal(cmd.Context(), src, o, work, out)
	} else {
		err = into(cmd, c, s, src, o, work, out)
	}
	if err := work.end(err); err != nil {
		return err
	}
	out.From, out.Chain, out.Pieces, out.Promoted, out.DryRun = from, src.chain, src.pieces, flags.promote && !flags.dryRun, flags.dryRun
	return showRestored(t, form, out)
}

// vacant refuses a directory that holds anything.
func vacant(c *Config) error {
	if initialised(c) {
		return fault.New(fault.Conflict, "%s holds a Kahuna already; restore into an empty directory", c.Dir)
	}
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 {
		return fault.New(fault.Conflict, "%s is not empty; restore into an empty directory", c.Dir)
	}
	return nil
}

// source finds out what is to be read.
func (o *restoreFlags) source(cmd *cobra.Command, c *Config, from string, at backups.Moment, options *store.RestoreOptions) (*source, error) {
	place, err := c.Backup.at(from).Absolute()
	if err != nil {
		return nil, err
	}
	if from == "-" || !place.Exists() {
		return o.file(cmd, from, options)
	}
	r, err := o.open(cmd.Context(), place, "")
	if err != nil {
		return nil, err
	}
	plan, err := backups.Choose(r.chains, at)
	if err != nil {
		return nil, err
	}
	for _, skipped := range plan.Skipped {
		if skipped.Manifest != nil || skipped.Problem != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: chain %s is newer but not whole, and is left out; kahuna backup verify tells what is wrong.\n", skipped.Name)
		}
	}
	options.SealKey, options.Identities = r.key, r.texts
	return &source{chain: plan.Chain.Name, pieces: plan.Pieces, restore: func(ctx context.Context, scratch string, o store.RestoreOptions, work *slow) (*store.Restored, store.Key, int64, error) {
		from := backups.Restorer{Target: r.target, Identities: r.identities, Authentic: r.key != nil, Progress: work.Update}
		made, key, err := from.Restore(ctx, plan, scratch, o)
		return made, key, plan.Bytes(), err
	}}, nil
}

// file is a backup in a file, or on standard input.
func (o *restoreFlags) file(cmd *cobra.Command, path string, options *store.RestoreOptions) (*source, error) {
	var err error
	if options.SealKey, err = o.key(""); err != nil {
		return nil, err
	}
	identities, err := o.identity()
	if err != nil {
		return nil, err
	}
	options.Identities = identities
	return &source{pieces: 1, restore: func(ctx context.Context, _ string, o store.RestoreOptions, work *slow) (*store.Restored, store.Key, int64, error) {
		in, total := io.Reader(cmd.InOrStdin()), int64(0)
		if path != "-" {
			f, err := os.Open(path)
			if err != nil {
				return nil, store.Key{}, 0, fault.Wrap(err, fault.NotFound, "open the backup")
			}
			defer f.Close()
			if info, err := f.Stat(); err == nil {
				total = info.Size()
			}
			in = f
		}
		var done int64
		in = io.TeeReader(in, told(func(n int) {
			done += int64(n)
			work.Update(done, total)
		}))
		with, err := backups.Identities(o.Identities)
		if err != nil {
			return nil, store.Key{}, 0, err
		}
		if in, err = backups.Opened(in, with); err != nil {
			return nil, store.Key{}, 0, err
		}
		made, key, err := store.RestoreChain(ctx, in, o)
		return made, key, done, err
	}}, nil
}

// told is told how many bytes were written.
type told func(n int)

func (t told) Write(b []byte) (int, error) {
	t(len(b))
	return len(b), nil
}

// rehearsal restores into a scratch folder and removes it.
func rehearsal(ctx context.Context, src *source, o store.RestoreOptions, work *slow, out *restored) error {
	dir, err := os.MkdirTemp("", "kowabunga-restore-")
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "make a scratch folder")
	}
	defer os.RemoveAll(dir)
	o.Dir, o.Promote = filepath.Join(dir, "data"), false
	made, _, n, err := src.restore(ctx, dir, o, work)
	if err == nil {
		out.fill(made, n)
	}
	return err
}

// into restores into the directory. Partial work is removed; what was there before stays.
func into(cmd *cobra.Command, c *Config, s *config.Set, src *source, o store.RestoreOptions, work *slow, out *restored) (err error) {
	_, before := os.Stat(c.Dir)
	defer func() {
		_ = os.RemoveAll(c.scratch())
		if err == nil {
			return
		}
		_ = os.RemoveAll(c.data())
		_ = os.RemoveAll(c.secrets())
		if errors.Is(before, fs.ErrNotExist) {
			_ = os.Remove(c.Dir)
		}
	}()
	for _, dir := range []string{c.secrets(), c.scratch()} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return fault.Wrap(err, fault.Unavailable, "restore")
		}
	}
	o.Dir = c.data()
	made, key, n, err := src.restore(cmd.Context(), c.scratch(), o, work)
	if err != nil {
		return err
	}
	if err := keep(c.sealingKey(), func() string { return fmt.Sprintf("%x", key[:]) }); err != nil {
		return fault.Wrap(err, fault.Unavailable, "keep the sealing key")
	}
	if err := initialise(cmd.Context(), c, s, given(cmd, s)); err != nil {
		return err
	}
	if o.Promote {
		if err := c.markLoss(fmt.Sprintf("restored from a backup that ends at record %d", made.Reached.Index)); err != nil {
			return err
		}
	}
	out.Dir, out.MasterKey = c.Dir, filepath.Join(c.secrets(), "master-key")
	out.fill(made, n)
	return nil
}

func (out *restored) fill(made *store.Restored, read int64) {
	out.Epoch, out.Index, out.Hash, out.Time, out.Oldest, out.Bytes = made.Epoch, made.Reached.Index, made.Reached.Hash, made.Moment, made.Cut.Index+1, read
}

func showRestored(t *term.Terminal, form *term.Output, out *restored) error {
	if form.JSON() {
		return t.JSON(out)
	}
	state := fmt.Sprintf("journal index %d of %s", out.Index, out.Time.Format(time.RFC3339))
	if out.Chain != "" {
		state += fmt.Sprintf(", from %s (%s) of chain %s", count.Of(out.Pieces, "piece"), term.Bytes(out.Bytes), out.Chain)
	}
	if out.DryRun {
		_, err := fmt.Fprintf(t.Out, "It restores: %s, the journal from index %d on. Nothing was kept.\n", state, out.Oldest)
		return err
	}
	fmt.Fprintf(t.Out, "Restored %s: %s. Master API key: %s\n", out.Dir, state, out.MasterKey)
	_, err := fmt.Fprintln(t.Out, "A backup holds neither kahuna.yaml nor tls/: copy them from the original where agents and clients trust its certificate authority.")
	if err == nil && !out.Promoted {
		_, err = fmt.Fprintln(t.Out, "It commands no agents; restore with --promote once the original is off for good.")
	}
	return err
}
