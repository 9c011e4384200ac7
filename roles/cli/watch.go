package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
)

func watchFlag(cmd *cobra.Command) *bool {
	watch := cmd.Flags().BoolP("watch", "w", false, "go on with what changes, until you interrupt it")
	if cmd.Flags().Lookup("as-of") != nil {
		cmd.MarkFlagsMutuallyExclusive("watch", "as-of")
	}
	return watch
}

// pokes reports that something of a kind changed, not what: several changes may be one poke. The first
// comes when the stream of events is open, so that nothing happens unseen after it. ended gives why there
// are no more.
func (c *call) pokes(kinds ...string) (poked <-chan struct{}, ended <-chan error) {
	pokes, ends := make(chan struct{}, 1), make(chan error, 1)
	poke := func() {
		select {
		case pokes <- struct{}{}:
		default:
		}
	}
	wanted := map[string]bool{}
	for _, kind := range kinds {
		wanted[kind] = true
	}
	w := client.Watching{Follow: true, Opened: poke, Broken: func(err error) {
		fmt.Fprintf(c.t.Err, "kowabunga: %v; connecting again\n", err)
	}}
	go func() {
		ends <- c.api.Watch(c.ctx, w, func(change *client.Change) error {
			for _, one := range change.Changes {
				if len(wanted) == 0 || wanted[one.Kind] {
					poke()
				}
			}
			return nil
		})
	}()
	return pokes, ends
}

// watch shows objects, then each one again when it changes, until it is interrupted. What is read again
// is the whole list, so that filters hold for changes too.
func (c *call) watch(k *catalogue.Kind, read func() ([]json.RawMessage, error)) error {
	shown := &watched{c: c, kind: k, known: map[string]json.RawMessage{}, rows: c.columns(k)}
	shown.rows.phases = true
	poked, ended := c.pokes(string(k.Name))
	for {
		select {
		case err := <-ended:
			return err
		case <-poked:
		}
		items, err := read()
		switch {
		case c.ctx.Err() != nil:
			return <-ended
		case fault.Is(err, fault.Unavailable):
			continue // the stream breaks as well, and says so
		case err != nil:
			return err
		}
		if err := shown.look(items); err != nil {
			return err
		}
	}
}

// watched is what a person saw of a list.
type watched struct {
	c     *call
	kind  *catalogue.Kind
	known map[string]json.RawMessage
	order []string
	rows  *columns
}

// look shows what is new, what changed and what is gone since the last look.
func (w *watched) look(items []json.RawMessage) error {
	var changed []json.RawMessage
	there := map[string]bool{}
	for _, item := range items {
		var o object
		if err := json.Unmarshal(item, &o); err != nil {
			return fault.Wrap(err, fault.Internal, "read a "+string(w.kind.Name))
		}
		there[o.ID] = true
		before, seen := w.known[o.ID]
		if !seen {
			w.order = append(w.order, o.ID)
		}
		if !bytes.Equal(before, item) {
			changed = append(changed, item)
		}
		w.known[o.ID] = item
	}
	left := w.order[:0]
	for _, id := range w.order {
		if there[id] {
			left = append(left, id)
			continue
		}
		gone, err := phased(w.known[id], "deleted")
		if err != nil {
			return err
		}
		changed = append(changed, gone)
		delete(w.known, id)
	}
	w.order = left
	return w.show(changed)
}

// phased is an object with another phase.
func phased(item json.RawMessage, phase string) (json.RawMessage, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(item, &o); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read an object")
	}
	o["phase"], _ = json.Marshal(phase) // a string can be written
	raw, err := json.Marshal(o)
	return raw, fault.Wrap(err, fault.Internal, "write an object")
}

// show prints a row or a document for each object; as JSON one on each line.
func (w *watched) show(items []json.RawMessage) error {
	switch {
	case w.c.is("json"):
		for _, item := range items {
			if _, err := fmt.Fprintf(w.c.t.Out, "%s\n", item); err != nil {
				return err
			}
		}
		return nil
	case w.c.is("yaml"):
		for _, item := range items {
			if _, err := fmt.Fprintln(w.c.t.Out, "---"); err != nil {
				return err
			}
			if err := w.c.t.YAML(item); err != nil {
				return err
			}
		}
		return nil
	case w.c.is("name"):
		return w.c.objects(w.kind, items)
	case len(items) == 0 && w.rows.table.Head != nil:
		return nil
	}
	return w.rows.show(items)
}
