package kahuna

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
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

func showStatus(t *term.Terminal, form *term.Output, st Status) error {
	if form.JSON() {
		return t.JSON(st)
	}
	rows := [][]string{
		{"version", st.Version}, {"url", st.URL}, {"ready", fmt.Sprint(st.Ready)}, {"since", st.Since.Format(time.RFC3339)},
		{"journal", fmt.Sprintf("index %d, epoch %s", st.Store.Index, st.Store.Epoch)},
	}
	if st.Backup != nil {
		rows = append(rows, []string{"backup", backupState(st.Backup)})
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
	if st.Pair != nil {
		rows = append(rows, st.Pair.Rows()...)
	}
	table := &term.Table{}
	for _, row := range rows {
		table.Add(row...)
	}
	return t.Table(table)
}
