package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
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
		Long:              "Delete " + k.Plural + ". What would go is shown and you are asked first, unless --yes is given. While something depends on one it is refused.",
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
	return leaf(cmd, k, asText, func(c *call, args []string) error {
		refs := unrepeated(args)
		if !*yes && !a.wanted() {
			if err := c.agree(k, p, refs, queries, a); err != nil {
				return err
			}
		}
		return c.each(k, p, refs, "delete", http.MethodDelete, "", queries, a)
	})
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
