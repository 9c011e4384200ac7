package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

func upper[T ~string](word T) string { return strings.ToUpper(string(word)) }

func listCommand(k *catalogue.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List " + k.Plural,
		Long:    "List the " + k.Plural + " you may see.",
		Example: "  kowabunga " + string(k.Name) + " list\n  kowabunga " + string(k.Name) + " list -o json | jq -r '.[].name'",
		Args:    cobra.NoArgs,
	}
	if len(k.Parents) > 0 {
		parent := k.Parents[0].Kind
		cmd.Example += fmt.Sprintf("\n  kowabunga %s list --%s %s", k.Name, parent, sample[parent])
	}
	p := placeFlags(cmd, k, "list only those in it, by name or id", false)
	name := cmd.Flags().String("name", "", "`NAME`: list only those with this name")
	return leaf(cmd, k, true, func(c *call, _ []string) error {
		q := p.query()
		if *name != "" {
			q.Set("name", *name)
		}
		items, err := c.api.Items(c.ctx, "list "+k.Plural, "/"+k.Plural, q)
		if err != nil {
			return err
		}
		if c.json() {
			return c.t.JSON(items)
		}
		return c.rows(k, items)
	})
}

// rows prints objects as a table: name, the columns of the catalogue, where they lie, their phase if one
// of them is not ready, and the id.
func (c *call) rows(k *catalogue.Kind, items []json.RawMessage) error {
	objects := make([]map[string]json.RawMessage, len(items))
	phases := false
	for i, item := range items {
		if err := json.Unmarshal(item, &objects[i]); err != nil {
			return err
		}
		phases = phases || text(objects[i]["phase"]) != "ready" && text(objects[i]["phase"]) != ""
	}
	table := &term.Table{}
	for i := range k.Fields {
		if f := &k.Fields[i]; f.Column {
			table.Head = append(table.Head, f.Name)
		}
	}
	for i := range k.Parents {
		table.Head = append(table.Head, string(k.Parents[i].Kind))
	}
	if phases {
		table.Head = append(table.Head, "phase")
	}
	table.Head = append(table.Head, "id")
	for _, o := range objects {
		var cells []string
		for i := range k.Fields {
			if f := &k.Fields[i]; f.Column {
				cells = append(cells, form.Show(f, o[f.Name], c.names.name))
			}
		}
		for i := range k.Parents {
			parent := k.Parents[i].Kind
			cells = append(cells, c.names.name(parent, text(o[string(parent)+"_id"])))
		}
		if phases {
			cells = append(cells, text(o["phase"]))
		}
		table.Add(append(cells, text(o["id"]))...)
	}
	if table.Len() == 0 {
		_, err := fmt.Fprintf(c.t.Err, "no %s\n", k.Plural)
		return err
	}
	return c.t.Table(table)
}

// text is a JSON string, empty for anything else.
func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func getCommand(k *catalogue.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Aliases:           []string{"show"},
		Short:             "Show one " + string(k.Name),
		Long:              "Show one " + k.Title + " with all its fields.",
		Example:           fmt.Sprintf("  kowabunga %s get %s\n  kowabunga %s get %s -o json", k.Name, sample[k.Name], k.Name, sample[k.Name]),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	p := narrowing(cmd, k)
	return leaf(cmd, k, true, func(c *call, args []string) error {
		op := "get " + string(k.Name) + " " + args[0]
		path, err := c.one(op, k, p, args[0])
		if err != nil {
			return err
		}
		a, err := c.api.Do(c.ctx, client.Request{Op: op, Path: path})
		if err != nil {
			return err
		}
		if c.json() {
			return c.t.JSON(json.RawMessage(a.Body))
		}
		return c.sheet(k, a)
	})
}

// narrowing adds place flags to a command on one object, where a name alone may not be enough.
func narrowing(cmd *cobra.Command, k *catalogue.Kind) *place {
	if !ambiguous(k) {
		return nil
	}
	return placeFlags(cmd, k, "where it lies, when the name alone is not enough", false)
}

// sheet prints one object, a line for each field it has.
func (c *call) sheet(k *catalogue.Kind, a *client.Answer) error {
	var o map[string]json.RawMessage
	if err := a.Decode("show the "+string(k.Name), &o); err != nil {
		return err
	}
	table := &term.Table{}
	add := func(name, value string) {
		if _, has := o[name]; has {
			table.Add(name, value)
		}
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		add(f.Name, form.Show(f, o[f.Name], c.names.name))
	}
	for i := range k.Parents {
		parent := k.Parents[i].Kind
		if id := text(o[string(parent)+"_id"]); id != "" {
			table.Add(string(parent), c.naming(parent, id))
		}
	}
	for _, name := range []string{"phase", "operation", "created", "updated"} {
		add(name, text(o[name]))
	}
	return c.t.Table(table)
}

// naming shows name and id.
func (c *call) naming(kind model.Kind, id string) string {
	if name := c.names.name(kind, id); name != id {
		return name + " (" + id + ")"
	}
	return id
}
