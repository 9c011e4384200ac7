package api

import (
	"net/http"
	"net/url"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
)

// create makes an object. Its parents are query parameters named by their kinds, each an id or a name:
// POST /api/v2/komputes?project=web&zone=eu-a. Of a kind that can be created under several paths, the
// parents that are named choose one.
func (r *resource) create(ops []*catalogue.Op) func(*call) error {
	return func(c *call) error {
		v := r.api.Views.View()
		q, err := values(c.r)
		if err != nil {
			return err
		}
		within, err := r.parents(present(v), c, q)
		if err != nil {
			return err
		}
		op, kind := creation(ops, within)
		if kind != "" {
			return fault.Bad(string(kind), "is required as a query parameter: id or name of the %s", kind)
		}
		path := make(map[string]model.ID, len(op.Params))
		for _, p := range op.Params {
			path[p.Name] = within[p.Kind]
		}
		return r.send(c, operate.Request{Op: op, Path: path}, op.Query, v, q, "")
	}
}

// absent is the first parent of a creation that is not named, empty when all are.
func absent(op *catalogue.Op, within map[model.Kind]model.ID) model.Kind {
	for _, p := range op.Params {
		if within[p.Kind] == "" {
			return p.Kind
		}
	}
	return ""
}

// change serves PUT, DELETE and actions on one object, by id or name.
func (r *resource) change(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		v := r.api.Views.View()
		q, err := values(c.r)
		if err != nil {
			return err
		}
		within, err := r.parents(present(v), c, q)
		if err != nil {
			return err
		}
		ref := c.path("ref")
		o, err := r.find(v, c, ref, within)
		if err != nil {
			if op.Verb == catalogue.Delete && c.r.Header.Get("Idempotency-Key") != "" && fault.Is(err, fault.NotFound) {
				return r.send(c, operate.Request{Op: op, Ref: ref}, op.Query, v, q, "") // perhaps a repeat
			}
			return err
		}
		path := map[string]model.ID{op.Target(): o.Base().ID}
		for _, p := range op.Params {
			for _, n := range r.kind.Parents {
				if n.Kind == p.Kind && p.Name != op.Target() {
					path[p.Name] = n.Of(o)
				}
			}
		}
		request := operate.Request{Op: op, Path: path}
		if op.Verb == catalogue.Delete {
			request.Ref = ref
		}
		return r.send(c, request, op.Query, v, q, o.Base().ID)
	}
}

// send completes a request with what its headers, query and body say, hands it to the engine, and answers
// what it comes to. Without ?wait=true the answer is 202 and the operation as long as work is left; with
// ?plan=true it is what would happen. target is empty for creations.
func (r *resource) send(c *call, request operate.Request, declared []catalogue.Query, v model.View, q url.Values, target model.ID) error {
	a := r.api
	request.Who, request.ID, request.From, request.Hash = c.who, c.id, address(c.r), c.hash
	planned, err := flag(q, "plan")
	if err != nil {
		return err
	}
	if request.Wait, err = flag(q, "wait"); err != nil {
		return err
	}
	if request.Pin, err = single(q, "pin"); err != nil {
		return err
	}
	if request.Key, err = idempotencyKey(c.r); err != nil {
		return err
	}
	if request.Match, err = match(c.r); err != nil {
		return err
	}
	if q, err = a.resolve(v, c, q, declared); err != nil {
		return err
	}
	if request.Query, err = query(q, declared); err != nil {
		return err
	}
	if request.Op.Request != "" {
		if request.Body, err = body(c); err != nil {
			return err
		}
		if request.Named != nil {
			request.Body = withName(request.Body, request.Named.Name)
		}
	}
	if planned {
		return a.plan(c, request)
	}
	answer, err := a.Engine.Do(c.r.Context(), request)
	if err != nil {
		return err
	}
	if answer.Op == nil {
		answer.Op = request.Op
	}
	a.outcome(c, r.kind, answer.Op, answer, request.Wait, target)
	a.delivered(c, answer.Operation)
	return nil
}

// outcome answers a write that was accepted.
func (a *API) outcome(c *call, k *catalogue.Kind, op *catalogue.Op, answer operate.Answer, wait bool, target model.ID) {
	if answer.Operation != "" && !wait {
		v := a.Views.View()
		if o, ok := model.Find[*operation.Operation](v, answer.Operation); ok && !o.State.Final() {
			c.Header().Set("Location", BaseV2+"/operations/"+string(o.ID))
			c.buffer = a.appendOperation(c.buffer[:0], v, c.who, o, brief)
			c.json(http.StatusAccepted, c.buffer)
			return
		}
	}
	if answer.Key != "" {
		// The id is that of the agent or user: with the key it is what its owner has to present.
		b := catalogue.AppendString(append(c.buffer[:0], `{"id":`...), target)
		b = append(catalogue.AppendString(append(b, `,"key":`...), answer.Key), '}')
		c.buffer = b
		c.json(http.StatusOK, b)
		clear(b)
		return
	}
	if c.password != "" {
		a.showPassword(c, k, answer, target)
		return
	}
	if answer.Object == nil || answer.View == nil || op.Verb == catalogue.Delete {
		c.WriteHeader(http.StatusNoContent)
		return
	}
	shown := catalogue.Of(answer.Object.Kind())
	if shown == nil {
		shown = k
	}
	status := http.StatusOK
	if op.Verb == catalogue.Create {
		status = http.StatusCreated
		c.Header().Set("Location", BaseV2+"/"+shown.Plural+"/"+string(answer.Object.Base().ID))
	}
	a.object(c, shown, answer.View, answer.Object, status)
}

// resolve replaces names by ids in the parameters that refer to objects.
func (a *API) resolve(v model.View, c *call, q url.Values, declared []catalogue.Query) (url.Values, error) {
	within := map[model.Kind]model.ID{}
	for i := range declared {
		p := &declared[i]
		if p.Ref == "" {
			continue
		}
		ref, err := single(q, p.Name)
		if err != nil {
			return nil, err
		}
		if ref == "" {
			continue
		}
		o, err := a.resources[p.Ref].find(v, c, ref, within)
		if err != nil {
			return nil, fault.Bad(p.Name, "there is no single %s of this id or name", p.Ref)
		}
		within[p.Ref] = o.Base().ID
		q.Set(p.Name, string(o.Base().ID))
	}
	return q, nil
}

func flag(q url.Values, name string) (bool, error) {
	value, err := single(q, name)
	if err != nil || value == "" {
		return false, err
	}
	value, err = typed(&catalogue.Query{Name: name, Type: catalogue.Boolean}, value)
	return value == "true", err
}

// idempotencyKey reads the header under which a repeated request is known again: up to 255 visible
// ASCII characters.
func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' || i >= 255 {
			return "", bad("Idempotency-Key", "must be at most 255 visible ASCII characters")
		}
	}
	return key, nil
}
