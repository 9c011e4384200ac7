package roles

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	assets "kowabunga/embed"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// helpFor replaces cobra's help command by one that knows the topics of the user documentation too.
func helpFor(root *cobra.Command, group string) {
	cmd := &cobra.Command{
		Use:     "help [COMMAND… | TOPIC]",
		Short:   "Explain a command or a topic",
		GroupID: group,
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			names := topics()
			for _, c := range root.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return help(root, term.Of(cmd), args) }
	root.SetHelpCommand(cmd)
	root.AddCommand(cmd)
}

// help explains a topic, else a command. "help kahuna" shows the topic and then the command, because the
// name is both.
func help(root *cobra.Command, t *term.Terminal, args []string) error {
	if len(args) == 0 {
		if err := root.Help(); err != nil {
			return err
		}
		return listTopics(t)
	}
	if len(args) == 1 {
		if text, err := fs.ReadFile(assets.Docs(), args[0]+".md"); err == nil {
			if _, err := io.WriteString(t.Out, term.Markdown(string(text), term.Width(t.Out), t.Color)); err != nil {
				return err
			}
			if c := child(root, args[0]); c != nil {
				fmt.Fprintf(t.Out, "\nCommands and flags: %s --help\n", c.CommandPath())
			}
			return nil
		}
	}
	c := root
	for _, word := range args {
		next := child(c, word)
		if next == nil && c != root {
			return unknown(c, word)
		}
		if next == nil {
			return noTopic(root, word)
		}
		c = next
	}
	c.InitDefaultHelpFlag()
	return c.Help()
}

func child(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}

func noTopic(root *cobra.Command, word string) error {
	names := topics()
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	err := fmt.Errorf("there is no topic or command %q", word)
	if near := config.Nearest(word, names); near != "" {
		return term.Hint(term.Usage(fmt.Errorf("%w; did you mean %q?", err, near)), "kowabunga help "+near)
	}
	return term.Hint(term.Usage(err), "kowabunga help")
}

// reading is the order in which topics are best read.
var reading = []string{"start", "sandbox", "resources", "cli", "koala", "kahuna", "kaktus", "network", "access", "api", "config", "secrets", "operations", "backup", "troubleshooting", "missing"}

// listTopics names every topic with the title of its document, in the order to read them.
func listTopics(t *term.Terminal) error {
	fmt.Fprintln(t.Out, "\nTopics (kowabunga help TOPIC):")
	for _, name := range topics() {
		text, err := fs.ReadFile(assets.Docs(), name+".md")
		if err != nil {
			return err
		}
		title, _, _ := strings.Cut(string(text), "\n")
		fmt.Fprintf(t.Out, "  %-16s %s\n", name, strings.TrimPrefix(title, "# "))
	}
	_, err := fmt.Fprintln(t.Out, "\nBegin with: kowabunga help start")
	return err
}

// topics are the names of the documents, in the order to read them.
func topics() []string {
	entries, _ := fs.ReadDir(assets.Docs(), ".") // the folder is compiled in
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".md"); ok {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return place(a) - place(b) })
	return names
}

func place(topic string) int {
	if i := slices.Index(reading, topic); i >= 0 {
		return i
	}
	return len(reading)
}
