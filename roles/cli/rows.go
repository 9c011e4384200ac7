package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

func upper[T ~string](word T) string { return strings.ToUpper(string(word)) }

// objects shows objects of a kind in the form that is wanted.
func (c *call) objects(k *catalogue.Kind, items []json.RawMessage) error {
	switch {
	case c.data():
		return c.print(items)
	case c.is("name"):
		for _, item := range items {
			if err := c.say("%s/%s", k.Name, nameIn(item)); err != nil {
				return err
			}
		}
		return nil
	}
	r := c.columns(k)
	for _, item := range items {
		o, err := r.read(item)
		if err != nil {
			return err
		}
		r.phases = r.phases || text(o["phase"]) != "ready" && text(o["phase"]) != ""
	}
	return r.show(items)
}

func nameIn(item json.RawMessage) string {
	var o object
	_ = json.Unmarshal(item, &o) // what has no name is shown without
	return o.Name
}

// columns shows objects as rows of a table: name, the columns of the catalogue, where they lie, their
// phase if one of them is not ready, and the id; wide ones are described as well.
type columns struct {
	c      *call
	kind   *catalogue.Kind
	table  *term.Table
	phases bool
}

func (c *call) columns(k *catalogue.Kind) *columns {
	return &columns{c: c, kind: k, table: &term.Table{}, phases: c.is("wide")}
}

func (r *columns) read(item json.RawMessage) (map[string]json.RawMessage, error) {
	var o map[string]json.RawMessage
	err := json.Unmarshal(item, &o)
	return o, fault.Wrap(err, fault.Internal, "read a "+string(r.kind.Name))
}

// show prints a row for each object, under headings the first time.
func (r *columns) show(items []json.RawMessage) error {
	if r.table.Head == nil {
		r.head()
	}
	for _, item := range items {
		o, err := r.read(item)
		if err != nil {
			return err
		}
		r.table.Add(r.cells(o)...)
	}
	if r.table.Len() == 0 {
		_, err := fmt.Fprintf(r.c.t.Err, "no %s\n", r.kind.Plural)
		return err
	}
	return r.c.t.Rows(r.table)
}

func (r *columns) head() {
	var head []string
	for i := range r.kind.Fields {
		if f := &r.kind.Fields[i]; f.Column {
			head = append(head, f.Name)
		}
	}
	for i := range r.kind.Parents {
		head = append(head, string(r.kind.Parents[i].Kind))
	}
	if r.phases {
		head = append(head, "phase")
	}
	if r.c.is("wide") {
		head = append(head, "description", "labels", "created")
	}
	r.table.Head = append(head, "id")
}

func (r *columns) cells(o map[string]json.RawMessage) []string {
	var cells []string
	for i := range r.kind.Fields {
		if f := &r.kind.Fields[i]; f.Column {
			cells = append(cells, form.Show(f, o[f.Name], r.c.names.name))
		}
	}
	for i := range r.kind.Parents {
		parent := r.kind.Parents[i].Kind
		cells = append(cells, r.c.names.name(parent, text(o[string(parent)+"_id"])))
	}
	if r.phases {
		cells = append(cells, text(o["phase"]))
	}
	if r.c.is("wide") {
		created, _ := time.Parse(time.RFC3339, text(o["created"])) // shown empty when there is none
		cells = append(cells, text(o["description"]), labels(o["labels"]), local(created))
	}
	return append(cells, text(o["id"]))
}

// labels writes labels as flags take them, in order of key.
func labels(raw json.RawMessage) string {
	var all map[string]string
	_ = json.Unmarshal(raw, &all) // an object without labels
	var out []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, key+"="+all[key])
	}
	return strings.Join(out, ",")
}

// text is a JSON string, empty for anything else.
func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
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
	add("labels", labels(o["labels"]))
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
