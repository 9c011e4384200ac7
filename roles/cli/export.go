package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export KIND [NAME…]",
		Short: "Write objects as documents that apply takes",
		Long: "Write objects as documents that apply takes: a project with everything that lies in it, or objects of another kind, all of them without a name. " +
			"Names stand in place of ids, so that the documents can be applied elsewhere. What the server sets itself is left out, and so are secrets, unless --with-secrets asks for them.",
		Example: "  kowabunga export project web > web.yaml\n  kowabunga export template\n  kowabunga export region eu --contents --with-secrets",
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return kindNames(), cobra.ShellCompDirectiveNoFileComp
			}
			k, ok := catalogue.Named(args[0])
			if !ok {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(k, 0)(cmd, args[1:], typed)
		},
	}
	contents := cmd.Flags().Bool("contents", false, "what lies in them as well; always so for projects")
	secrets := cmd.Flags().Bool("with-secrets", false, "write passwords and keys that you may see; keep the result to yourself")
	labels := cmd.Flags().StringSliceP("label", "l", nil, "`TEST`: only objects with the label: KEY=VALUE, KEY!=VALUE, KEY or !KEY; may be repeated")
	return leaf(cmd, nil, []string{"yaml", "json"}, func(c *call, args []string) error {
		k, ok := catalogue.Named(args[0])
		if !ok {
			return unknownKind(args[0])
		}
		if !can(k, catalogue.Create) {
			return term.Usage(fmt.Errorf("objects of kind %s come and go with others and cannot be exported", k.Name))
		}
		e := &exporter{c: c, secrets: *secrets, query: url.Values{}}
		for _, test := range *labels {
			e.query.Add("label", test)
		}
		if err := e.gather(k, args[1:], *contents || k.Name == model.KindProject); err != nil {
			return advise(c, c.cmd, k, err)
		}
		return e.write()
	})
}

// exporter writes objects as documents.
type exporter struct {
	c       *call
	secrets bool
	query   url.Values
	found   []exported
}

type exported struct {
	kind *catalogue.Kind
	o    map[string]json.RawMessage
}

// gather finds the objects and, with contents, what lies in them.
func (e *exporter) gather(k *catalogue.Kind, names []string, contents bool) error {
	var roots []json.RawMessage
	var err error
	if len(names) == 0 {
		roots, err = e.c.api.Items(e.c.ctx, "list "+k.Plural, "/"+k.Plural, e.query)
	}
	for _, name := range names {
		var a *client.Answer
		if a, err = e.c.api.Do(e.c.ctx, client.Request{Op: "get " + string(k.Name) + " " + name, Path: pathOf(k, name)}); err != nil {
			return err
		}
		roots = append(roots, a.Body)
	}
	if err == nil {
		err = e.add(k, roots)
	}
	if err != nil || !contents {
		return err
	}
	for _, root := range slices.Clone(e.found) {
		w := newWithin(e.c, k.Name, text(root.o["id"]))
		for _, kind := range catalogue.Kinds {
			if !can(kind, catalogue.Create) {
				continue
			}
			items, err := w.items(kind, e.query)
			if err == nil {
				err = e.add(kind, items)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes objects, besides those that came with another one and those that go.
func (e *exporter) add(k *catalogue.Kind, items []json.RawMessage) error {
	for _, item := range items {
		var o map[string]json.RawMessage
		if err := json.Unmarshal(item, &o); err != nil {
			return fault.Wrap(err, fault.Internal, "read a "+string(k.Name))
		}
		seen := slices.ContainsFunc(e.found, func(f exported) bool { return text(f.o["id"]) == text(o["id"]) })
		if !seen && text(o["owner"]) == "" && text(o["phase"]) != string(model.Deleting) {
			e.found = append(e.found, exported{k, o})
		}
	}
	return nil
}

// write prints the documents, in the same order every time.
func (e *exporter) write() error {
	slices.SortStableFunc(e.found, func(a, b exported) int {
		return cmp.Or(rank(a.kind.Name)-rank(b.kind.Name), strings.Compare(text(a.o["name"]), text(b.o["name"])))
	})
	all := []json.RawMessage{}
	for _, f := range e.found {
		doc, err := e.document(f)
		if err != nil {
			return err
		}
		all = append(all, doc)
	}
	if e.c.is("json") {
		return e.c.t.JSON(all)
	}
	for i, doc := range all {
		if i > 0 {
			if _, err := fmt.Fprintln(e.c.t.Out, "---"); err != nil {
				return err
			}
		}
		if err := e.c.t.YAML(doc); err != nil {
			return err
		}
	}
	return nil
}

// document is an object as a document: kind, name, place, then what is not as the server would set it.
func (e *exporter) document(f exported) (json.RawMessage, error) {
	var d ordered
	d.add("kind", string(f.kind.Name))
	for i := range f.kind.Parents {
		kind := f.kind.Parents[i].Kind
		if id := text(f.o[string(kind)+"_id"]); id != "" {
			d.add(string(kind), e.c.names.unique(kind, id, nil))
		}
	}
	doc := form.New(f.kind)
	for i := range f.kind.Fields {
		field := &f.kind.Fields[i]
		value := form.Decode(f.o[field.Name])
		if field.Secret && !e.secrets && !form.Unset(field, value) {
			fmt.Fprintf(e.c.t.Err, "left out: %s of %s %s; --with-secrets writes it\n", field.Name, f.kind.Name, clean(text(f.o["name"])))
		}
		if !field.ReadOnly && (!field.Secret || e.secrets) && (field.Required || !form.Unset(field, value)) {
			doc.Values[field.Name] = form.Strip(field, value)
		}
	}
	if err := doc.Refs(func(kind model.Kind, ref, _ string) (string, error) { return e.c.names.unique(kind, ref, f.o), nil }); err != nil {
		return nil, err
	}
	for i := range f.kind.Fields {
		if value, given := doc.Values[f.kind.Fields[i].Name]; given {
			d.add(f.kind.Fields[i].Name, value)
		}
	}
	if labels, _ := form.Decode(f.o[form.Labels]).(map[string]any); len(labels) > 0 {
		d.add(form.Labels, labels)
	}
	for i := range f.kind.Ops {
		for j := range f.kind.Ops[i].Query {
			e.parameter(&d, f, &f.kind.Ops[i], &f.kind.Ops[i].Query[j])
		}
	}
	return d.json(), d.err
}

// parameter writes a parameter of the creation that the object still tells.
func (e *exporter) parameter(d *ordered, f exported, op *catalogue.Op, q *catalogue.Query) {
	name := form.ParameterName(q)
	field, told := f.kind.Field(name)
	if op.Verb != catalogue.Create || !told || !field.ReadOnly || d.has(name) {
		return
	}
	switch value := form.Decode(f.o[name]).(type) {
	case nil:
	case string:
		if value != "" && q.Ref != "" {
			value = e.c.names.unique(q.Ref, value, nil)
		}
		if value != "" {
			d.add(name, value)
		}
	default:
		if value != false {
			d.add(name, value)
		}
	}
}

// ordered is a JSON object whose members stand in the order they were added.
type ordered struct {
	names []string
	parts []json.RawMessage
	err   error
}

func (d *ordered) has(name string) bool { return slices.Contains(d.names, name) }

func (d *ordered) add(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil && d.err == nil {
		d.err = fault.Wrap(err, fault.Internal, "write "+name)
	}
	d.names, d.parts = append(d.names, name), append(d.parts, raw)
}

func (d *ordered) json() json.RawMessage {
	out := []byte{'{'}
	for i, name := range d.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, name) // names are plain words
		out = append(append(out, ':'), d.parts[i]...)
	}
	return append(out, '}')
}
