package cli_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kowabunga/core/catalogue"
	"kowabunga/roles/cli"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// tree is the commands under a root with the manners of the whole program's.
func tree() *cobra.Command {
	root := &cobra.Command{Use: "kowabunga", SilenceErrors: true, SilenceUsage: true}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().String(term.ColorFlag, "auto", "colours")
	_ = root.PersistentFlags().MarkHidden(term.ColorFlag)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return term.Usage(err) })
	root.AddCommand(cli.Commands()...)
	root.AddCommand(cli.General()...)
	each(root, func(c *cobra.Command) {
		if check := c.Args; c.Runnable() && check != nil {
			c.Args = func(cmd *cobra.Command, args []string) error {
				return term.Usage(cmp.Or(check(cmd, args), cmd.ValidateFlagGroups()))
			}
		}
	})
	return root
}

func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		each(sub, f)
	}
}

// run executes one command line and returns what it printed and the exit code.
func run(ctx context.Context, stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	root := tree()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	cmd, err := root.ExecuteContextC(ctx)
	term.Report(&errs, cmd.CommandPath(), err)
	return out.String(), errs.String(), term.ExitCode(err)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; read the difference, then run with -update\n--- got\n%s--- want\n%s", name, got, want)
	}
}

// What every command says of itself, a file for each kind.
func TestHelp(t *testing.T) {
	for _, top := range tree().Commands() {
		t.Run(top.Name(), func(t *testing.T) {
			var text strings.Builder
			each(top, func(c *cobra.Command) {
				var out bytes.Buffer
				c.SetOut(&out)
				c.SetErr(&out)
				c.InitDefaultHelpFlag()
				if err := c.Help(); err != nil {
					t.Errorf("%s: %v", c.CommandPath(), err)
				}
				text.WriteString("$ " + c.CommandPath() + " --help\n" + out.String() + "\n")
			})
			for line := range strings.Lines(text.String()) {
				if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
					t.Errorf("a line ends with blanks: %q", line)
				}
			}
			golden(t, "help/"+top.Name()+".txt", text.String())
		})
	}
}

// Every kind has a command for each of its operations and a flag for each field that can be written;
// a secret is only ever named by its file.
func TestEveryKindIsReachable(t *testing.T) {
	root := tree()
	for _, k := range catalogue.Kinds {
		for _, op := range catalogue.Ops() {
			if op.Kind != k.Name || op.Verb == catalogue.Action && op.Target() == "" {
				continue
			}
			verb := map[catalogue.Verb]string{catalogue.Read: "get", catalogue.Action: form.FlagName(op.Action, false)}[op.Verb]
			if verb == "" {
				verb = string(op.Verb)
			}
			cmd, rest, err := root.Find([]string{string(k.Name), verb})
			if err != nil || len(rest) > 0 || !cmd.Runnable() {
				t.Errorf("operation %s has no command %s %s", op.ID, k.Name, verb)
				continue
			}
			if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
				t.Errorf("%s does not explain itself", cmd.CommandPath())
			}
			for _, q := range op.Query {
				if op.Verb != catalogue.List && cmd.Flags().Lookup(form.FlagName(q.Name, false)) == nil {
					t.Errorf("%s has no flag for query parameter %s", cmd.CommandPath(), q.Name)
				}
			}
			if op.Verb == catalogue.Create || op.Verb == catalogue.Update {
				checkFields(t, cmd, k, op.Verb == catalogue.Create)
			}
		}
		if plural, _, err := root.Find([]string{k.Plural, "list"}); err != nil || plural.Name() != "list" {
			t.Errorf("%s list is not understood", k.Plural)
		}
	}
}

func checkFields(t *testing.T, cmd *cobra.Command, k *catalogue.Kind, creating bool) {
	t.Helper()
	for i := range k.Fields {
		f := &k.Fields[i]
		flag := cmd.Flags().Lookup(form.FlagName(f.Name, f.Secret))
		writable := !f.ReadOnly && (creating || !f.Immutable)
		if f.ReadOnly && slices.ContainsFunc(k.Ops, func(op catalogue.Op) bool {
			return slices.ContainsFunc(op.Query, func(q catalogue.Query) bool { return form.FlagName(q.Name, false) == form.FlagName(f.Name, false) })
		}) {
			continue // its flag is that of the parameter of the creation
		}
		if own := flag != nil && flag.Annotations["kowabunga_group"] != nil; own != writable {
			t.Errorf("%s: field %s, which may be written: %v, has a flag: %v", cmd.CommandPath(), f.Name, writable, own)
		}
		if f.Secret && cmd.Flags().Lookup(form.FlagName(f.Name, false)) != nil {
			t.Errorf("%s takes the secret %s as an argument, which other users of the machine can see", cmd.CommandPath(), f.Name)
		}
	}
	for i := range k.Parents {
		if creating && cmd.Flags().Lookup(string(k.Parents[i].Kind)) == nil {
			t.Errorf("%s cannot name its %s", cmd.CommandPath(), k.Parents[i].Kind)
		}
	}
}

// The examples in help are understood by the commands they stand with.
func TestExamplesAreUnderstood(t *testing.T) {
	root := tree()
	each(root, func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(line, "|")
			line, _, _ = strings.Cut(line, "<")
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			if i := slices.Index(words, "--description"); i > 0 {
				words = words[:i+2] // its text had blanks
			}
			cmd, rest, err := root.Find(words[1:])
			if err != nil || cmd.CommandPath() != c.CommandPath() {
				t.Errorf("%q is an example of %s", line, c.CommandPath())
				continue
			}
			cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Changed = false }) // by the example before
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if cmd.Flags().Changed("file") || cmd.Name() != "create" {
				continue
			}
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				if _, must := f.Annotations["kowabunga_required"]; must && !f.Changed {
					t.Errorf("%q lacks --%s, which is required", line, f.Name)
				}
			})
		}
	})
}

// A role that is named like a kind keeps its own commands and gets those of the resource.
func TestVerbsJoinARoleOfTheSameName(t *testing.T) {
	role := &cobra.Command{Use: "kaktus"}
	role.AddCommand(&cobra.Command{Use: "serve", Run: func(*cobra.Command, []string) {}})
	for _, c := range cli.Commands(role) {
		if c.Name() == "kaktus" {
			t.Error("there are two commands named kaktus")
		}
	}
	for _, verb := range []string{"serve", "list", "get", "create", "update", "delete", "caps"} {
		if cmd, _, err := role.Find([]string{verb}); err != nil || cmd.Name() != verb {
			t.Errorf("kaktus %s: %v", verb, err)
		}
	}
}
