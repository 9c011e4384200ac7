package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

// call is one command while it runs.
type call struct {
	ctx   context.Context
	cmd   *cobra.Command
	t     *term.Terminal
	api   *client.Client
	out   *term.Output // nil for commands without -o
	names *names
	gone  *gone // of a deletion whose result is what it deleted; else nil
	// context is the name of the context in use, empty without one.
	context string
}

// The forms that results have.
var (
	asText    []string                                                    // said in words, no -o
	asData    = []string{"table", "json", "yaml"}                         // figures and records
	asGone    = []string{"text", "table", "wide", "json", "yaml", "name"} // what was deleted: said in words, or the objects
	asObjects = []string{"table", "wide", "json", "yaml", "name"}         // objects of a kind
)

// is tells whether the result is wanted in this form.
func (c *call) is(form string) bool { return c.out != nil && c.out.Is(form) }

// data tells whether the result is wanted for programs.
func (c *call) data() bool { return c.is("json") || c.is("yaml") }

// print writes a result for programs.
func (c *call) print(v any) error {
	if c.is("yaml") {
		return c.t.YAML(v)
	}
	return c.t.JSON(v)
}

// say prints one line, which may hold words of other people.
func (c *call) say(format string, args ...any) error {
	_, err := fmt.Fprintln(c.t.Out, clean(fmt.Sprintf(format, args...)))
	return err
}

// clean drops control characters, which could rewrite the screen.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}

// leaf gives a command what all commands that talk to a server share: flags for the connection, the
// form of the result when it has one, help in groups, and errors with what to try next. k is the kind it
// is about and may be nil.
func leaf(cmd *cobra.Command, k *catalogue.Kind, forms []string, do func(c *call, args []string) error) *cobra.Command {
	var out *term.Output
	if forms != nil {
		out = term.OutputFlag(cmd, forms...)
	}
	flags := cmd.Flags()
	flags.String("context", "", "`CONTEXT`: which of the servers you logged in to; else $"+client.ContextVariable+" or the one in use")
	flags.String("credentials", "", "`FILE`: who you are: url and apiKey; else $"+client.CredentialsVariable+", the context, or ~/.config/kowabunga/credentials.json")
	flags.String("ca", "", "`FILE`: the CA to trust, PEM; else $"+client.CAVariable+", \"ca\" of the credentials, or ca.pem beside them")
	flags.String("dir", "", "`DIR`: directory of a Kahuna on this machine; talk through its socket, as root")
	group(cmd, "Connection", "context", "credentials", "ca", "dir")
	_ = cmd.RegisterFlagCompletionFunc("context", completeContexts)
	_ = cmd.MarkFlagFilename("credentials", "json")
	_ = cmd.MarkFlagFilename("ca", "pem", "crt")
	_ = cmd.MarkFlagDirname("dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect(cmd.Context(), cmd)
		if err != nil {
			return advise(nil, cmd, k, err)
		}
		defer c.end()
		c.out = out
		c.api.Waiting = func(err error) {
			fmt.Fprintf(c.t.Err, "kowabunga: %v; trying again\n", fault.From(err).Public())
		}
		return advise(c, cmd, k, do(c, args))
	}
	return plainly(cmd)
}

// end ends the connection. The addresses that the server told of itself are kept with the context for the
// next command, if they can be: they only save it a search.
func (c *call) end() {
	c.api.Close()
	if c.context != "" {
		_ = client.Contexts{}.Remember(c.context, c.api.Nodes())
	}
}

// plainly gives a command the help that all commands here have.
func plainly(cmd *cobra.Command) *cobra.Command {
	cmd.Long = wrap(cmd.Long)
	cmd.SetUsageFunc(usage)
	cmd.DisableFlagsInUseLine = true
	return cmd
}

// connect finds the credentials that the command's flags name and makes a client; nothing is sent yet.
func connect(ctx context.Context, cmd *cobra.Command) (*call, error) {
	var s client.Source
	for name, to := range map[string]*string{"context": &s.Context, "credentials": &s.File, "ca": &s.CA, "dir": &s.Dir} {
		*to, _ = cmd.Flags().GetString(name) // every command here has them
	}
	found, err := s.Load()
	if err != nil {
		return nil, err
	}
	return dial(ctx, cmd, found)
}

func dial(ctx context.Context, cmd *cobra.Command, with client.Credentials) (*call, error) {
	api, err := client.New(with)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "use the credentials in "+with.From)
	}
	c := &call{ctx: ctx, cmd: cmd, t: term.Of(cmd), api: api, context: with.Context}
	c.names = &names{api: api, ctx: ctx}
	return c, nil
}

// advise adds what to try next to an error that does not say it. c may be nil, when there is no
// connection.
func advise(c *call, cmd *cobra.Command, k *catalogue.Kind, err error) error {
	var hinted *term.Hinted
	var mistake *term.UsageError
	var f *fault.Error
	if errors.As(err, &hinted) || errors.As(err, &mistake) || !errors.As(err, &f) {
		return err
	}
	field, _, _ := strings.Cut(f.Field, ".")
	field, _, _ = strings.Cut(field, "[")
	for _, name := range []string{form.FlagName(field, false), form.FlagName(field, true), strings.TrimSuffix(field, "s")} {
		if field != "" && cmd.Flags().Lookup(name) != nil {
			return term.Hint(err, "change --"+name+"; "+cmd.CommandPath()+" --help says what it takes")
		}
	}
	switch {
	case f.Code == fault.NotFound && c != nil && k != nil:
		return term.Hint(err, c.instead(cmd, k)...)
	case f.Code == fault.Denied && (f.Op == "read a secret" || f.Op == "read the credentials"):
		return term.Hint(err, "chmod 0600 FILE   (keys and passwords are read only from files that are yours alone)")
	case f.Code == fault.Unauthenticated && c != nil && c.context != "":
		return term.Hint(err, "kowabunga login --context "+c.context)
	case f.Code == fault.Unauthenticated:
		return term.Hint(err, "kowabunga whoami   (shows whether a key is good)", "kowabunga user token NAME   (makes a new one)")
	case f.Code == fault.NotFound && f.Op == "read the credentials":
		return term.Hint(err, "kowabunga login URL")
	}
	return err
}

// instead is what to try after a name that nothing has: the nearest one there is, or the list.
func (c *call) instead(cmd *cobra.Command, k *catalogue.Kind) []string {
	var next []string
	args := cmd.Flags().Args()
	if cmd.Name() == "explain" && len(args) > 0 {
		args = args[1:]
	}
	for _, name := range args {
		if near := c.near(k, name); near != "" && near != name {
			next = append(next, fmt.Sprintf("did you mean %q?", near))
		}
	}
	return append(next, "kowabunga "+string(k.Name)+" list")
}
