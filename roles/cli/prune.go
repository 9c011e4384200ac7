package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/term"
)

// pruning says which objects shall go because no document is about them.
type pruning struct {
	prune, all, yes *bool
	labels          *[]string
	project         *string
}

func pruneFlags(cmd *cobra.Command) *pruning {
	f := cmd.Flags()
	p := &pruning{
		prune:   f.Bool("prune", false, "delete objects that no document is about, of those that --project or --label selects"),
		project: f.String("project", "", "`PROJECT`: with --prune: objects of this project"),
		labels:  f.StringSliceP("label", "l", nil, "`TEST`: with --prune: objects with the label: KEY=VALUE, KEY!=VALUE, KEY or !KEY; may be repeated"),
		all:     f.Bool("prune-all", false, "with --prune: objects of all kinds, not only of those that documents are about"),
		yes:     new(bool),
	}
	if cmd.Name() == "apply" {
		p.yes = yesFlag(cmd)
	}
	_ = cmd.RegisterFlagCompletionFunc("project", completeFlag(catalogue.Of(model.KindProject), false))
	return p
}

// check refuses to prune what nobody selected.
func (p *pruning) check() error {
	selected := *p.project != "" || len(*p.labels) > 0
	switch {
	case *p.prune && !selected:
		return term.Usage(errors.New("--prune needs to be told among which objects: --project PROJECT or --label KEY=VALUE"))
	case !*p.prune && (selected || *p.all):
		return term.Usage(errors.New("--project, --label and --prune-all say what to prune; add --prune"))
	}
	return nil
}

// victim is an object that shall go.
type victim struct {
	kind     *catalogue.Kind
	id, name string
}

func (v victim) String() string { return string(v.kind.Name) + " " + v.name }

func (v victim) outcome() outcome {
	return outcome{Kind: string(v.kind.Name), Name: v.name, ID: v.id, Result: deleted}
}

// victims are the objects to delete, in an order in which nothing that remains depends on them.
func (p *pruning) victims(c *call, entries []*entry) ([]victim, error) {
	if !*p.prune {
		return nil, nil
	}
	kinds := kindsOf(entries)
	if *p.all {
		kinds = slices.Clone(catalogue.Kinds)
	}
	kept := map[string]bool{}
	for _, e := range entries {
		kept[e.id] = true
	}
	slices.SortStableFunc(kinds, func(a, b *catalogue.Kind) int { return rank(b.Name) - rank(a.Name) })
	inside, err := p.inside(c)
	if err != nil {
		return nil, err
	}
	var out []victim
	for _, k := range kinds {
		if !can(k, catalogue.Delete) || !can(k, catalogue.Create) {
			continue // these come and go with others
		}
		items, err := inside(k)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			var o struct {
				object
				Owner string `json:"owner"`
			}
			if err := json.Unmarshal(item, &o); err != nil {
				return nil, fault.Wrap(err, fault.Internal, "read a "+string(k.Name))
			}
			if !kept[o.ID] && o.Owner == "" && o.Phase != string(model.Deleting) {
				out = append(out, victim{k, o.ID, o.Name})
			}
		}
	}
	return out, nil
}

// inside lists the selected objects of a kind.
func (p *pruning) inside(c *call) (func(*catalogue.Kind) ([]json.RawMessage, error), error) {
	q := url.Values{}
	for _, test := range *p.labels {
		q.Add("label", test)
	}
	if *p.project == "" {
		return func(k *catalogue.Kind) ([]json.RawMessage, error) {
			return c.api.Items(c.ctx, "list "+k.Plural, "/"+k.Plural, q)
		}, nil
	}
	id, err := c.names.id(model.KindProject, *p.project, "project")
	if err != nil {
		return nil, err
	}
	w := newWithin(c, model.KindProject, id)
	return func(k *catalogue.Kind) ([]json.RawMessage, error) { return w.items(k, q) }, nil
}

// remove deletes them one after the other, after asking.
func (p *pruning) remove(c *call, victims []victim, report func(outcome, string) error) []error {
	if len(victims) == 0 {
		return nil
	}
	if !*p.yes {
		if !term.IsTerminal(c.t.In) {
			return []error{term.Usage(fmt.Errorf("%d objects would be deleted, first %s; that needs an answer and this is no terminal: say --yes to agree beforehand, --plan to see them all", len(victims), victims[0]))}
		}
		for _, v := range victims {
			fmt.Fprintln(c.t.Err, c.t.Signed("-", clean(v.String())))
		}
		if agreed, err := c.t.Confirm(fmt.Sprintf("Delete these %d?", len(victims)), false, "--yes"); err != nil || !agreed {
			return []error{&fault.Error{Code: fault.Cancelled, Op: "prune", Message: "nothing was deleted", Err: err}}
		}
	}
	r := newReconciler(c, false, nil)
	for _, v := range victims {
		_, err := r.send(client.Request{Op: "delete " + v.String(), Method: http.MethodDelete, Path: pathOf(v.kind, v.id), Once: true})
		if err == nil {
			err = report(v.outcome(), "deleted: "+v.String())
		}
		if err != nil {
			return []error{err}
		}
	}
	return nil
}
