package api

import (
	"net/http"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
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
	get("/operations", "v2.ListOperations", a.listOperations, "state", "target", "project", "sort", "limit", "cursor", "as_of", "as-of")
	get("/operations/{id}", "v2.ReadOperation", a.readOperation, "wait", "as_of", "as-of")
	t.add(catalogue.V2, BaseV2+"/operations/{id}", &method{verb: http.MethodDelete, name: "v2.CancelOperation", status: http.StatusAccepted, query: []string{"plan"}, handle: a.cancelOperation})
	get("/events", "v2.Events", a.events, "from", "last", "follow")
	get("/explain/{kind}/{id}", "v2.Explain", a.explain, "why_not")
	t.add(catalogue.V2, BaseV2+"/explain/placement", &method{verb: http.MethodPost, name: "v2.ExplainPlacement", status: http.StatusOK, handle: a.foresee})
	get("/audit", "v2.Audit", a.audit, auditParameters...)
	get("/top", "v2.Top", a.top)
	get(strings.TrimPrefix(PairPath, BaseV2), "v2."+catalogue.ReadPair.ID, a.pair)
	get("/whoami", "v2.WhoAmI", a.whoami)
	get("/version", "v2.Version", a.version)
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
		out = []string{"secrets", "as_of", "as-of"}
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
