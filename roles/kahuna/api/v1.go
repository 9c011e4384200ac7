package api

import (
	"net/http"
	"strconv"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// routeV1 declares every operation of the frozen contract.
func (a *API) routeV1(t *table) {
	for _, op := range catalogue.OpsV1() {
		t.add(catalogue.V1, BaseV1+op.Path, &method{verb: op.Method, name: op.ID, status: op.Status,
			public: op.Access == access.Public, handle: a.handlerV1(op)})
	}
}

func (a *API) handlerV1(op *catalogue.Op) func(*call) error {
	switch {
	case op.Verb == catalogue.Read && readable(op):
		return a.readV1(op)
	case op.Verb == catalogue.List && readable(op):
		return a.listV1(op)
	case op.Action == "login":
		return a.login
	case op.Action == "logout":
		return a.logout
	case op.Action == "caps" && readable(op):
		return a.caps(op)
	case op.Action == "state" && readable(op):
		return a.state(op)
	case op.Action == "connect":
		return a.connect(op)
	case op.Action == "cost":
		return a.costV1(op)
	case op.Action == "usage":
		return a.usageV1(op)
	case op.ID == "ResetPassword":
		return a.requestReset
	case op.Action == "password":
		return a.setPassword(op)
	case op.Action == "token":
		return a.issueV1(op)
	case op.Method == http.MethodGet:
		return func(*call) error { return fault.New(fault.NotFound, "%s is not part of this release", op.ID) }
	}
	return a.changeV1(op)
}

// visible finds an object the caller may know of. One that he may not, one that does not exist and one
// whose id is malformed are answered alike.
func (a *API) visible(v model.View, c *call, kind model.Kind, id model.ID) (model.Object, error) {
	if id.Valid() {
		if o, ok := v.Get(kind, id); ok && access.Visible(v, c.who, o) {
			return o, nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no %s of this id", kind)
}

// existing is visible for API v1, where an object that is still being created does not exist yet.
func (a *API) existing(v model.View, c *call, kind model.Kind, id model.ID) (model.Object, error) {
	o, err := a.visible(v, c, kind, id)
	if err == nil && access.Hidden(o) {
		return nil, fault.New(fault.NotFound, "there is no %s of this id", kind)
	}
	return o, err
}

func (a *API) readV1(op *catalogue.Op) func(*call) error {
	k, param := catalogue.Of(op.Kind), op.Target()
	return func(c *call) error {
		v := a.Views.View()
		o, err := a.existing(v, c, op.Kind, model.ID(c.path(param)))
		if err != nil {
			return err
		}
		for _, p := range op.Params {
			if p.Name != param && !a.owner(v, c, o, p).Valid() {
				return fault.New(fault.NotFound, "there is no %s of this id", p.Kind)
			}
		}
		a.object(c, k, v, o, op.Status)
		return nil
	}
}

// owner is the id of an object's parent, if that is what the path calls by id or by name: clients that
// know a gateway by its name ask for its tunnels under that. Empty when the path means another.
func (a *API) owner(v model.View, c *call, o model.Object, p catalogue.Param) model.ID {
	given := c.path(p.Name)
	k := catalogue.Of(o.Kind())
	for i := range k.Parents {
		if k.Parents[i].Kind != p.Kind {
			continue
		}
		id := k.Parents[i].Of(o)
		if parent, err := a.existing(v, c, p.Kind, id); err == nil && (string(id) == given || parent.Base().Name == given) {
			return id
		}
	}
	return ""
}

// object answers with one object in the form of the call's API version.
func (a *API) object(c *call, k *catalogue.Kind, v model.View, o model.Object, status int) {
	if c.version == catalogue.V2 {
		c.Header()["Etag"] = []string{etag(o)}
	}
	c.buffer = k.Append(c.buffer[:0], v, o, catalogue.Reader{Version: c.version, Secrets: access.ShowSecrets(v, c.who, o)})
	c.json(status, c.buffer)
}

// etag names the version of an object (RFC 9110, section 8.8.3).
func etag(o model.Object) string { return `"` + strconv.FormatUint(o.Base().Version, 10) + `"` }

// listV1 answers the ids of the objects a read would return. Of the path's parents the last is looked
// up by index, the others are compared.
func (a *API) listV1(op *catalogue.Op) func(*call) error {
	k := catalogue.Of(op.Kind)
	filters := make([]func(model.Object) model.ID, len(op.Params))
	for i, p := range op.Params {
		for j := range k.Parents {
			if k.Parents[j].Kind == p.Kind {
				filters[i] = k.Parents[j].Of
			}
		}
	}
	return func(c *call) error {
		v := a.Views.View()
		parents := make([]model.ID, len(op.Params))
		for i, p := range op.Params {
			parents[i] = model.ID(c.path(p.Name))
			if _, err := a.existing(v, c, p.Kind, parents[i]); err != nil {
				return err
			}
		}
		narrow, err := narrowedBy(c, k, op)
		if err != nil {
			return err
		}
		objects := v.All(op.Kind)
		if op.Index != "" {
			objects = v.By(op.Kind, op.Index, string(parents[len(parents)-1]))
		}
		scope := access.NewScope(v, c.who)
		b := append(c.buffer[:0], '[')
	next:
		for o := range objects {
			if access.Hidden(o) {
				continue
			}
			// The last parent is what the index was asked for.
			for i := range max(len(parents)-1, 0) {
				if filters[i] != nil && filters[i](o) != parents[i] {
					continue next
				}
			}
			if !scope.Visible(o) || narrow != nil && !narrow(o) {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), o.Base().ID...), '"') // ids need no escaping
		}
		c.buffer = append(b, ']')
		c.json(op.Status, c.buffer)
		return nil
	}
}

// narrowedBy reads the query of a list: parameters that name a parent leave its children. nil leaves all.
func narrowedBy(c *call, k *catalogue.Kind, op *catalogue.Op) (func(model.Object) bool, error) {
	if len(op.Query) == 0 {
		return nil, nil
	}
	sent, err := values(c.r)
	if err != nil {
		return nil, err
	}
	q, err := query(sent, op.Query)
	if err != nil {
		return nil, err
	}
	var narrow func(model.Object) bool
	for i := range op.Query {
		for j := range k.Parents {
			id := q.ID(op.Query[i].Name)
			if of := k.Parents[j].Of; op.Query[i].Ref == k.Parents[j].Kind && id != "" {
				narrow = func(o model.Object) bool { return of(o) == id }
			}
		}
	}
	return narrow, nil
}

// changeV1 hands a write to the engine, waits for its end and answers the finished object.
func (a *API) changeV1(op *catalogue.Op) func(*call) error {
	shown := schemaKind(op)
	return func(c *call) error {
		answer, _, err := a.doV1(c, op)
		switch {
		case err != nil:
			return err
		case shown == nil:
			c.json(op.Status, nil)
		case answer.Object == nil || answer.View == nil || answer.Object.Kind() != shown.Name:
			return fault.New(fault.Internal, "%s was carried out but its result is not known", op.ID)
		default:
			a.object(c, shown, answer.View, answer.Object, op.Status)
		}
		a.delivered(c, answer.Operation)
		return nil
	}
}

// doV1 carries out a write of API v1.
func (a *API) doV1(c *call, op *catalogue.Op) (operate.Answer, operate.Request, error) {
	r := operate.Request{Op: op, Who: c.who, ID: c.id, From: address(c.r), V1: true, Wait: true, Path: make(map[string]model.ID, len(op.Params))}
	v := a.Views.View()
	for _, p := range op.Params {
		id := model.ID(c.path(p.Name))
		if !id.Valid() && op.Target() != "" && p.Name != op.Target() {
			if o, err := a.existing(v, c, op.Kind, model.ID(c.path(op.Target()))); err == nil {
				id = a.owner(v, c, o, p)
			}
		}
		if !id.Valid() {
			return operate.Answer{}, r, fault.New(fault.NotFound, "there is no %s of this id", p.Kind)
		}
		r.Path[p.Name] = id
	}
	if err := input(c, op, &r); err != nil {
		return operate.Answer{}, r, err
	}
	answer, err := a.Engine.Do(c.r.Context(), r)
	return answer, r, err
}

// input fills in the query and the body of a write.
func input(c *call, op *catalogue.Op, r *operate.Request) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	if r.Query, err = query(q, op.QueryOf(catalogue.V1)); err != nil {
		return err
	}
	if op.Request != "" {
		r.Body, err = body(c)
	}
	return err
}

// delivered tells the engine that an operation's answer went out, if it did: a repeat of the request
// joins an operation whose answer nobody got.
func (a *API) delivered(c *call, id model.ID) {
	if id == "" || c.r.Context().Err() != nil || http.NewResponseController(c.ResponseWriter).Flush() != nil {
		return
	}
	a.Engine.Answered(c.r.Context(), id)
}

// schemaKind is the kind an operation answers an object of, nil for none.
func schemaKind(op *catalogue.Op) *catalogue.Kind {
	if op.Response == "" || strings.HasPrefix(op.Response, "[]") {
		return nil
	}
	k, _ := catalogue.Named(op.Response)
	return k
}
