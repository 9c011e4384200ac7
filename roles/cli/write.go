package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

// asked is the flags of a write besides what it writes.
type asked struct {
	noWait, wait, dryRun *bool
	*planning            // nil where no plan can be made
}

func writeFlags(cmd *cobra.Command, dry bool) *asked {
	a := &asked{
		wait:   cmd.Flags().Bool("wait", true, "follow the work until it is finished"),
		noWait: cmd.Flags().Bool("no-wait", false, "answer with the operation and do not follow it"),
		dryRun: new(bool),
	}
	cmd.Flags().Lookup("wait").Hidden = true // it is the default
	cmd.MarkFlagsMutuallyExclusive("wait", "no-wait")
	if dry {
		a.dryRun = cmd.Flags().Bool("dry-run", false, "show the request that would be sent, and send nothing")
	}
	return a
}

func (a *asked) follow() bool { return *a.wait && !*a.noWait }

// queryFlags adds a flag for each query parameter of an operation.
func queryFlags(cmd *cobra.Command, op *catalogue.Op) map[string]*form.Input {
	out := map[string]*form.Input{}
	for _, q := range op.Query {
		f := &catalogue.Field{Name: q.Name, Type: q.Type, Ref: q.Ref, Doc: q.Doc}
		if q.Default != "" {
			f.Default = q.Default
		}
		out[q.Name] = inputFlag(cmd, f, true)
		title := "Fields"
		if op.Verb == catalogue.Action || op.Verb == catalogue.Delete {
			title = "Flags"
		}
		group(cmd, title, form.FlagName(q.Name, false))
	}
	return out
}

// article puts a or an before a word.
func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// addQuery adds the parameters that were given; the server takes names as well as ids.
func addQuery(to url.Values, inputs map[string]*form.Input) {
	for name, in := range inputs {
		if in.Given {
			to.Set(name, fmt.Sprint(in.Value))
		}
	}
}

func createCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "create [NAME]",
		Aliases:           []string{"new"},
		Short:             "Create " + article(k.Title),
		Long:              "Create " + article(k.Title) + ". " + k.Summary + "\n\nWhat takes a while is followed until it is finished; it goes on if you interrupt this command.",
		Example:           createExamples(k),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	p := placeFlags(cmd, k, "where it lies, by name or id", true)
	s := fieldFlags(cmd, k, true)
	queries := queryFlags(cmd, op)
	a := writeFlags(cmd, true)
	a.planning = planFlags(cmd)
	return leaf(cmd, k, asObjects, func(c *call, args []string) error {
		doc, err := s.gather(c, nil)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			if s.inputs["name"].Given {
				return term.Usage(fmt.Errorf("the name stands twice: as argument and as --name"))
			}
			doc.Values["name"] = args[0]
		}
		q := p.query()
		for kind, ref := range doc.Parents {
			if q.Get(string(kind)) == "" {
				q.Set(string(kind), ref)
			}
		}
		if err := s.complete(k, doc, q); err != nil {
			return err
		}
		for name, value := range doc.Query {
			q.Set(name, value)
		}
		addQuery(q, queries)
		body, err := form.Body(k, doc.Values)
		if err != nil {
			return err
		}
		r := client.Request{Op: strings.TrimSpace("create " + string(k.Name) + " " + doc.Name()), Method: http.MethodPost, Path: "/" + k.Plural, Query: q, Body: body, Once: true}
		return c.write(k, r, a, doc.Values)
	})
}

// complete refuses a creation that the server would refuse for what is missing, and names all of it.
func (s *fields) complete(k *catalogue.Kind, doc *form.Document, q url.Values) error {
	var missing []string
	for i := range k.Parents {
		if parent := string(k.Parents[i].Kind); q.Get(parent) == "" && !k.Parents[i].Optional {
			missing = append(missing, "--"+parent)
		}
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if _, given := doc.Values[f.Name]; given || f.ReadOnly || !needed(f) {
			continue
		}
		if f.Name == "name" {
			missing = append([]string{"NAME"}, missing...)
			continue
		}
		missing = append(missing, "--"+form.FlagName(f.Name, f.Secret))
	}
	if len(missing) == 0 {
		return nil
	}
	return term.Usage(fmt.Errorf("%s needs %s as well", article(string(k.Name)), strings.Join(missing, ", ")))
}

func updateCommand(k *catalogue.Kind, _ *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "update NAME",
		Aliases:           []string{"set"},
		Short:             "Change " + article(k.Title),
		Long:              "Change " + article(k.Title) + ". What is not named stays as it is.",
		Example:           updateExamples(k),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	p := narrowing(cmd, k)
	s := fieldFlags(cmd, k, false)
	a := writeFlags(cmd, true)
	a.planning = planFlags(cmd)
	return leaf(cmd, k, asObjects, func(c *call, args []string) error {
		if !s.given() {
			return term.Usage(fmt.Errorf("there is nothing to change; name at least one field"))
		}
		op := "update " + string(k.Name) + " " + args[0]
		path, err := c.one(op, k, p, args[0])
		if err != nil {
			return err
		}
		now, err := c.api.Do(c.ctx, client.Request{Op: op, Path: path})
		if err != nil {
			return err
		}
		var current map[string]json.RawMessage
		if err := now.Decode(op, &current); err != nil {
			return err
		}
		doc, err := s.gather(c, current)
		if err != nil {
			return err
		}
		merge(k, current, doc.Values)
		body, err := form.Body(k, doc.Values)
		if err != nil {
			return err
		}
		read := string(current["version"])
		err = c.write(k, client.Request{Op: op, Method: http.MethodPut, Path: path, Body: body, Match: read, Once: true}, a, doc.Values)
		if fault.Is(err, fault.Conflict) && c.version(path) != read {
			return term.Hint(err, "the same command again")
		}
		return err
	})
}

// version is the one an object has by now, empty when it cannot be read.
func (c *call) version(path string) string {
	a, err := c.api.Do(c.ctx, client.Request{Op: "read the version", Path: path})
	if err != nil {
		return ""
	}
	var o map[string]json.RawMessage
	_ = json.Unmarshal(a.Body, &o) // no object: no version
	return string(o["version"])
}

// merge adds to the values what a PUT has to repeat so that it stays as it is: fields that are required
// or mean their default when absent. A secret that the caller may not see is never overwritten by the
// empty text he sees instead.
func merge(k *catalogue.Kind, current map[string]json.RawMessage, values map[string]any) {
	for i := range k.Fields {
		f := &k.Fields[i]
		raw, has := current[f.Name]
		if !has || f.ReadOnly || f.Secret && string(raw) == `""` {
			continue
		}
		given, changed := values[f.Name]
		switch {
		case changed && f.Type == catalogue.Object:
			values[f.Name] = laid(form.Decode(raw), given)
		case !changed && (f.Required || f.Replace):
			values[f.Name] = raw
		}
	}
}

// write sends a creation or a change and shows what came of it.
func (c *call) write(k *catalogue.Kind, r client.Request, a *asked, values map[string]any) error {
	if r.Query == nil {
		r.Query = url.Values{}
	}
	switch {
	case *a.dryRun:
		return c.rehearse(k, r, values)
	case a.wanted():
		return c.showPlan(r)
	}
	a.addTo(r.Query)
	answer, err := c.api.Do(c.ctx, r)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusAccepted {
		o, err := client.ReadOperation(r.Op, answer)
		if err != nil {
			return err
		}
		if !a.follow() {
			return c.begun(o)
		}
		if err := c.follow(o); err != nil {
			return err
		}
		if answer, err = c.api.Do(c.ctx, client.Request{Op: r.Op, Path: pathOf(k, string(o.Target.ID))}); err != nil {
			return err
		}
	}
	if c.data() {
		return c.print(json.RawMessage(answer.Body))
	}
	if err := c.objects(k, []json.RawMessage{answer.Body}); err != nil {
		return err
	}
	var drawn struct {
		Password string `json:"password"`
	}
	if k.Name != model.KindUser || json.Unmarshal(answer.Body, &drawn) != nil || drawn.Password == "" {
		return nil
	}
	fmt.Fprintln(c.t.Err, "The password, shown this once:")
	return c.say("%s", drawn.Password)
}

// shownOnce tells of what the server drew and shows in this answer alone: a password, a key.
func (c *call) shownOnce(k *catalogue.Kind, body []byte) {
	var o map[string]json.RawMessage
	_ = json.Unmarshal(body, &o) // an answer without a body has none
	for _, name := range []string{"password", "key"} {
		if _, isField := k.Field(name); !isField && text(o[name]) != "" {
			fmt.Fprintf(c.t.Err, "The %s of %s %s, shown this once: %s\n", name, k.Name, clean(text(o["name"])), clean(text(o[name])))
		}
	}
}

// rehearse shows a request instead of sending it. Secrets are not shown.
func (c *call) rehearse(k *catalogue.Kind, r client.Request, values map[string]any) error {
	shown := map[string]any{}
	for name, v := range values {
		if f, ok := k.Field(name); ok && f.Secret {
			v = "(hidden)"
		}
		shown[name] = v
	}
	target := "/api/v2" + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	if c.data() {
		return c.print(struct {
			Method string         `json:"method"`
			Path   string         `json:"path"`
			Body   map[string]any `json:"body"`
		}{r.Method, target, shown})
	}
	body, err := form.Body(k, shown)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.t.Out, "%s %s\n", r.Method, target)
	return c.t.JSON(json.RawMessage(body))
}
