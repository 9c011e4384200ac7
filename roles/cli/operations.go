package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/term"
)

var states = []string{string(operation.Running), string(operation.Unwinding), string(operation.Succeeded), string(operation.Failed), string(operation.Cancelled)}

func operationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "operations",
		Aliases: []string{"operation", "ops"},
		Short:   "See and call off work that goes on after an answer",
		Long: wrap("See and call off work that goes on after an answer. What touches the world is an operation: its steps are written down before they run, so that " +
			"after a crash it goes on, or is taken back."),
	}
	cmd.AddCommand(listOperations(), getOperation(), cancelOperation())
	return cmd
}

func listOperations() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List operations, oldest first",
		Long:    "List the operations you may see, oldest first. Requests that needed no work on any host are left out, unless --all is given.",
		Example: "  kowabunga operations list --state running\n  kowabunga operations list --project web",
		Args:    cobra.NoArgs,
	}
	state := cmd.Flags().String("state", "", "`STATE`: list only those in it: "+strings.Join(states, ", "))
	project := cmd.Flags().String("project", "", "`PROJECT`: list only those of it, by name or id")
	target := cmd.Flags().String("target", "", "`ID`: list only those about the object with this id")
	all := cmd.Flags().BoolP("all", "a", false, "list requests that needed no work as well")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("project", completeFlag(catalogue.Of(model.KindProject), false))
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		q := url.Values{}
		if *state != "" {
			q.Set("state", *state)
		}
		if *target != "" {
			q.Set("target", *target)
		}
		if *project != "" {
			id, err := c.names.id(model.KindProject, *project, "project")
			if err != nil {
				return err
			}
			q.Set("project", id)
		}
		items, err := c.api.Items(c.ctx, "list operations", "/operations", q)
		if err != nil {
			return err
		}
		list, err := inOrder(items, *all)
		if err != nil {
			return err
		}
		if c.data() {
			raw := make([]json.RawMessage, len(list))
			for i, o := range list {
				raw[i] = o.Raw
			}
			return c.print(raw)
		}
		table := &term.Table{Head: []string{"operation", "state", "steps", "asked by", "began", "id"}}
		for _, o := range list {
			table.Add(o.Name, string(o.State), done(o), o.Actor, local(o.Created), o.ID)
		}
		if table.Len() == 0 {
			_, err := fmt.Fprintln(c.t.Err, "no operations")
			return err
		}
		return c.t.Table(table)
	})
}

// inOrder reads a list of operations and orders it by time: ids are in order of time only from one second
// to the next.
func inOrder(items []json.RawMessage, all bool) ([]*client.Operation, error) {
	var out []*client.Operation
	for _, item := range items {
		o, err := decodeOperation(item)
		if err != nil {
			return nil, err
		}
		if all || len(o.Steps) > 0 {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b *client.Operation) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// done says how many steps are behind an operation.
func done(o *client.Operation) string {
	n := 0
	for _, s := range o.Steps {
		if s.State == string(operation.Did) || s.State == string(operation.Undid) {
			n++
		}
	}
	return fmt.Sprintf("%d/%d", n, len(o.Steps))
}

// local writes a time for people, in their time zone.
func local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func getOperation() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get ID",
		Aliases:           []string{"show"},
		Short:             "Show an operation with its steps",
		Long:              "Show an operation with its steps. With --wait its steps are followed until it is finished; if it fails, so does this command.",
		Example:           "  kowabunga operations get 68fb1c2e9a0d4b7c35e6f812 --wait",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeOperations(states...),
	}
	wait := cmd.Flags().Bool("wait", false, "follow it until it is finished")
	return leaf(cmd, nil, asData, func(c *call, args []string) error {
		op := "get operation " + args[0]
		read := func() (*client.Operation, error) {
			a, err := c.api.Do(c.ctx, client.Request{Op: op, Path: "/operations/" + url.PathEscape(args[0])})
			if err != nil {
				return nil, err
			}
			return client.ReadOperation(op, a)
		}
		o, err := read()
		if err != nil {
			return err
		}
		var failure error
		if *wait {
			if failure = c.follow(o); c.ctx.Err() != nil {
				return failure
			}
			if o, err = read(); err != nil {
				return err
			}
		}
		if err := c.operation(o); err != nil {
			return err
		}
		return failure
	})
}

// operation shows one operation.
func (c *call) operation(o *client.Operation) error {
	if c.data() {
		return c.print(json.RawMessage(o.Raw))
	}
	table := &term.Table{}
	add := func(name, value string) {
		if value != "" {
			table.Add(name, value)
		}
	}
	add("id", o.ID)
	add("operation", o.Name)
	add("state", string(o.State))
	if o.Cancel && !o.State.Final() {
		add("", "somebody asked to call it off")
	}
	add("about", strings.TrimSpace(fmt.Sprintf("%s %s %s", o.Target.Kind, o.Target.Name, o.Target.ID)))
	add("asked by", o.Actor)
	add("request", o.Request)
	add("began", local(o.Created))
	add("ended", local(o.Finished))
	if o.Fault != nil {
		add("failed", o.Fault.Error())
	}
	if err := c.t.Table(table); err != nil {
		return err
	}
	if len(o.Steps) == 0 {
		return nil
	}
	fmt.Fprintln(c.t.Out)
	steps := &term.Table{Head: []string{"step", "state", "attempt"}}
	for _, s := range o.Steps {
		steps.Add(s.Name, s.State, fmt.Sprint(s.Attempt))
	}
	return c.t.Table(steps)
}

func cancelOperation() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "cancel ID",
		Short:             "Call an operation off",
		Long:              "Call an operation off: what it did is taken back, step by step. One that is finished, or past the point of return, is not.",
		Example:           "  kowabunga operations cancel 68fb1c2e9a0d4b7c35e6f812",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeOperations(string(operation.Running)),
	}
	a := writeFlags(cmd, false)
	return leaf(cmd, nil, asText, func(c *call, args []string) error {
		op := "cancel operation " + args[0]
		answer, err := c.api.Do(c.ctx, client.Request{Op: op, Method: http.MethodDelete, Path: "/operations/" + url.PathEscape(args[0])})
		if err != nil {
			return err
		}
		o, err := client.ReadOperation(op, answer)
		if err != nil {
			return err
		}
		if !a.follow() {
			return c.begun(o)
		}
		err = c.follow(o)
		if c.ctx.Err() != nil {
			return err
		}
		if answer, err = c.api.Do(c.ctx, client.Request{Op: op, Path: "/operations/" + url.PathEscape(args[0])}); err != nil {
			return err
		}
		if o, err = client.ReadOperation(op, answer); err != nil {
			return err
		}
		if o.State == operation.Succeeded {
			return &fault.Error{Code: fault.Conflict, Op: op, Message: "it was finished before it could be called off"}
		}
		return c.say("cancel: %s: %s", o.Name, o.State)
	})
}
