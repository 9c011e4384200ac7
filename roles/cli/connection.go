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
}

// json tells whether the result is wanted as JSON.
func (c *call) json() bool { return c.out != nil && c.out.JSON() }

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
func leaf(cmd *cobra.Command, k *catalogue.Kind, output bool, do func(c *call, args []string) error) *cobra.Command {
	var out *term.Output
	if output {
		out = term.OutputFlag(cmd)
	}
	flags := cmd.Flags()
	flags.String("credentials", "", "`FILE`: who you are: url and apiKey; else $"+client.CredentialsVariable+" or ~/.config/kowabunga/credentials.json")
	flags.String("ca", "", "`FILE`: the CA to trust, PEM; else $"+client.CAVariable+", \"ca\" of the credentials, or ca.pem beside them")
	flags.String("dir", "", "`DIR`: directory of a Kahuna on this machine; talk through its socket, as root")
	group(cmd, "Connection", "credentials", "ca", "dir")
	_ = cmd.MarkFlagFilename("credentials", "json")
	_ = cmd.MarkFlagFilename("ca", "pem", "crt")
	_ = cmd.MarkFlagDirname("dir")
	cmd.Long = wrap(cmd.Long)
	cmd.SetUsageFunc(usage)
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect(cmd.Context(), cmd)
		if err != nil {
			return advise(cmd, k, err)
		}
		defer c.api.Close()
		c.out = out
		return advise(cmd, k, do(c, args))
	}
	return cmd
}

// connect finds the credentials that the command's flags name and makes a client; nothing is sent yet.
func connect(ctx context.Context, cmd *cobra.Command) (*call, error) {
	var s client.Source
	for name, to := range map[string]*string{"credentials": &s.File, "ca": &s.CA, "dir": &s.Dir} {
		*to, _ = cmd.Flags().GetString(name) // every command here has them
	}
	found, err := s.Load()
	if err != nil {
		return nil, err
	}
	api, err := client.New(found)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "use the credentials in "+found.From)
	}
	c := &call{ctx: ctx, cmd: cmd, t: term.Of(cmd), api: api}
	c.names = &names{api: api, ctx: ctx}
	return c, nil
}

// advise adds what to try next to an error that does not say it.
func advise(cmd *cobra.Command, k *catalogue.Kind, err error) error {
	var hinted *term.Hinted
	var mistake *term.UsageError
	var f *fault.Error
	if errors.As(err, &hinted) || errors.As(err, &mistake) || !errors.As(err, &f) {
		return err
	}
	field, _, _ := strings.Cut(f.Field, ".")
	field, _, _ = strings.Cut(field, "[")
	for _, name := range []string{form.FlagName(field, false), form.FlagName(field, true)} {
		if field != "" && cmd.Flags().Lookup(name) != nil {
			return term.Hint(err, "change --"+name+"; "+cmd.CommandPath()+" --help says what it takes")
		}
	}
	switch {
	case f.Code == fault.NotFound && k != nil && f.Op != "read the credentials":
		return term.Hint(err, "kowabunga "+string(k.Name)+" list")
	case f.Code == fault.Denied && (f.Op == "read a secret" || f.Op == "read the credentials"):
		return term.Hint(err, "chmod 0600 FILE   (keys and passwords are read only from files that are yours alone)")
	case f.Code == fault.Unauthenticated:
		return term.Hint(err, "kowabunga whoami   (shows whether a key is good)", "kowabunga user token NAME   (makes a new one)")
	}
	return err
}
