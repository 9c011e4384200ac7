package api

import (
	"net/http"
	"net/url"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

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
	o, err := r.lookup(s, c, c.path("ref"), within)
	if err != nil {
		if u, ok := r.mate(s, c, c.path("ref")); ok {
			c.buffer = appendMate(c.buffer[:0], u)
			c.json(http.StatusOK, c.buffer)
			return nil
		}
		return err
	}
	if s.past || s.bare {
		if !s.past {
			c.Header()["Etag"] = []string{etag(o)}
		}
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
	o, err := r.find(r.api.Views.View(), c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	c.buffer = appendCaps(c.buffer[:0], o.(*model.Kaktus).Caps)
	c.json(http.StatusOK, c.buffer)
	return nil
}

func (r *resource) state(c *call) error {
	o, err := r.find(r.api.Views.View(), c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	return r.api.machineState(c, o)
}

func (r *resource) password(c *call) error {
	o, err := r.find(r.api.Views.View(), c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	return r.api.putPassword(c, o.Base().ID)
}
