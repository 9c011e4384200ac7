package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/cli/client"
)

func eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened, or follow what happens",
		Long: "Show the changes you may know of, each commit with its time, who asked, and what it changed. With -f go on with what comes, until you interrupt it; " +
			"a connection that breaks is taken up where it stopped. As JSON each event is one line.",
		Example: "  kowabunga events\n  kowabunga events -f --kind kompute --kind operation\n  kowabunga events --from 4711 -o json",
		Args:    cobra.NoArgs,
	}
	follow := cmd.Flags().BoolP("follow", "f", false, "go on with what comes")
	from := cmd.Flags().Uint64("from", 0, "`INDEX`: begin after this event")
	last := cmd.Flags().Uint64P("lines", "n", 20, "`N`: begin with the last N events; 0 for none")
	kinds := cmd.Flags().StringSlice("kind", nil, "`KIND`: show only changes of this kind; may be repeated")
	cmd.MarkFlagsMutuallyExclusive("from", "lines")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(append(kindNames(), string(operation.Kind), string(model.KindPair)), cobra.ShellCompDirectiveNoFileComp))
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		wanted, err := kindSet(*kinds)
		if err != nil {
			return err
		}
		w := client.Watching{Follow: *follow, Last: *last}
		if c.cmd.Flags().Changed("from") {
			w.From = fmt.Sprint(*from)
		}
		w.Broken = func(err error) {
			fmt.Fprintf(c.t.Err, "kowabunga: %v; connecting again\n", err)
		}
		return c.api.Watch(c.ctx, w, func(change *client.Change) error { return c.event(change, wanted) })
	})
}

func kindNames() []string {
	var out []string
	for _, k := range catalogue.Kinds {
		out = append(out, string(k.Name))
	}
	return out
}

// kindSet checks the kinds that were named; nil stands for all.
func kindSet(kinds []string) (map[string]bool, error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	out := map[string]bool{}
	for _, name := range kinds {
		k, ok := catalogue.Named(name)
		switch {
		case ok:
			out[string(k.Name)] = true
		case strings.TrimSuffix(name, "s") == string(operation.Kind):
			out[string(operation.Kind)] = true
		case name == string(model.KindPair):
			out[name] = true
		default:
			return nil, unknownKind(name)
		}
	}
	return out, nil
}

// event prints one commit: a line for each change of a wanted kind, or the event as it came.
func (c *call) event(e *client.Change, wanted map[string]bool) error {
	var lines []string
	for _, change := range e.Changes {
		if wanted != nil && !wanted[change.Kind] {
			continue
		}
		var o object
		var work client.Operation
		if err := json.Unmarshal(change.Object, &o); err != nil {
			return fault.Wrap(err, fault.Internal, "read event "+fmt.Sprint(e.Index))
		}
		name := o.Name
		if name == "" {
			name = change.ID
		}
		if change.Kind == string(operation.Kind) && json.Unmarshal(change.Object, &work) == nil {
			if len(work.Steps) == 0 && wanted == nil {
				continue // the receipt of a request that stands here itself
			}
			o.Phase = string(work.State) + " " + done(&work)
		}
		var pair struct {
			Primary, Mode    string
			Nodes, Witnesses []string
			InSync           []string `json:"in_sync"`
		}
		if change.Kind == string(model.KindPair) && json.Unmarshal(change.Object, &pair) == nil {
			name = fmt.Sprintf("%s acts, %d of %d in the sync set, mode %s, witnesses: %d", pair.Primary, len(pair.InSync), len(pair.Nodes), pair.Mode, len(pair.Witnesses))
		}
		if o.Phase != "" && o.Phase != "ready" {
			name += " (" + o.Phase + ")"
		}
		lines = append(lines, fmt.Sprintf("%s  %6d  %-6s  %-9s  %s  by %s", local(e.Time), e.Index, change.Verb, change.Kind, name, e.Actor))
	}
	if len(lines) == 0 {
		return nil
	}
	switch {
	case c.is("json"):
		_, err := fmt.Fprintf(c.t.Out, "%s\n", e.Raw)
		return err
	case c.is("yaml"):
		if _, err := fmt.Fprintln(c.t.Out, "---"); err != nil {
			return err
		}
		return c.t.YAML(e.Raw)
	}
	for _, line := range lines {
		if err := c.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}
