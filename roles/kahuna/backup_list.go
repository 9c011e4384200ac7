package kahuna

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"kowabunga/core/count"
	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/backups"
	"kowabunga/roles/term"
	"kowabunga/store"
)

// readFlags say how to read a target.
type readFlags struct {
	from, family           string
	sealingKey, identities config.Secret
}

func (o *readFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.family, "family", "", "whose chains, when the target holds those of several Kahunas and there is no sealing key")
	cmd.Flags().StringVar(&o.sealingKey.File, "sealing-key-file", "", "file with the sealing key")
	cmd.Flags().StringVar(&o.identities.File, "identity-file", "", "file with an age identity that opens encrypted backups")
}

// bindTarget adds the flag that names the target.
func (o *readFlags) bindTarget(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.from, "from", "", "target: a directory, or s3://BUCKET/PREFIX; backup.target when empty")
	o.bind(cmd)
}

// look opens the target that the flags name, or else the configuration.
func (o *readFlags) look(cmd *cobra.Command, c *Config, s *config.Set) (*reading, error) {
	if err := load(cmd, c, s, false); err != nil {
		return nil, err
	}
	place, err := c.placeOr(o.from)
	if err != nil {
		return nil, err
	}
	return o.open(cmd.Context(), place, c.sealingKey())
}

// reading is a target with what is known to read it.
type reading struct {
	target     backups.Target
	key        *store.Key
	identities []age.Identity
	texts      string // the identities
	family     string
	chains     []*backups.Chain
}

// open reads the keys and looks at the target. The key is the one given, else the one of the directory.
func (o *readFlags) open(ctx context.Context, place backups.Place, dirKey string) (*reading, error) {
	r := &reading{}
	var err error
	if r.key, err = o.key(dirKey); err != nil {
		return nil, err
	}
	if r.texts, err = o.identity(); err != nil {
		return nil, err
	}
	if r.identities, err = backups.Identities(r.texts); err != nil {
		return nil, err
	}
	if r.target, err = place.Open(); err != nil {
		return nil, err
	}
	if r.family, err = o.whose(ctx, r); err != nil {
		return nil, err
	}
	r.chains, err = backups.Survey(ctx, r.target, r.family, r.key)
	return r, err
}

// identity is the text of the file with age identities, empty for none.
func (o *readFlags) identity() (string, error) {
	if !o.identities.Given() {
		return "", nil
	}
	raw, err := os.ReadFile(o.identities.File)
	return string(raw), fault.Wrap(err, fault.NotFound, "read the age identity")
}

func (o *readFlags) key(dirKey string) (*store.Key, error) {
	path := o.sealingKey.File
	if path == "" {
		if _, err := os.Stat(dirKey); dirKey == "" || errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		path = dirKey
	}
	key, err := readKey(path)
	return &key, err
}

// whose finds the family to read.
func (o *readFlags) whose(ctx context.Context, r *reading) (string, error) {
	if r.key != nil && o.family == "" {
		return backups.Family(*r.key), nil
	}
	all, err := backups.Families(ctx, r.target)
	switch {
	case err != nil:
		return "", err
	case o.family != "" && !strings.Contains(o.family, "/"):
		return o.family, nil
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", fault.New(fault.NotFound, "there are no backups in %s", r.target)
	}
	return "", fault.New(fault.Invalid, "%s holds the backups of several Kahunas; give the sealing key of one, or --family: %s", r.target, strings.Join(all, ", "))
}

// listed is a chain in a list.
type listed struct {
	Chain     string      `json:"chain"`
	Epoch     store.Epoch `json:"epoch"`
	From      uint64      `json:"from,omitempty"`  // the oldest state that can be restored
	Index     uint64      `json:"index,omitempty"` // the newest one
	Time      time.Time   `json:"time,omitzero"`   // of the newest one
	Pieces    int         `json:"pieces"`
	Bytes     int64       `json:"bytes"`
	Verified  time.Time   `json:"verified,omitzero"`
	Encrypted bool        `json:"encrypted"`
	State     string      `json:"state"` // ok, unfinished, or what is wrong
}

func list(r *reading) []listed {
	out := []listed{}
	for _, c := range r.chains {
		l := listed{Chain: c.Name, Epoch: c.Epoch, State: "unfinished"}
		if m := c.Manifest; m != nil {
			end := m.End()
			l.From, l.Index, l.Time, l.Pieces, l.Bytes, l.Verified, l.Encrypted, l.State = min(m.Pieces[0].From, m.Pieces[0].To.Index), end.To.Index, end.Time, len(m.Pieces), m.Bytes(), end.Verified, m.Sealed, "ok"
			if r.key == nil {
				l.State = "not authenticated"
			}
			if missing := c.Missing(); len(missing) > 0 {
				l.State = fmt.Sprintf("%s is missing or cut off", missing[0].Object)
			}
		}
		if c.Problem != nil {
			l.State = fault.From(c.Problem).Public()
		}
		out = append(out, l)
	}
	return out
}

func backupListCommand() *cobra.Command {
	var c Config
	var o readFlags
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "list", Short: "List the backups in a target", Args: cobra.NoArgs,
		Long: `Lists the chains of backups in a target, the oldest first: which states can be restored, how large they
are, when they were verified last. Nothing but their manifests is read.`,
		Example: "  kowabunga kahuna backup list\n  kowabunga kahuna backup list --from /backup -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := o.look(cmd, &c, s)
			if err != nil {
				return err
			}
			t := term.Of(cmd)
			if form.JSON() {
				return t.JSON(list(r))
			}
			table := &term.Table{Head: []string{"records", "of", "pieces", "size", "verified", "state", "chain"}}
			for _, l := range list(r) {
				if l.Pieces == 0 {
					table.Add("", "", "", "", "", l.State, l.Chain)
					continue
				}
				table.Add(fmt.Sprintf("%d to %d", l.From, l.Index), l.Time.Format(time.RFC3339), fmt.Sprint(l.Pieces), term.Bytes(l.Bytes), l.Verified.Format(time.RFC3339), l.State, l.Chain)
			}
			return t.Table(table)
		}}
	s.Bind(cmd)
	o.bindTarget(cmd)
	form = term.OutputFlag(cmd)
	return cmd
}

func backupVerifyCommand() *cobra.Command {
	var c Config
	var o readFlags
	s := c.set()
	var form *term.Output
	cmd := &cobra.Command{Use: "verify", Short: "Read the backups in a target and restore each into a scratch file", Args: cobra.NoArgs,
		Long: `Reads every object of every chain, compares it with what was verified when it was written, and restores
each chain into a scratch file below TMPDIR. Encrypted chains are restored with an identity only; without
one their checksums are verified. What is wrong is named with its object; nothing is repaired.`,
		Example: "  kowabunga kahuna backup verify --identity-file ./backup.identity",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := o.look(cmd, &c, s)
			if err != nil {
				return err
			}
			return verifyBackups(cmd, r, form)
		}}
	s.Bind(cmd)
	o.bindTarget(cmd)
	form = term.OutputFlag(cmd)
	return cmd
}

func verifyBackups(cmd *cobra.Command, r *reading, form *term.Output) error {
	t := term.Of(cmd)
	progress := t.Progress()
	defer progress.Close()
	v := &backups.Verifier{Target: r.target, Key: r.key, Identities: r.identities, Tables: tables()}
	verdicts, wrong, whole := []*backups.Verdict{}, 0, 0
	for _, c := range r.chains {
		step := progress.Step("verify")
		v.Progress = step.Update
		found, err := v.Verify(cmd.Context(), c)
		if err != nil {
			return step.Fail(err)
		}
		verdicts = append(verdicts, found)
		wrong += len(found.Findings)
		switch {
		case len(found.Findings) > 0:
			_ = step.Fail(fault.New(fault.Malformed, "%s: %s", c.Name, strings.Join(found.Findings, "; ")))
		case found.Remark != "":
			step.Skip("%s: %s", c.Name, found.Remark)
		default:
			whole++
			step.Done("%s: restored to record %d of %s", c.Name, found.Index, found.Time.Format(time.RFC3339))
		}
	}
	progress.Close()
	if form.JSON() {
		if err := t.JSON(verdicts); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(t.Out, "%s: %d restored, %d things wrong.\n", count.Of(len(verdicts), "chain"), whole, wrong); err != nil {
		return err
	}
	if wrong > 0 {
		return term.Hint(fault.New(fault.Conflict, "%s wrong in %s; nothing was changed", count.Of(wrong, "thing"), r.target), "kowabunga kahuna backup --full")
	}
	return nil
}
