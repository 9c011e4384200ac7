package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
)

// Results of a document.
const (
	created   = "created"
	changed   = "changed"
	unchanged = "unchanged"
	deleted   = "deleted"
)

// entry is a document against the object it is about.
type entry struct {
	doc     *form.Document
	id      string // empty while there is no object
	now     map[string]json.RawMessage
	parents map[model.Kind]string // ids
	changes []form.Change
	result  string
}

// reconciler brings documents and objects together. When it looks only, nothing is sent.
type reconciler struct {
	c       *call
	looking bool
	ids     map[string]string // of references, by kind and word
	coming  map[string]bool   // when it looks only: objects that documents are about, by kind and name
}

func newReconciler(c *call, looking bool, docs []*form.Document) *reconciler {
	r := &reconciler{c: c, looking: looking, ids: map[string]string{}, coming: map[string]bool{}}
	for _, doc := range docs {
		r.coming[string(doc.Kind.Name)+" "+doc.Name()] = true
	}
	return r
}

// comingPrefix marks the id of an object that does not exist yet. No id looks like it.
const comingPrefix = "new "

// id finds the id of a reference in a document. Names that are not unique by themselves are looked for
// where the document's own object lies.
func (r *reconciler) id(e *entry, kind model.Kind, ref, path string) (string, error) {
	if model.ID(ref).Valid() {
		return ref, nil
	}
	k := catalogue.Of(kind)
	q := url.Values{"name": {ref}}
	if ambiguous(k) {
		for i := range k.Parents {
			if id := e.parents[k.Parents[i].Kind]; id != "" && !strings.HasPrefix(id, comingPrefix) {
				q.Set(string(k.Parents[i].Kind), id)
			}
		}
	}
	key := string(kind) + "?" + q.Encode()
	if id := r.ids[key]; id != "" {
		return id, nil
	}
	items, err := r.c.api.Items(r.c.ctx, "look "+string(kind)+" "+ref+" up", "/"+k.Plural, q)
	if err != nil {
		return "", err
	}
	switch {
	case len(items) == 0 && r.looking && r.coming[string(kind)+" "+ref]:
		return comingPrefix + ref, nil
	case len(items) == 0:
		near := ""
		if name := r.c.near(k, ref); name != "" && name != ref {
			near = fmt.Sprintf("; did you mean %q?", name)
		}
		return "", fault.Bad(path, "there is no %s %q, or you may not know of it%s", kind, ref, near)
	case len(items) == 1:
		var o object
		if err := json.Unmarshal(items[0], &o); err != nil {
			return "", fault.Wrap(err, fault.Internal, "look "+ref+" up")
		}
		r.ids[key] = o.ID
		return o.ID, nil
	}
	return "", fault.Bad(path, "several objects of kind %s are called %q; use the id", kind, ref)
}

// look finds the object of a document and what the document would change.
func (r *reconciler) look(doc *form.Document) (*entry, error) {
	e := &entry{doc: doc, parents: map[model.Kind]string{}}
	for i := range doc.Kind.Parents {
		kind := doc.Kind.Parents[i].Kind
		ref := doc.Parents[kind]
		if ref == "" {
			continue
		}
		id, err := r.id(e, kind, ref, string(kind))
		if err != nil {
			return nil, err
		}
		e.parents[kind] = id
	}
	values := maps.Clone(doc.Values)
	resolved := *doc
	resolved.Values = values
	waits := false // for what a document before it makes
	if err := resolved.Refs(func(kind model.Kind, ref, path string) (string, error) {
		id, err := r.id(e, kind, ref, path)
		waits = waits || strings.HasPrefix(id, comingPrefix)
		return id, err
	}); err != nil {
		return nil, err
	}
	e.doc = &resolved
	if err := r.find(e); err != nil {
		return nil, err
	}
	e.changes = form.Compare(doc.Kind, e.now, values)
	switch {
	case e.id == "" && !can(doc.Kind, catalogue.Create):
		return nil, fault.Bad("kind", "there is no such %s, and it cannot be made: objects of this kind come and go with others", doc.Kind.Name)
	case e.id == "":
		e.result = created
	case len(e.changes) > 0 && waits:
		e.result = changed
	case len(e.changes) > 0:
		e.result = changed
		return e, r.weigh(e)
	default:
		e.result = unchanged
	}
	return e, nil
}

// find looks for the object: by name alone where that is enough, else by name and place; one without a
// name by its place.
func (r *reconciler) find(e *entry) error {
	k := e.doc.Kind
	q := url.Values{}
	if name := e.doc.Name(); name != "" {
		q.Set("name", name)
	}
	if q.Get("name") == "" || ambiguous(k) {
		for kind, id := range e.parents {
			if strings.HasPrefix(id, comingPrefix) {
				return nil // nothing can lie in what does not exist
			}
			q.Set(string(kind), id)
		}
	}
	if len(q) == 0 {
		return fault.Bad("name", "is missing: without it nothing says which %s is meant", k.Name)
	}
	items, err := r.c.api.Items(r.c.ctx, "look "+title(e.doc)+" up", "/"+k.Plural, q)
	if err != nil {
		return err
	}
	if len(items) > 1 {
		return fault.Bad("name", "several objects of kind %s are called so; say where it lies", k.Name)
	}
	if len(items) == 0 {
		return nil
	}
	if err := json.Unmarshal(items[0], &e.now); err != nil {
		return fault.Wrap(err, fault.Internal, "read "+title(e.doc))
	}
	e.id = text(e.now["id"])
	for kind, id := range e.parents {
		if is := text(e.now[string(kind)+"_id"]); is != id {
			return fault.Bad(string(kind), "the object lies in %s and cannot be moved to %s; delete it first, or give the document another name",
				r.c.names.name(kind, is), e.doc.Parents[kind])
		}
	}
	return nil
}

// apply makes the object what the document says. Nothing is sent when it is so already.
func (r *reconciler) apply(e *entry) error {
	switch e.result {
	case created:
		return r.create(e)
	case changed:
		return r.change(e)
	}
	return nil
}

func (r *reconciler) create(e *entry) error {
	k, q := e.doc.Kind, url.Values{}
	for kind, id := range e.parents {
		q.Set(string(kind), id)
		for i := range k.Ops {
			for _, param := range k.Ops[i].Query {
				if k.Ops[i].Verb == catalogue.Create && param.Ref == kind {
					q.Del(string(kind)) // creations of this kind have a parameter of their own for it
					q.Set(param.Name, id)
				}
			}
		}
	}
	for name, value := range e.doc.Query {
		q.Set(name, value)
	}
	body, err := form.Body(k, e.doc.Values)
	if err != nil {
		return err
	}
	a, err := r.send(client.Request{Op: "create " + title(e.doc), Method: http.MethodPost, Path: "/" + k.Plural, Query: q, Body: body, Once: true})
	if err != nil {
		return err
	}
	e.id = a
	return nil
}

func (r *reconciler) change(e *entry) error {
	request, err := e.update()
	if err == nil {
		_, err = r.send(request)
	}
	return err
}

// update is the request that makes the object what the document says.
func (e *entry) update() (client.Request, error) {
	values := maps.Clone(e.doc.Values)
	merge(e.doc.Kind, e.now, values)
	body, err := form.Body(e.doc.Kind, values)
	return client.Request{Op: "update " + title(e.doc), Method: http.MethodPut, Path: pathOf(e.doc.Kind, e.id), Query: url.Values{}, Body: body,
		Match: string(e.now["version"]), Once: true}, err
}

// weigh asks the server whether what differs here differs there: it writes some values its own way, such as
// MAC addresses in lower case. What it refuses to plan stays different; another document may be what makes
// it possible.
func (r *reconciler) weigh(e *entry) error {
	request, err := e.update()
	if err != nil {
		return err
	}
	if p, _, err := r.c.foresee(request); err == nil && len(p.Changes) == 0 && p.Operation == nil {
		e.changes, e.result = nil, unchanged
	}
	return nil
}

// send makes a request, follows the work that is left and returns the id of the object.
func (r *reconciler) send(request client.Request) (string, error) {
	a, err := r.c.api.Do(r.c.ctx, request)
	if err != nil {
		return "", err
	}
	if a.Status == http.StatusAccepted {
		o, err := client.ReadOperation(request.Op, a)
		if err != nil {
			return "", err
		}
		return string(o.Target.ID), r.c.follow(o)
	}
	var o object
	if len(a.Body) > 0 {
		if err := a.Decode(request.Op, &o); err != nil {
			return "", err
		}
		if k := catalogue.Of(model.Kind(o.Kind)); k != nil && request.Method == http.MethodPost {
			r.c.shownOnce(k, a.Body)
		}
	}
	return o.ID, nil
}

// label is a doc's object for people.
func (e *entry) label() string { return title(e.doc) }

// show prints what a document changes, as lines that begin with what happens: + comes, ~ changes, - goes.
func (r *reconciler) show(e *entry) error {
	sign := map[string]string{created: "+", changed: "~"}[e.result]
	if sign == "" {
		return nil
	}
	if err := r.c.mark(sign, e.label()); err != nil {
		return err
	}
	if e.result == created {
		for i := range e.doc.Kind.Parents {
			kind := e.doc.Kind.Parents[i].Kind
			if ref := e.doc.Parents[kind]; ref != "" {
				if err := r.c.say("    %s: %s", kind, ref); err != nil {
					return err
				}
			}
		}
	}
	for _, change := range e.changes {
		if e.result == created && change.Path == "name" {
			continue
		}
		if err := r.c.say("    %s", r.words(e, change)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reconciler) words(e *entry, change form.Change) string {
	name := func(kind model.Kind, id string) string {
		if ref, ok := strings.CutPrefix(id, comingPrefix); ok {
			return ref
		}
		return r.c.names.name(kind, id)
	}
	after := form.Words(change.Field, change.After, name)
	if e.result == created {
		return change.Path + ": " + after
	}
	line := fmt.Sprintf("%s: %s -> %s", change.Path, form.Words(change.Field, change.Before, name), after)
	if change.Field != nil && change.Field.Immutable {
		line += "   (cannot be changed after creation)"
	}
	return line
}

// mark prints a line behind a sign, in the sign's colour.
func (c *call) mark(sign, line string) error {
	_, err := fmt.Fprintln(c.t.Out, c.t.Signed(sign, clean(line)))
	return err
}
