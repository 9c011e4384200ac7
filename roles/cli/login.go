package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/fault"
	"kowabunga/core/nodes"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

// identifying is the flags of login.
type identifying struct {
	context, email, passwordFile, keyFile, ca *string
	device                                    *bool
}

func loginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login [URL…]",
		Short: "Say who you are to a server, and remember it",
		Long: "Say who you are to a server, and remember it as a context, which other commands then use. Without more the login is confirmed in a browser, on any device: " +
			"a code and an address are shown, and the command waits. Passwords and keys are asked for or read from files, they are never arguments. " +
			"What is remembered lies in a file that only you can read, below ~/.config/kowabunga/contexts.\n\n" +
			"Where two Kahunas serve one cloud, any of their addresses will do while the one behind it runs: it tells the other, which is remembered too. Several may be named; " +
			"commands go to whichever answers.\n\n" +
			"Without URL it is the server of the context that --context names, or of the one in use.",
		Example: "  kowabunga login https://kahuna.example.org\n  kowabunga login https://kahuna.example.org --email ann@example.org\n" +
			"  kowabunga login https://kahuna.example.org --api-key-file robot.key --context robot\n  kowabunga login https://10.0.0.5:8443 --ca ca.pem --device\n  kowabunga login https://k1.example.org https://k2.example.org --context prod",
		Args:              cobra.MaximumNArgs(nodes.Most),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	in := &identifying{
		context:      f.String("context", "", "`CONTEXT`: remember it under this name (default: the host in URL)"),
		device:       f.Bool("device", false, "confirm it in a browser; the default"),
		email:        f.String("email", "", "`ADDRESS`: log in as this user with a password"),
		passwordFile: f.String("password-file", "", "`FILE`: read the password from there (- for standard input) instead of asking"),
		keyFile:      f.String("api-key-file", "", "`FILE`: use the API key in it (- for standard input)"),
		ca:           f.String("ca", "", "`FILE`: certificates to trust for this server, PEM; they are remembered as well"),
	}
	cmd.MarkFlagsMutuallyExclusive("device", "email", "api-key-file")
	cmd.MarkFlagsMutuallyExclusive("device", "password-file", "api-key-file")
	_ = cmd.RegisterFlagCompletionFunc("context", completeContexts)
	_ = cmd.RegisterFlagCompletionFunc("email", cobra.NoFileCompletions)
	for _, name := range []string{"password-file", "api-key-file", "ca"} {
		_ = cmd.MarkFlagFilename(name)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := in.run(cmd, args)
		if fault.Is(err, fault.Unauthenticated) {
			return term.Hint(err, cmd.CommandPath()+" again; kowabunga help access says who may log in")
		}
		return advise(nil, cmd, nil, err)
	}
	return plainly(cmd)
}

func (in *identifying) run(cmd *cobra.Command, servers []string) error {
	if *in.passwordFile != "" && *in.email == "" {
		return term.Usage(errors.New("--password-file needs --email: whose password it is"))
	}
	name, context, err := in.target(servers)
	if err != nil {
		return err
	}
	c, err := dial(cmd.Context(), cmd, client.Credentials{URL: context.URL, Nodes: context.Nodes, CA: []byte(context.CA), From: "the URL"})
	if err != nil {
		return err
	}
	defer c.api.Close()
	if err := in.prove(c, &context); err != nil {
		return err
	}
	context.Met(c.api.Nodes())
	who, err := c.whoIs(&context)
	if err != nil {
		return err
	}
	contexts := client.Contexts{}
	if err := contexts.Write(name, context); err != nil {
		return err
	}
	if err := contexts.Use(name); err != nil {
		return err
	}
	overruled(c.t)
	return c.say("logged in to %s as %s; context %s is in use", context.URL, who, name)
}

// target is the context to write, with the server and the certificates it has.
func (in *identifying) target(servers []string) (name string, _ client.Context, err error) {
	contexts, server := client.Contexts{}, ""
	named := make([]string, len(servers))
	for i := range servers {
		named[i] = strings.TrimRight(servers[i], "/")
		server = named[0]
	}
	name = *in.context
	if name == "" && server == "" {
		if name = contexts.Current(); name == "" {
			return "", client.Context{}, term.Usage(errors.New("no context is in use; name the server: kowabunga login https://…"))
		}
	}
	if name == "" {
		where, err := url.Parse(server)
		if err == nil {
			name = strings.Map(func(r rune) rune {
				if strings.ContainsRune("[]:", r) {
					return '-'
				}
				return r
			}, strings.TrimLeft(where.Hostname(), "["))
		}
	}
	known, err := contexts.Read(name)
	switch {
	case server == "" && err != nil:
		return "", client.Context{}, err
	case server == "":
		server = known.URL
	case err != nil || known.URL != server:
		known = client.Context{} // another server, or none: nothing of it holds
	}
	for _, address := range append(named, server) {
		if err := client.CheckURL(address); err != nil {
			return "", client.Context{}, err
		}
	}
	out := client.Context{URL: server, Nodes: known.Nodes, CA: known.CA}
	if len(named) > 1 {
		out.Met(named)
	}
	if *in.ca != "" {
		if out.CA, err = client.ReadCA(*in.ca); err != nil {
			return "", client.Context{}, err
		}
	}
	return name, out, nil
}

// prove obtains the proof to remember.
func (in *identifying) prove(c *call, context *client.Context) (err error) {
	switch {
	case *in.keyFile != "":
		context.APIKey, err = config.Secret{File: *in.keyFile}.Read(c.t.In)
	case *in.email != "":
		password := ""
		if *in.passwordFile != "" {
			password, err = config.Secret{File: *in.passwordFile}.Read(c.t.In)
		} else {
			password, err = c.t.Secret("Password", "--password-file")
		}
		if err == nil {
			context.Email = *in.email
			context.Session, err = c.api.Login(c.ctx, *in.email, password)
		}
	default:
		context.Session, err = c.device()
	}
	return err
}

// device shows a code and waits until it is confirmed.
func (c *call) device() (string, error) {
	d, err := c.api.BeginDevice(c.ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(c.t.Err, "Open %s in a browser, on any device, and enter the code\n\n    %s\n\n", clean(d.URL), clean(d.UserCode))
	if d.FullURL != "" {
		fmt.Fprintf(c.t.Err, "or open %s\n\n", clean(d.FullURL))
	}
	p := c.t.Progress()
	defer p.Close()
	step := p.Step("login")
	step.Say("waiting until it is confirmed")
	session, err := c.api.AwaitDevice(c.ctx, d, client.Pause)
	if err != nil {
		return "", step.Fail(err)
	}
	step.Done("confirmed")
	return session, nil
}

// whoIs asks the server whose the proof is, which shows that it is good. The context has the addresses that
// the server tells from then on.
func (c *call) whoIs(context *client.Context) (string, error) {
	known, err := dial(c.ctx, c.cmd, client.Credentials{URL: context.URL, Nodes: context.Nodes, Key: context.APIKey, Session: context.Session, CA: []byte(context.CA), From: "the URL"})
	if err != nil {
		return "", err
	}
	defer known.api.Close()
	const op = "ask who I am"
	a, err := known.api.Do(c.ctx, client.Request{Op: op, Path: "/whoami"})
	if err != nil {
		return "", err
	}
	context.Met(known.api.Nodes())
	var me struct{ Name, Role string }
	if err := a.Decode(op, &me); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s)", me.Name, me.Role), nil
}

func logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the session and forget the proof",
		Long: "End the session of the context in use and forget its proof; the server and its certificates stay known, for the next login. " +
			"An API key is only forgotten here: it stays good until its token is deleted or drawn anew.",
		Example: "  kowabunga logout\n  kowabunga logout --context robot",
		Args:    cobra.NoArgs,
	}
	named := cmd.Flags().String("context", "", "`CONTEXT`: this one instead of the one in use")
	_ = cmd.RegisterFlagCompletionFunc("context", completeContexts)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		contexts := client.Contexts{}
		name := *named
		if name == "" {
			if name = contexts.Current(); name == "" {
				return term.Usage(errors.New("no context is in use; name one with --context"))
			}
		}
		context, err := contexts.Read(name)
		if err != nil {
			return term.Hint(err, "kowabunga context list")
		}
		return advise(nil, cmd, nil, leave(cmd, name, context))
	}
	return plainly(cmd)
}

// leave ends the session on the server first: what cannot be ended is not forgotten. One that is no longer
// valid has ended.
func leave(cmd *cobra.Command, name string, context client.Context) error {
	t := term.Of(cmd)
	said := "logged out of " + name
	switch {
	case context.Session != "":
		c, err := dial(cmd.Context(), cmd, client.Credentials{URL: context.URL, Nodes: context.Nodes, Session: context.Session, CA: []byte(context.CA), From: "context " + name})
		if err != nil {
			return err
		}
		defer c.api.Close()
		if err := c.api.Logout(cmd.Context()); err != nil && !fault.Is(err, fault.Unauthenticated) {
			return err
		}
	case context.APIKey != "":
		said = "forgot the API key of " + name + "; it stays good until its token is deleted"
	default:
		said = "nobody was logged in to " + name
	}
	context.Session, context.APIKey, context.Email = "", "", ""
	if err := (client.Contexts{}).Write(name, context); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.Out, said)
	return err
}
