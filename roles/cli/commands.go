package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
)

// Commands are the resource commands, fresh at every call: one for each kind. Where one of the existing commands has the name of a kind (kaktus is a role and a
// resource), it gets the kind's verbs as subcommands instead.
func Commands(existing ...*cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, k := range catalogue.Kinds {
		same := slices.IndexFunc(existing, func(c *cobra.Command) bool { return c.Name() == string(k.Name) })
		if same < 0 {
			out = append(out, kindCommand(k))
			continue
		}
		join(existing[same], verbs(k))
	}
	return out
}

// General are the commands about resources of all kinds, about what happens to them, and about who one is.
func General() []*cobra.Command {
	return []*cobra.Command{applyCommand(), diffCommand(), exportCommand(), operationsCommand(), eventsCommand(), auditCommand(), topCommand(), pairCommand(), explainCommand(),
		whoamiCommand(), loginCommand(), logoutCommand(), contextCommand()}
}

// join adds the verbs of a kind to the command of a role, under a heading of their own.
func join(role *cobra.Command, verbs []*cobra.Command) {
	role.AddGroup(&cobra.Group{ID: "role", Title: "On this machine:"}, &cobra.Group{ID: "resource", Title: "The resource, anywhere:"})
	for _, c := range role.Commands() {
		c.GroupID = "role"
	}
	for _, verb := range verbs {
		verb.GroupID = "resource"
		role.AddCommand(verb)
	}
}

func kindCommand(k *catalogue.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:     string(k.Name),
		Aliases: []string{k.Plural},
		Short:   strings.TrimSuffix(k.Summary, "."),
		Long:    k.Summary + "\n\nObjects are named by name or id.",
	}
	cmd.AddCommand(verbs(k)...)
	return cmd
}

// verbs are the subcommands for the operations that a kind has in API v2.
func verbs(k *catalogue.Kind) []*cobra.Command {
	var out []*cobra.Command
	has := map[catalogue.Verb]bool{}
	for _, op := range operations(k) {
		if op.Verb != catalogue.Action && has[op.Verb] {
			continue
		}
		has[op.Verb] = true
		switch op.Verb {
		case catalogue.List:
			out = append(out, listCommand(k))
		case catalogue.Create:
			out = append(out, createCommand(k, op))
		case catalogue.Read:
			out = append(out, getCommand(k))
		case catalogue.Update:
			out = append(out, updateCommand(k, op))
		case catalogue.Delete:
			out = append(out, deleteCommand(k, op))
		case catalogue.Action:
			out = append(out, actionCommand(k, op))
		}
	}
	return out
}

// operations are those of a kind that API v2 serves below the kind. Login and logout are not: they
// concern no object.
func operations(k *catalogue.Kind) []*catalogue.Op {
	var out []*catalogue.Op
	for _, op := range catalogue.Ops() {
		if op.Kind == k.Name && (op.Verb != catalogue.Action || op.Target() != "") {
			out = append(out, op)
		}
	}
	return out
}
