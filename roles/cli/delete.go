package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

func yesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

func deleteCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "delete NAME…",
		Aliases:           []string{"rm"},
		Short:             "Delete " + k.Plural,
		Long:              "Delete " + k.Plural + ". What would go is shown and you are asked first, unless --yes is given. While something depends on one it is refused. With --output table, json, yaml or name the result is what was deleted, as it was before, a list.",
		Example:           fmt.Sprintf("  kowabunga %s delete %s\n  kowabunga %s delete %s --yes\n  kowabunga %s delete %s --plan", k.Name, nameOf(k.Name), k.Name, nameOf(k.Name), k.Name, nameOf(k.Name)),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames(k, 0),
	}
	if !can(k, catalogue.Create) {
		cmd.Aliases = append(cmd.Aliases, "revoke") // what proves who one is is not made here, but ends here
	}
	p := narrowing(cmd, k)
	queries := queryFlags(cmd, op)
	yes := yesFlag(cmd)
	a := writeFlags(cmd, false)
	a.planning = planFlags(cmd)
	return leaf(cmd, k, asGone, func(c *call, args []string) error {
		refs := unrepeated(args)
		if !*yes && !a.wanted() {
			if err := c.agree(k, p, refs, queries, a); err != nil {
				return err
			}
		}
		if c.is("text") || a.wanted() || !a.follow() {
			return c.each(k, p, refs, "delete", http.MethodDelete, "", queries, a)
		}
		c.gone = &gone{was: map[string]json.RawMessage{}, is: map[string]bool{}}
		err := c.each(k, p, refs, "delete", http.MethodDelete, "", queries, a)
		return errors.Join(err, c.objects(k, c.gone.deleted(refs)))
	})
}

// gone is what a deletion deletes, by what it was called.
type gone struct {
	was map[string]json.RawMessage // as it was before
	is  map[string]bool
}

// remember reads an object that is about to be deleted.
func (c *call) remember(r client.Request, ref string) error {
	a, err := c.api.Do(c.ctx, client.Request{Op: r.Op, Path: r.Path})
	if err == nil {
		c.gone.was[ref] = a.Body
	}
	return err
}

// deleted are the objects that are gone, in the order they were named.
func (g *gone) deleted(refs []string) []json.RawMessage {
	out := []json.RawMessage{}
	for _, ref := range refs {
		if g.is[ref] {
			out = append(out, g.was[ref])
		}
	}
	return out
}

// agree shows what a deletion would do and asks. What was shown of one object is what is done then.
func (c *call) agree(k *catalogue.Kind, p *place, refs []string, queries map[string]*form.Input, a *asked) error {
	if !term.IsTerminal(c.t.In) {
		return term.Usage(fmt.Errorf("deleting needs an answer and this is no terminal; say --yes to agree beforehand"))
	}
	out := c.t.Out
	c.t.Out = c.t.Err // the plan belongs to the question
	defer func() { c.t.Out = out }()
	for _, ref := range refs {
		r, err := c.request(k, p, ref, "delete", http.MethodDelete, "", queries, nil)
		if err != nil {
			return err
		}
		foreseen, _, err := c.foresee(r)
		if err != nil {
			return err
		}
		if err := c.tellPlan(foreseen); err != nil {
			return err
		}
		if len(refs) == 1 && *a.pin == "" {
			*a.pin = foreseen.Hash
		}
	}
	what := string(k.Name)
	if len(refs) > 1 {
		what = fmt.Sprintf("%d %s:", len(refs), k.Plural)
	}
	names := strings.Join(refs, ", ")
	if f := c.cmd.Flags().Lookup("cascade"); f != nil && f.Value.String() == "true" {
		names += " and everything in it"
	}
	agreed, err := c.t.Confirm("Delete "+what+" "+names+"?", false, "--yes")
	if err == nil && !agreed {
		err = &fault.Error{Code: fault.Cancelled, Op: "delete", Message: "nothing was deleted"}
	}
	return err
}

// unrepeated drops words that stood before.
func unrepeated(words []string) []string {
	var out []string
	for _, word := range words {
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}
