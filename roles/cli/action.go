package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

// says is what each action does, for help; %s are its objects.
var says = map[string]string{
	"start":    "Start %s",
	"stop":     "Stop %s at once, as if the power were cut",
	"shutdown": "Ask the guests of %s to shut down",
	"reboot":   "Ask the guests of %s to restart",
	"reset":    "Restart %s at once, as if the reset button were pressed",
	"suspend":  "Halt %s where they are",
	"resume":   "Let suspended %s go on",
	"reseed":   "Write the configuration disks of %s anew; they are read at the next start",
	"replace":  "Move nodes of %s off hosts that are not connected; for hosts known to be dead",
	"fence":    "Say that hosts of %s are off, or were made anew, so that nothing waits for them",
	"waive":    "Say that %s hold nothing of what was lost, so that allocations do not wait for them",
	"connect":  "Make a ticket for its screen: a URL for one client, good for a minute",
	"state":    "Say how it is right now, asked of its host",
	"status":   "Show how its agents stand to what is wanted of them",
	"caps":     "Show the hardware its agent reported",
	"token":    "Draw a new key, shown once; the old one becomes worthless",
	"password": "Set a password; sessions of the user end",

	"newPassword":   "Draw a new password, shown once; sessions of the user end",
	"resetPassword": "Mail %s a link that draws a new password",
	"enable":        "Open %s that were shut",
	"disable":       "Shut %s: no login, no API key; sessions end",
}

// saying is what an action of objects does.
func saying(k *catalogue.Kind, op *catalogue.Op) string {
	if op.Action == "default" {
		return fmt.Sprintf("Make %s the default of its %s", article(string(k.Name)), op.Params[0].Kind)
	}
	said, ok := says[op.Action]
	switch {
	case !ok && op.Method == http.MethodGet:
		said = "Show the " + op.Action + " of %s"
	case !ok:
		said = strings.ToUpper(op.Action[:1]) + op.Action[1:] + " %s"
	case !strings.Contains(said, "%s"):
		return said
	}
	return fmt.Sprintf(said, k.Plural)
}

func actionCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	switch {
	case op.Action == "token":
		return tokenCommand(k, op)
	case op.Action == "password":
		return passwordCommand(k)
	case op.Action == "newPassword":
		return newPasswordCommand(k, op)
	case op.Method == http.MethodGet:
		return figureCommand(k, op)
	}
	return doCommand(k, op)
}

// spoken is the word for an action: resetPassword is typed reset-password.
func spoken(action string) string {
	var b strings.Builder
	for _, r := range action {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// doCommand makes an action of objects, several at once where that has a meaning.
func doCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	name := spoken(op.Action)
	cmd := &cobra.Command{
		Use:               name + " NAME…",
		Short:             saying(k, op),
		Long:              saying(k, op) + ".",
		Example:           fmt.Sprintf("  kowabunga %s %s %s", k.Name, name, nameOf(k.Name)),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames(k, 0),
	}
	if name != op.Action {
		cmd.Aliases = []string{op.Action}
	}
	if op.Action == "default" {
		cmd.Use, cmd.Args, cmd.ValidArgsFunction = op.Action+" NAME", cobra.ExactArgs(1), completeNames(k, 1)
		cmd.Long += " It is taken where none is named; the default before ceases to be it."
	}
	p := narrowing(cmd, k)
	queries := queryFlags(cmd, op)
	a := writeFlags(cmd, false)
	a.planning = planFlags(cmd)
	return leaf(cmd, k, asText, func(c *call, args []string) error {
		return c.each(k, p, args, name, op.Method, "/"+op.Action, queries, a)
	})
}

// each does one thing with several objects: all are begun, then followed, so that the server works on
// them side by side. What one is refused does not keep the others from it.
func (c *call) each(k *catalogue.Kind, p *place, refs []string, verb, method, below string, queries map[string]*form.Input, a *asked) error {
	if a.planning != nil && *a.pin != "" && len(refs) > 1 {
		return term.Usage(errors.New("--pin holds one object to its plan; name one"))
	}
	var begun []work
	var failed []error
	for _, ref := range refs {
		r, err := c.request(k, p, ref, verb, method, below, queries, a)
		if err == nil && a.wanted() {
			if err := c.showPlan(r); err != nil {
				return err
			}
			continue
		}
		var o *client.Operation
		if err == nil && c.gone != nil {
			err = c.remember(r, ref)
		}
		if err == nil {
			o, err = c.begin(r)
		}
		switch {
		case err != nil:
			failed = append(failed, err)
			err = nil
		case o == nil:
			err = c.done(k, verb, ref, ref)
		case !a.follow():
			err = c.begun(o)
		default:
			begun = append(begun, work{o, ref})
		}
		if err != nil {
			return err // nobody reads what is said
		}
	}
	for _, w := range begun {
		if err := c.follow(w.Operation); err != nil {
			failed = append(failed, err)
			continue
		}
		if err := c.done(k, verb, w.ref, w.Target.Name); err != nil {
			return err
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// work is an operation on an object, by what that was called.
type work struct {
	*client.Operation
	ref string
}

// done says that a thing was done, or keeps it for the result.
func (c *call) done(k *catalogue.Kind, verb, ref, name string) error {
	if c.gone != nil {
		c.gone.is[ref] = true
		return nil
	}
	return c.say("%s: %s %s", verb, k.Name, name)
}

// request is the request that does one thing with an object. a may be nil.
func (c *call) request(k *catalogue.Kind, p *place, ref, verb, method, below string, queries map[string]*form.Input, a *asked) (client.Request, error) {
	r := client.Request{Op: verb + " " + string(k.Name) + " " + ref, Method: method, Query: url.Values{}, Once: true}
	path, err := c.one(r.Op, k, p, ref)
	r.Path = path + below
	addQuery(r.Query, queries)
	if a != nil {
		a.addTo(r.Query)
	}
	return r, err
}

// begin sends a request. The operation is nil when nothing is left to do.
func (c *call) begin(r client.Request) (*client.Operation, error) {
	answer, err := c.api.Do(c.ctx, r)
	if err != nil || answer.Status != http.StatusAccepted {
		return nil, err
	}
	return client.ReadOperation(r.Op, answer)
}

// figureCommand shows figures that the server answers about an object.
func figureCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:               op.Action + " NAME",
		Short:             saying(k, op),
		Long:              saying(k, op) + ".",
		Example:           fmt.Sprintf("  kowabunga %s %s %s", k.Name, op.Action, nameOf(k.Name)),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	p := narrowing(cmd, k)
	return leaf(cmd, k, asData, func(c *call, args []string) error {
		what := "read the " + op.Action + " of " + string(k.Name) + " " + args[0]
		path, err := c.one(what, k, p, args[0])
		if err != nil {
			return err
		}
		a, err := c.api.Do(c.ctx, client.Request{Op: what, Path: path + "/" + op.Action})
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(json.RawMessage(a.Body))
		}
		var tree map[string]any
		if err := a.Decode(what, &tree); err != nil {
			return err
		}
		table := &term.Table{}
		figures(table, "", tree)
		return c.t.Table(table)
	})
}

// figures adds a line for each value of an answer without a catalogue entry, in order of name.
func figures(table *term.Table, prefix string, tree map[string]any) {
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch v := tree[name].(type) {
		case map[string]any:
			figures(table, prefix+name+" ", v)
		case float64:
			text := strconv.FormatFloat(v, 'f', -1, 64)
			if strings.HasSuffix(name, "memory") {
				text = term.Bytes(int64(v))
			}
			table.Add(prefix+name, text)
		case []any:
			lines(table, prefix+name, v)
		default:
			table.Add(prefix+name, fmt.Sprint(v))
		}
	}
}

func whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Say who the credentials belong to",
		Long:    "Say who the credentials belong to and what role that is. It is the quickest proof that a key is good and the server is reached.",
		Example: "  kowabunga whoami\n  kowabunga whoami --credentials DIR/credentials.json",
		Args:    cobra.NoArgs,
	}
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		a, err := c.api.Do(c.ctx, client.Request{Op: "ask who I am", Path: "/whoami"})
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(json.RawMessage(a.Body))
		}
		var tree map[string]any
		if err := a.Decode("ask who I am", &tree); err != nil {
			return err
		}
		table := &term.Table{}
		figures(table, "", tree)
		return c.t.Table(table)
	})
}
