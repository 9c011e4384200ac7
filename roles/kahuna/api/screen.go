package api

import (
	"net/http"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// connect answers where a machine's screen is, with a password for one client. It is for members of the
// project alone.
func (a *API) connect(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		v := a.Views.View()
		o, err := a.existing(v, c, op.Kind, model.ID(c.path(op.Target())))
		if err != nil {
			return err
		}
		return a.screen(c, v, o)
	}
}

func (r *resource) connect(c *call) error {
	v := r.api.Views.View()
	o, err := r.find(v, c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	return r.api.screen(c, v, o)
}

func (a *API) screen(c *call, v model.View, o model.Object) error {
	if !access.Operates(v, c.who, o) {
		return fault.New(fault.Denied, "only members of the project can do this")
	}
	id := o.Base().ID
	if k, ok := o.(*model.Kompute); ok {
		id = k.Instance
	}
	url, err := a.Live.Screen(c.r.Context(), id)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "ask the host for the machine's screen")
	}
	a.Log.Info("ticket for a screen", "instance", id, "who", c.who.Name, "request", c.id, "from", address(c.r))
	c.Header().Set("Cache-Control", "no-store")
	c.buffer = append(catalogue.AppendString(append(c.buffer[:0], `{"url":`...), url), '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}
