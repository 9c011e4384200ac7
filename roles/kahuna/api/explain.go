package api

import (
	"encoding/json"
	"net/http"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
)

// decisive tells whether an operation recorded facts that something was decided by; a power action, for
// one, decides nothing.
func decisive(o *operation.Operation) bool {
	var t trace.Trace
	return len(o.Trace) > 0 && json.Unmarshal(o.Trace, &t) == nil && len(t.Facts) > 0
}

// explain answers why an object is as it is: the latest operation on it that recorded a decision.
func (a *API) explain(c *call) error {
	k, ok := catalogue.Named(c.r.PathValue("kind"))
	if !ok {
		return fault.New(fault.NotFound, "there is no kind of this name")
	}
	v := a.Views.View()
	object, err := a.resources[k.Name].find(v, c, c.r.PathValue("id"), nil)
	if err != nil {
		return err
	}
	m := object.Base()
	var decided *operation.Operation
	for o := range model.By[*operation.Operation](v, "target", m.ID) {
		// Ids are in order of time only from one second to the next.
		if (decided == nil || !o.Created.Before(decided.Created)) && decisive(o) && access.Visible(v, c.who, o) {
			decided = o
		}
	}
	if decided == nil {
		return fault.New(fault.NotFound, "no decision about this %s is on record; it needed no operation, or its operation is no longer kept", k.Name)
	}
	b := catalogue.AppendString(append(c.buffer[:0], `{"kind":`...), string(k.Name))
	b = catalogue.AppendString(append(b, `,"id":`...), m.ID)
	b = catalogue.AppendString(append(b, `,"name":`...), m.Name)
	b = a.appendOperation(append(b, `,"operation":`...), v, c.who, decided, full)
	c.buffer = append(b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}
