package api

import (
	"encoding/json"
	"net/http"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// standing answers how agents stand to what is wanted of them on behalf of an object. What is wrong with
// the routers of a region, and which agent runs a project's node, is for superAdmins to know.
func (r *resource) standing(c *call) error {
	a := r.api
	if a.Standing == nil {
		return fault.New(fault.Unavailable, "this Kahuna commands no agents")
	}
	o, err := r.find(a.Views.View(), c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	switch o.(type) {
	case *model.Agent, *model.Kiwi:
		if !c.who.SuperAdmin() {
			return fault.New(fault.Denied, "only superAdmins may read the status of a %s", o.Kind())
		}
	}
	s := a.Standing(o)
	if !c.who.SuperAdmin() {
		for i := range s.States {
			s.States[i].Agent, s.States[i].Name = "", ""
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode the status")
	}
	c.buffer = append(c.buffer[:0], body...)
	c.json(http.StatusOK, c.buffer)
	return nil
}
