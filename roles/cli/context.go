package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/roles/cli/client"
	"kowabunga/roles/term"
)

// contextCommand keeps the servers that somebody logged in to. Its subcommands talk to none of them.
func contextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "context",
		Aliases: []string{"contexts"},
		Short:   "The servers you logged in to, and which one is in use",
		Long: wrap("The servers you logged in to, and which one is in use. A context is made by kowabunga login and used by every command, unless --context, --credentials, " +
			"--dir or their variables name another."),
	}
	cmd.AddCommand(contextList(), contextUse(), contextShow(), contextDelete(), contextRename())
	return cmd
}

func completeContexts(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names := slices.DeleteFunc(client.Contexts{}.Names(), func(name string) bool {
		return !strings.HasPrefix(name, typed) || slices.Contains(args, name)
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// onContexts is a subcommand of context.
func onContexts(cmd *cobra.Command, most int, do func(t *term.Terminal, args []string) error) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeContexts(cmd, args, typed)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := do(term.Of(cmd), args); err != nil {
			return term.Hint(err, "kowabunga context list")
		}
		return nil
	}
	return plainly(cmd)
}

// described is a context without its secrets.
type described struct {
	Name  string   `json:"name"`
	InUse bool     `json:"in_use"`
	URL   string   `json:"url"`
	Nodes []string `json:"nodes"` // the addresses that are tried, in order
	Proof string   `json:"proof"`
	CA    bool     `json:"ca"` // has certificates of its own
}

func describe(name string, c client.Context) described {
	d := described{Name: name, InUse: client.Contexts{}.Current() == name, URL: c.URL, Nodes: c.Addresses(), CA: c.CA != "", Proof: "logged out"}
	switch {
	case c.Session != "" && c.Email != "":
		d.Proof = "session of " + c.Email
	case c.Session != "":
		d.Proof = "session"
	case c.APIKey != "":
		d.Proof = "API key"
	}
	return d
}

func contextList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List your contexts", Long: "List your contexts; the one in use is marked.",
		Example: "  kowabunga context list", Args: cobra.NoArgs,
	}
	out := term.OutputFlag(cmd, append(asData, "name")...)
	return onContexts(cmd, 0, func(t *term.Terminal, _ []string) error {
		all := []described{}
		for _, name := range (client.Contexts{}).Names() {
			c, err := client.Contexts{}.Read(name)
			if err != nil {
				return err
			}
			all = append(all, describe(name, c))
		}
		switch {
		case out.JSON():
			return t.JSON(all)
		case out.Is("yaml"):
			return t.YAML(all)
		case len(all) == 0 && !out.Is("name"):
			_, err := fmt.Fprintln(t.Err, "no contexts")
			return err
		}
		table := &term.Table{Head: []string{"in use", "name", "url", "proof"}}
		for _, d := range all {
			if out.Is("name") {
				if _, err := fmt.Fprintln(t.Out, d.Name); err != nil {
					return err
				}
				continue
			}
			mark := ""
			if d.InUse {
				mark = "*"
			}
			table.Add(mark, d.Name, d.URL, d.Proof)
		}
		if out.Is("name") {
			return nil
		}
		return t.Table(table)
	})
}

func contextShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [CONTEXT]", Aliases: []string{"get"}, Short: "Show a context", Long: "Show a context, the one in use without a name. What proves who you are is not shown.",
		Example: "  kowabunga context show\n  kowabunga context show robot -o yaml", Args: cobra.MaximumNArgs(1),
	}
	out := term.OutputFlag(cmd, asData...)
	return onContexts(cmd, 1, func(t *term.Terminal, args []string) error {
		name := client.Contexts{}.Current()
		if len(args) > 0 {
			name = args[0]
		}
		if name == "" {
			_, err := fmt.Fprintln(t.Err, "no context is in use")
			return err
		}
		c, err := client.Contexts{}.Read(name)
		if err != nil {
			return err
		}
		d := describe(name, c)
		switch {
		case out.JSON():
			return t.JSON(d)
		case out.Is("yaml"):
			return t.YAML(d)
		}
		table := &term.Table{}
		for _, row := range [][2]string{{"name", d.Name}, {"in use", yesNo(d.InUse)}, {"url", d.URL}, {"nodes", strings.Join(d.Nodes, " ")}, {"proof", d.Proof}, {"own certificates", yesNo(d.CA)}} {
			table.Add(row[0], row[1])
		}
		return t.Table(table)
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func contextUse() *cobra.Command {
	cmd := &cobra.Command{
		Use: "use CONTEXT", Short: "Use another context", Long: "Use another context from now on.",
		Example: "  kowabunga context use robot", Args: cobra.ExactArgs(1),
	}
	return onContexts(cmd, 1, func(t *term.Terminal, args []string) error {
		if err := (client.Contexts{}).Use(args[0]); err != nil {
			return err
		}
		overruled(t)
		_, err := fmt.Fprintf(t.Out, "context %s is in use\n", args[0])
		return err
	})
}

// overruled warns where the environment names other credentials, which then go before the context.
func overruled(t *term.Terminal) {
	for _, name := range []string{client.CredentialsVariable, client.ContextVariable} {
		if os.Getenv(name) != "" {
			fmt.Fprintf(t.Err, "kowabunga: $%s is set and goes before the context in use\n", name)
		}
	}
}

func contextDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CONTEXT…", Aliases: []string{"rm"}, Short: "Forget contexts",
		Long:    "Forget contexts. Sessions are not ended by it; kowabunga logout does that.",
		Example: "  kowabunga context delete robot", Args: cobra.MinimumNArgs(1),
	}
	return onContexts(cmd, 1<<10, func(t *term.Terminal, args []string) error {
		for _, name := range args {
			if err := (client.Contexts{}).Delete(name); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(t.Out, "delete: context %s\n", name); err != nil {
				return err
			}
		}
		return nil
	})
}

func contextRename() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rename CONTEXT NAME", Short: "Give a context another name", Long: "Give a context another name. If it is in use it stays so.",
		Example: "  kowabunga context rename kahuna.example.org prod", Args: cobra.ExactArgs(2),
	}
	return onContexts(cmd, 1, func(t *term.Terminal, args []string) error {
		if err := (client.Contexts{}).Rename(args[0], args[1]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.Out, "rename: context %s is %s now\n", args[0], args[1])
		return err
	})
}
