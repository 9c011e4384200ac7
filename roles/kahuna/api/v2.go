package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api/openapi"
)

// resource serves one kind in API v2.
type resource struct {
	api  *API
	kind *catalogue.Kind
	// named tells whether the kind has a unique index of its names alone.
	named bool
	// narrowing are the kinds a list may be narrowed by, those with an index of their own first.
	narrowing []narrowing
}

type narrowing struct {
	kind  model.Kind
	index string // name of the index by it, empty for none
	of    func(model.Object) model.ID
}

func (a *API) newResource(k *catalogue.Kind) *resource {
	r := &resource{api: a, kind: k, named: k.OneByName()}
	for i := range k.Parents {
		n := narrowing{kind: k.Parents[i].Kind, of: k.Parents[i].Of}
		for _, x := range k.Table.Indexes {
			if x.Name == string(n.kind) {
				n.index = x.Name
			}
		}
		r.narrowing = append(r.narrowing, n)
	}
	return r
}

// routeV2 declares API v2. Every kind is served under its plural and under its name.
func (a *API) routeV2(t *table) {
	a.resources = map[model.Kind]*resource{}
	for _, k := range catalogue.Kinds {
		a.resources[k.Name] = a.newResource(k)
	}
	for _, op := range catalogue.Ops() {
		r := a.resources[op.Kind]
		suffix, served := openapi.Below(op)
		if !served || op.Verb == catalogue.Create && op != creations(r.kind)[0] {
			continue
		}
		for _, segment := range []string{r.kind.Plural, string(r.kind.Name)} {
			t.add(catalogue.V2, BaseV2+"/"+segment+suffix, &method{verb: op.Method, name: "v2." + op.ID, status: op.Status, query: r.query(op), handle: r.handler(op)})
		}
	}
	get := func(path, name string, handle func(*call) error, query ...string) {
		t.add(catalogue.V2, BaseV2+path, &method{verb: http.MethodGet, name: name, status: http.StatusOK, query: query, handle: handle})
	}
	get("/operations", "v2.ListOperations", a.listOperations, "state", "target", "project", "limit", "cursor", "as_of", "as-of")
	get("/operations/{id}", "v2.ReadOperation", a.readOperation, "wait", "as_of", "as-of")
	t.add(catalogue.V2, BaseV2+"/operations/{id}", &method{verb: http.MethodDelete, name: "v2.CancelOperation", status: http.StatusAccepted, query: []string{"plan"}, handle: a.cancelOperation})
	get("/events", "v2.Events", a.events, "from", "last", "follow")
	get("/explain/{kind}/{id}", "v2.Explain", a.explain, "why_not")
	t.add(catalogue.V2, BaseV2+"/explain/placement", &method{verb: http.MethodPost, name: "v2.ExplainPlacement", status: http.StatusOK, handle: a.foresee})
	get("/audit", "v2.Audit", a.audit, auditParameters...)
	get("/top", "v2.Top", a.top)
	get("/whoami", "v2.WhoAmI", a.whoami)
	get("/version", "v2.Version", a.version)
	get("/missing", "v2.Missing", a.missing)
}

// creations are the operations that create objects of a kind.
func creations(k *catalogue.Kind) []*catalogue.Op {
	var out []*catalogue.Op
	for i := range k.Ops {
		if k.Ops[i].Verb == catalogue.Create {
			out = append(out, &k.Ops[i])
		}
	}
	return out
}

// query names the parameters that an operation takes.
func (r *resource) query(op *catalogue.Op) []string {
	var out []string
	switch op.Verb {
	case catalogue.List:
		out = slices.Clone(listParameters)
	case catalogue.Read:
		out = []string{"as_of", "as-of"}
	default:
		switch {
		case op.Method == http.MethodGet:
			return nil
		case op.Action == "password":
			return []string{"plan"}
		}
		out = []string{"wait", "plan", "pin"}
		ops := []*catalogue.Op{op}
		if op.Verb == catalogue.Create || op.Verb == catalogue.Update {
			ops = append(ops, creations(r.kind)...)
		}
		for _, op := range ops {
			for i := range op.Query {
				out = append(out, op.Query[i].Name)
			}
		}
	}
	for _, n := range r.narrowing {
		out = append(out, string(n.kind))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// handler serves an operation of the catalogue.
func (r *resource) handler(op *catalogue.Op) func(*call) error {
	switch {
	case op.Verb == catalogue.List:
		return r.list
	case op.ID == "CreateUser":
		return r.createUser(op)
	case op.Verb == catalogue.Create:
		return r.create(creations(r.kind))
	case op.Verb == catalogue.Read:
		return r.read
	case op.Action == "caps":
		return r.caps
	case op.Action == "connect":
		return r.connect
	case op.Action == "state":
		return r.state
	case op.Action == "cost":
		return r.cost
	case op.Action == "usage":
		return r.usage
	case op.Action == "status":
		return r.standing
	case op.Action == "password":
		return r.password
	case op.Verb == catalogue.Update:
		return r.put(op)
	case op.Action == "newPassword":
		return r.newPassword(op)
	}
	return r.change(op)
}

// find resolves an id or a name to an object the caller may know of. within narrows names. Faults:
// NotFound; Conflict when several objects have the name.
func (r *resource) find(v model.View, c *call, ref string, within map[model.Kind]model.ID) (model.Object, error) {
	return r.lookup(present(v), c, ref, within)
}

// lookup is find in a state that may be a past one.
func (r *resource) lookup(s sight, c *call, ref string, within map[model.Kind]model.ID) (model.Object, error) {
	none := fault.New(fault.NotFound, "there is no %s of this id or name", r.kind.Name)
	if model.ID(ref).Valid() {
		if o, ok := s.state.Get(r.kind.Name, model.ID(ref)); ok {
			if access.Visible(s.now, c.who, o) {
				return o, nil
			}
			return nil, none
		}
	}
	if r.named {
		if o, ok := s.state.One(r.kind.Name, "name", ref); ok && r.inside(o, within) && access.Visible(s.now, c.who, o) {
			return o, nil
		}
		return nil, none
	}
	var found model.Object
	scope := access.NewScope(s.now, c.who)
	for o := range s.state.All(r.kind.Name) {
		if o.Base().Name != ref || !r.inside(o, within) || !scope.Visible(o) {
			continue
		}
		if found != nil {
			return nil, fault.New(fault.Conflict, "several objects of kind %s have this name; use the id", r.kind.Name)
		}
		found = o
	}
	if found == nil {
		return nil, none
	}
	return found, nil
}

func (r *resource) inside(o model.Object, within map[model.Kind]model.ID) bool {
	for _, n := range r.narrowing {
		if id := within[n.kind]; id != "" && n.of(o) != id {
			return false
		}
	}
	return true
}

// parents resolves the query parameters named like the kind's parents. Each may be an id or a name.
func (r *resource) parents(s sight, c *call, q url.Values) (map[model.Kind]model.ID, error) {
	var out map[model.Kind]model.ID
	for _, n := range r.narrowing {
		ref, err := single(q, string(n.kind))
		if err != nil {
			return nil, err
		}
		if ref == "" {
			continue
		}
		p, err := r.api.resources[n.kind].lookup(s, c, ref, out)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[model.Kind]model.ID{}
		}
		out[n.kind] = p.Base().ID
	}
	return out, nil
}

func (r *resource) read(c *call) error {
	q, err := values(c.r)
	if err != nil {
		return err
	}
	s, err := r.api.sight(c, q)
	if err != nil {
		return err
	}
	within, err := r.parents(s, c, q)
	if err != nil {
		return err
	}
	o, err := r.lookup(s, c, c.r.PathValue("ref"), within)
	if err != nil {
		if u, ok := r.mate(s, c, c.r.PathValue("ref")); ok {
			c.buffer = appendMate(c.buffer[:0], u)
			c.json(http.StatusOK, c.buffer)
			return nil
		}
		return err
	}
	if s.past {
		c.buffer = r.append(c.buffer[:0], c, s, o, o)
		c.json(http.StatusOK, c.buffer)
		return nil
	}
	r.api.object(c, r.kind, s.state, o, http.StatusOK)
	return nil
}

// mate finds a user of whom the caller may know the name because they share a team.
func (r *resource) mate(s sight, c *call, ref string) (*model.User, bool) {
	if r.kind.Name != model.KindUser {
		return nil, false
	}
	u, ok := model.Find[*model.User](s.state, model.ID(ref))
	if !ok {
		u, ok = model.One[*model.User](s.state, "name", ref)
	}
	return u, ok && access.Acquainted(s.now, c.who, u.ID)
}

// mate is what those who share a team with a user know of him: his id and name.
func mate(u *model.User) *model.User {
	return &model.User{Meta: model.Meta{ID: u.ID, Name: u.Name}}
}

func appendMate(b []byte, u *model.User) []byte {
	b = catalogue.AppendString(append(b, `{"id":`...), u.ID)
	b = catalogue.AppendString(append(b, `,"name":`...), u.Name)
	return append(b, `,"kind":"user"}`...)
}

func (r *resource) caps(c *call) error {
	o, err := r.find(r.api.Views.View(), c, c.r.PathValue("ref"), nil)
	if err != nil {
		return err
	}
	c.buffer = appendCaps(c.buffer[:0], o.(*model.Kaktus).Caps)
	c.json(http.StatusOK, c.buffer)
	return nil
}

func (r *resource) state(c *call) error {
	o, err := r.find(r.api.Views.View(), c, c.r.PathValue("ref"), nil)
	if err != nil {
		return err
	}
	return r.api.machineState(c, o)
}

func (r *resource) password(c *call) error {
	o, err := r.find(r.api.Views.View(), c, c.r.PathValue("ref"), nil)
	if err != nil {
		return err
	}
	return r.api.putPassword(c, o.Base().ID)
}

func (a *API) whoami(c *call) error {
	b := catalogue.AppendString(append(c.buffer[:0], `{"name":`...), c.who.Name)
	b = catalogue.AppendString(append(b, `,"role":`...), c.who.Role)
	for _, field := range []struct {
		name string
		id   model.ID
	}{{"user", c.who.User}, {"token", c.who.Token}, {"session", c.who.Session}} {
		if field.id != "" {
			b = catalogue.AppendString(append(append(append(b, `,"`...), field.name...), `":`...), field.id)
		}
	}
	c.buffer = append(b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

func (a *API) version(c *call) error {
	c.buffer = append(catalogue.AppendString(append(c.buffer[:0], `{"api":["v1","v2"],"contract":"0.53.2","version":`...), a.Version), '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// missing lists the operations of API v1 that this release answers with 404, and why.
func (a *API) missing(c *call) error {
	b := append(c.buffer[:0], `{"items":[`...)
	for i, m := range Missing() {
		if i > 0 {
			b = append(b, ',')
		}
		b = catalogue.AppendString(append(b, `{"id":`...), m.ID)
		b = catalogue.AppendString(append(b, `,"method":`...), m.Method)
		b = catalogue.AppendString(append(b, `,"path":`...), BaseV1+m.Path)
		b = append(catalogue.AppendString(append(b, `,"reason":`...), m.Reason), '}')
	}
	c.buffer = append(b, `]}`...)
	c.json(http.StatusOK, c.buffer)
	return nil
}

// Missing are the operations of the frozen contract that this release answers with 404, by id.
func Missing() []catalogue.Missing {
	return slices.SortedFunc(slices.Values(catalogue.MissingOps), func(a, b catalogue.Missing) int { return strings.Compare(a.ID, b.ID) })
}
