package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
)

// names turns ids into names and names into ids by asking the server.
type names struct {
	api   *client.Client
	ctx   context.Context
	known map[model.Kind]map[string]known
}

// known is what is remembered of an object.
type known struct {
	name    string
	parents map[model.Kind]string // ids
}

// object is what every object of API v2 says of itself.
type object struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Phase string `json:"phase"`
}

// name is the name of an object, or its id where the caller may not know the name. A whole kind is read
// at its first use: tables show many objects of few kinds.
func (n *names) name(kind model.Kind, id string) string {
	if id == "" {
		return ""
	}
	if name := n.all(kind)[id].name; name != "" {
		return name
	}
	return id
}

// all is what is known of a kind.
func (n *names) all(kind model.Kind) map[string]known {
	all, read := n.known[kind]
	if read {
		return all
	}
	all = map[string]known{}
	k := catalogue.Of(kind)
	items, err := n.api.Items(n.ctx, "read names", "/"+k.Plural, nil)
	for _, item := range items {
		var o map[string]json.RawMessage
		if err != nil || json.Unmarshal(item, &o) != nil {
			continue
		}
		one := known{name: text(o["name"]), parents: map[model.Kind]string{}}
		for i := range k.Parents {
			parent := k.Parents[i].Kind
			one.parents[parent] = text(o[string(parent)+"_id"])
		}
		all[text(o["id"])] = one
	}
	if n.known == nil {
		n.known = map[model.Kind]map[string]known{}
	}
	n.known[kind] = all
	return all
}

// unique is a name that finds the object again, or its id where no name does. From holds the object that
// refers to it: among those that lie where that one does the name is enough; nil for none.
func (n *names) unique(kind model.Kind, id string, from map[string]json.RawMessage) string {
	all, k := n.all(kind), catalogue.Of(kind)
	one := all[id]
	if one.name == "" || !ambiguous(k) {
		return n.name(kind, id)
	}
	same := 0
	for _, other := range all {
		near := other.name == one.name
		for i := range k.Parents {
			parent := k.Parents[i].Kind
			if at := text(from[string(parent)+"_id"]); at != "" && other.parents[parent] != at {
				near = false
			}
		}
		if near {
			same++
		}
	}
	if same != 1 {
		return id
	}
	return one.name
}

// id is the id of an object named by id or name. field is the field that refers to it, for the fault.
func (n *names) id(kind model.Kind, ref, field string) (string, error) {
	if model.ID(ref).Valid() {
		return ref, nil
	}
	op := "look " + string(kind) + " " + ref + " up"
	if ref == "" {
		return "", fault.Bad(field, "holds an empty name of a %s", kind)
	}
	a, err := n.api.Do(n.ctx, client.Request{Op: op, Path: pathOf(catalogue.Of(kind), ref)})
	if fault.Is(err, fault.NotFound) {
		return "", fault.Bad(field, "there is no %s %q, or you may not know of it", kind, ref)
	}
	if err != nil {
		return "", err
	}
	var o object
	if err := a.Decode(op, &o); err != nil {
		return "", err
	}
	return o.ID, nil
}

// pathOf is the path of an object, by id or name.
func pathOf(k *catalogue.Kind, ref string) string { return "/" + k.Plural + "/" + url.PathEscape(ref) }

// ambiguous tells whether objects of the kind in different places may have the same name.
func ambiguous(k *catalogue.Kind) bool {
	probe := k.Table.New()
	probe.Base().Name = "probe"
	for _, x := range k.Table.Unique {
		if x.Name == "name" && slices.Equal(x.Keys(probe), []string{"probe"}) {
			return false
		}
	}
	return true
}

// place is the flags for the kinds that objects of a kind lie in.
type place struct {
	kind *catalogue.Kind
	refs []*string
}

// placeFlags adds a flag for each parent, described by text. With must they are required.
func placeFlags(cmd *cobra.Command, k *catalogue.Kind, text string, must bool) *place {
	p := &place{kind: k}
	for i := range k.Parents {
		parent := k.Parents[i].Kind
		if must && asParameter(k, parent) {
			p.refs = append(p.refs, new(string))
			continue
		}
		ref := cmd.Flags().String(string(parent), "", "`"+upper(parent)+"` "+text)
		p.refs = append(p.refs, ref)
		group(cmd, "Place", string(parent))
		_ = cmd.RegisterFlagCompletionFunc(string(parent), completeFlag(catalogue.Of(parent), false))
		if must && !k.Parents[i].Optional {
			_ = cmd.Flags().SetAnnotation(string(parent), requiredKey, nil)
		}
	}
	return p
}

// asParameter tells whether creations name this parent by a query parameter of their own, for which there
// is a flag already.
func asParameter(k *catalogue.Kind, parent model.Kind) bool {
	for i := range k.Ops {
		for _, q := range k.Ops[i].Query {
			if k.Ops[i].Verb == catalogue.Create && q.Ref == parent {
				return true
			}
		}
	}
	return false
}

// query is the parents that were named, as API v2 takes them.
func (p *place) query() url.Values {
	q := url.Values{}
	if p == nil {
		return q
	}
	for i, ref := range p.refs {
		if *ref != "" {
			q.Set(string(p.kind.Parents[i].Kind), *ref)
		}
	}
	return q
}

// one finds the path of an object named on the command line; where a place is given it is looked for
// there.
func (c *call) one(op string, k *catalogue.Kind, p *place, ref string) (string, error) {
	q := p.query()
	if len(q) == 0 || model.ID(ref).Valid() {
		return pathOf(k, ref), nil
	}
	q.Set("name", ref)
	items, err := c.api.Items(c.ctx, op, "/"+k.Plural, q)
	if err != nil {
		return "", err
	}
	switch len(items) {
	case 0:
		return "", &fault.Error{Code: fault.NotFound, Op: op, Message: "there is none of this name there"}
	case 1:
		var o object
		if err := json.Unmarshal(items[0], &o); err != nil || o.ID == "" {
			return "", &fault.Error{Code: fault.Internal, Op: op, Message: "the server answered an object without an id"}
		}
		return pathOf(k, o.ID), nil
	}
	return "", &fault.Error{Code: fault.Conflict, Op: op, Message: "several have this name; use the id"}
}
