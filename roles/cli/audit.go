package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// record is one commit of the audit.
type record struct {
	Index   uint64    `json:"index"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`
	Request string    `json:"request"`
	From    string    `json:"from"`
	What    string    `json:"what"`
	Changes []struct {
		Action string      `json:"action"`
		Kind   model.Kind  `json:"kind"`
		ID     string      `json:"id"`
		Name   string      `json:"name"`
		Fields []planField `json:"fields"`
	} `json:"changes"`
}

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed what, when and from where",
		Long: "Show who changed what, when and from where, the newest last: each commit with its changes, field by field. Secrets are never among them. " +
			"You see the changes of what you may know of, also of what is gone since, as far back as the journal reaches.",
		Example: "  kowabunga audit\n  kowabunga audit --kind project --object web --since 24h\n  kowabunga audit --actor ann --since 2030-01-31T00:00:00Z -o json",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	words := map[string]*string{
		"kind":    f.String("kind", "", "`KIND`: only changes of this kind"),
		"object":  f.String("object", "", "`NAME`: only changes of objects with this name or id"),
		"actor":   f.String("actor", "", "`NAME`: only what this user, by name or id, has done"),
		"project": f.String("project", "", "`PROJECT`: only changes of this project and what lies in it"),
		"since":   f.String("since", "", "`WHEN`: not before then: a time (RFC 3339) or how long ago (24h)"),
		"until":   f.String("until", "", "`WHEN`: not after then"),
	}
	lines := f.UintP("lines", "n", 20, "`N`: at most the last N commits")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("project", completeFlag(catalogue.Of(model.KindProject), false))
	_ = cmd.RegisterFlagCompletionFunc("actor", completeFlag(catalogue.Of(model.KindUser), false))
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		q := url.Values{}
		for name, word := range words {
			switch {
			case *word == "":
			case name == "object" && model.ID(*word).Valid():
				q.Set("id", *word)
			default:
				q.Set(name, *word)
			}
		}
		if kind := q.Get("kind"); kind != "" {
			if _, err := kindSet([]string{kind}); err != nil {
				return err
			}
		}
		if *lines > 0 {
			q.Set("limit", strconv.FormatUint(uint64(*lines), 10))
		}
		items, err := c.api.Items(c.ctx, "read the audit", "/audit", q)
		if err != nil {
			return err
		}
		slices.Reverse(items) // the newest stands where one looks first on a terminal
		if c.data() {
			return c.print(items)
		}
		if len(items) == 0 {
			_, err := fmt.Fprintln(c.t.Err, "no changes")
			return err
		}
		for _, item := range items {
			if err := c.audited(item); err != nil {
				return err
			}
		}
		return nil
	})
}

// audited prints one commit: who, then what.
func (c *call) audited(item json.RawMessage) error {
	var r record
	if err := json.Unmarshal(item, &r); err != nil {
		return fault.Wrap(err, fault.Internal, "read the audit")
	}
	head := fmt.Sprintf("%s  %d  %s", local(r.Time), r.Index, r.Actor)
	for _, more := range []struct{ before, text string }{{" from ", r.From}, {"  ", r.What}, {"  request ", r.Request}} {
		if more.text != "" {
			head += more.before + more.text
		}
	}
	if err := c.say("%s", head); err != nil {
		return err
	}
	for _, change := range r.Changes {
		name := change.Name
		if name == "" {
			name = change.ID
		}
		if _, err := fmt.Fprintln(c.t.Out, "  "+c.t.Signed(signs[change.Action], clean(fmt.Sprintf("%s %s", change.Kind, name)))); err != nil {
			return err
		}
		if change.Action == "delete" {
			continue
		}
		for _, f := range change.Fields {
			if lines := c.planned(change.Kind, change.Action, f); len(lines) > 0 {
				if err := c.say("      %s", strings.Join(lines, "; ")); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
