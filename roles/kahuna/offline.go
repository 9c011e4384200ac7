package kahuna

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
	"kowabunga/store"
)

// check verifies the store of the running server, or the file when none runs.
func check(cmd *cobra.Command, c *Config, form *term.Output) error {
	report := new(store.Report)
	err := get(cmd.Context(), c, "/admin/check", report)
	if err == errNotRunning {
		key, e := readKey(c.sealingKey())
		if e != nil {
			return e
		}
		report, err = store.Check(cmd.Context(), store.Options{Dir: c.data(), Tables: tables(), SealKey: key})
	}
	if err != nil {
		return err
	}
	t := term.Of(cmd)
	if form.JSON() {
		if err := t.JSON(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "journal: records %d to %d, %d read\nobjects: %d\n", report.Cut.Index+1, report.Index, report.Records, report.Objects)
		for _, f := range report.Findings {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", f.Where, f.What)
		}
	}
	if !report.OK() {
		return fault.New(fault.Conflict, "%d things are wrong; nothing was changed, restore a backup or ask for help with a support bundle", len(report.Findings))
	}
	return nil
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
	if _, err := os.Stat(path); err == nil {
		return fault.New(fault.Conflict, "%s exists already and is left as it is", path)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "write the backup")
	}
	err = writeBackup(cmd, c, o, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
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
	key, err := readKey(c.sealingKey())
	if err != nil {
		return err
	}
	s, err := store.Open(store.Options{Dir: c.data(), Tables: tables(), SealKey: key})
	if err != nil {
		return err
	}
	_, err = s.Backup(cmd.Context(), w, o)
	return errors.Join(err, s.Close())
}

// restore makes a Kahuna of a backup.
func restore(cmd *cobra.Command, c *Config, s *config.Set, flags restoreFlags, path string) error {
	if initialised(c) {
		return fault.New(fault.Conflict, "%s holds a Kahuna already; restore into an empty directory", c.Dir)
	}
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 {
		return fault.New(fault.Conflict, "%s is not empty; restore into an empty directory", c.Dir)
	}
	o := store.RestoreOptions{Dir: c.data(), Tables: tables(), Promote: flags.promote}
	var err error
	if o.Passphrase, err = read(flags.passphrase); err != nil {
		return err
	}
	if flags.identities.Given() {
		raw, err := os.ReadFile(flags.identities.File)
		if err != nil {
			return fault.Wrap(err, fault.NotFound, "read the age identity")
		}
		o.Identities = string(raw)
	}
	if flags.sealingKey.Given() {
		key, err := readKey(flags.sealingKey.File)
		if err != nil {
			return err
		}
		o.SealKey = &key
	}
	in := io.Reader(cmd.InOrStdin())
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fault.Wrap(err, fault.NotFound, "open the backup")
		}
		defer f.Close()
		in = f
	}
	_, statErr := os.Stat(c.Dir)
	if err := os.MkdirAll(c.secrets(), 0o700); err != nil {
		return fault.Wrap(err, fault.Unavailable, "restore")
	}
	header, key, err := store.Restore(cmd.Context(), in, o)
	if err != nil {
		// Partial work is removed; what was there before stays.
		_ = os.RemoveAll(c.data())
		_ = os.RemoveAll(c.secrets())
		if errors.Is(statErr, os.ErrNotExist) {
			_ = os.Remove(c.Dir)
		}
		return err
	}
	if err := keep(c.sealingKey(), func() string { return fmt.Sprintf("%x", key[:]) }); err != nil {
		return fault.Wrap(err, fault.Unavailable, "keep the sealing key")
	}
	if err := initialise(cmd.Context(), c, s, given(cmd, s)); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Restored %s: journal index %d of %s. Master API key: %s\n", c.Dir, header.Index, header.Time.Format(time.RFC3339), filepath.Join(c.secrets(), "master-key"))
	fmt.Fprintln(cmd.OutOrStdout(), "A backup holds neither kahuna.yaml nor tls/: copy them from the original where agents and clients trust its certificate authority.")
	if !flags.promote {
		fmt.Fprintln(cmd.OutOrStdout(), "It commands no agents; restore with --promote once the original is off for good.")
	}
	return nil
}

func showStatus(t *term.Terminal, form *term.Output, st Status) error {
	if form.JSON() {
		return t.JSON(st)
	}
	rows := [][]string{
		{"version", st.Version}, {"url", st.URL}, {"ready", fmt.Sprint(st.Ready)}, {"since", st.Since.Format(time.RFC3339)},
		{"journal", fmt.Sprintf("index %d, epoch %s", st.Store.Index, st.Store.Epoch)},
	}
	online := 0
	for _, a := range st.Agents {
		if a.Online {
			online++
		}
	}
	rows = append(rows, []string{"agents", fmt.Sprintf("%d of %d connected", online, len(st.Agents))})
	var states []string
	for state, n := range st.Operations {
		states = append(states, fmt.Sprintf("%d %s", n, state))
	}
	slices.Sort(states)
	rows = append(rows, []string{"operations", strings.Join(states, ", ")})
	for _, d := range st.Drift {
		if len(d.Missing)+len(d.Orphans) > 0 {
			rows = append(rows, []string{"drift", fmt.Sprintf("agent %s: missing %v, orphans %v", d.Agent, d.Missing, d.Orphans)})
		}
	}
	table := &term.Table{}
	for _, row := range rows {
		table.Add(row...)
	}
	return t.Table(table)
}
