package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain KIND NAME",
		Short: "Say why an object is as it is",
		Long: "Say why an object is as it is: the facts that the last decision about it stood on, in the order they were looked at. " +
			"Why this host, why this address, why it was refused. With --why-not say of a machine why it is not on that host, as things are now.",
		Example: "  kowabunga explain kompute web-1\n  kowabunga explain kompute web-1 --why-not host-2\n  kowabunga explain volume data-1 -o json",
		Args:    cobra.ArbitraryArgs, // counted below: with a subcommand besides, cobra would take a kind alone for an unknown one
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return kindNames(), cobra.ShellCompDirectiveNoFileComp
			}
			k, ok := catalogue.Named(args[0])
			if !ok || len(args) > 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(k, 2)(cmd, args, typed)
		},
	}
	host := cmd.Flags().String("why-not", "", "`HOST`: why the machine is not on this host, by name or id")
	_ = cmd.RegisterFlagCompletionFunc("why-not", completeFlag(catalogue.Of(model.KindKaktus), false))
	cmd.AddCommand(explainPlacement())
	return leaf(cmd, nil, asData, func(c *call, args []string) error {
		if len(args) != 2 {
			return term.Usage(fmt.Errorf("name a kind and one object of it, such as kompute web-1"))
		}
		k, ok := catalogue.Named(args[0])
		if !ok {
			return unknownKind(args[0])
		}
		op := "explain " + string(k.Name) + " " + args[1]
		q := url.Values{}
		if *host != "" {
			q.Set("why_not", *host)
		}
		a, err := c.api.Do(c.ctx, client.Request{Op: op, Path: "/explain/" + string(k.Name) + "/" + url.PathEscape(args[1]), Query: q})
		if err != nil {
			return advise(c, c.cmd, k, err)
		}
		if c.data() {
			return c.print(json.RawMessage(a.Body))
		}
		var said struct {
			Operation *client.Operation `json:"operation"`
			WhyNot    *objection        `json:"why_not"`
			Now       []trace.Fact      `json:"now"`
		}
		if err := a.Decode(op, &said); err != nil {
			return err
		}
		if said.WhyNot != nil {
			return c.objection(said.WhyNot)
		}
		if said.Operation != nil {
			if err := c.decision(said.Operation); err != nil {
				return err
			}
		}
		if len(said.Now) == 0 {
			return nil
		}
		if _, err := fmt.Fprint(c.t.Out, "\nAs things are now:\n\n"); err != nil {
			return err
		}
		return c.facts(said.Now)
	})
}

// objection is what is against a host for a machine, or what is better.
type objection struct {
	Name    string `json:"name"`
	Here    bool   `json:"here"`
	Verdict string `json:"verdict"`
	Value   string `json:"value"`
	Instead *struct {
		Host  string `json:"host"`
		Value string `json:"value"`
	} `json:"instead"`
}

func (c *call) objection(o *objection) error {
	if o.Here {
		if err := c.say("it is on %s now", o.Name); err != nil {
			return err
		}
	}
	if err := c.say("%s: %s (%s)", o.Name, o.Value, o.Verdict); err != nil || o.Instead == nil {
		return err
	}
	return c.say("chosen before it: %s: %s", c.names.name(model.KindKaktus, o.Instead.Host), o.Instead.Value)
}

func unknownKind(name string) error {
	err := fmt.Errorf("there is no kind %q", name)
	if near := config.Nearest(name, kindNames()); near != "" {
		return term.Usage(fmt.Errorf("%w; did you mean %q?", err, near))
	}
	return term.Usage(fmt.Errorf("%w; there are %s", err, strings.Join(kindNames(), ", ")))
}

// decision prints the facts behind an operation. What a fact is about is shown by name where it has one.
func (c *call) decision(o *client.Operation) error {
	if err := c.say("%s (%s), asked by %s on %s", o.Name, o.State, o.Actor, local(o.Created)); err != nil || o.Trace == nil {
		return err
	}
	if len(o.Trace.Facts) > 0 {
		fmt.Fprintln(c.t.Out)
		if err := c.facts(o.Trace.Facts); err != nil {
			return err
		}
	}
	if n := o.Trace.Hidden; n > 0 {
		return c.say("%d more facts are about things you may not know of", n)
	}
	return nil
}

// facts prints what a decision looked at.
func (c *call) facts(facts []trace.Fact) error {
	table := &term.Table{Head: []string{"fact", "about", "value", "verdict"}}
	for _, f := range facts {
		table.Add(f.What, c.subject(f), f.Value, string(f.Verdict))
	}
	return c.t.Table(table)
}

// subject names what a fact is about. The fact says its kind in words ("host", "pool"), so the words are
// tried, then the id stands for itself.
func (c *call) subject(f trace.Fact) string {
	if f.Subject == "" {
		return ""
	}
	for _, word := range strings.Fields(f.What) {
		kind := model.Kind(word)
		switch word {
		case "host":
			kind = model.KindKaktus
		case "quota":
			kind = model.KindProject
		}
		if k, ok := catalogue.Named(string(kind)); ok {
			if name := c.names.name(k.Name, string(f.Subject)); name != string(f.Subject) {
				return name
			}
		}
	}
	return string(f.Subject)
}
