package api

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// caps answers the hardware a host last reported; before it ever did there is none to answer.
func (a *API) caps(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		o, err := a.existing(a.Views.View(), c, op.Kind, model.ID(c.path(op.Target())))
		if err != nil {
			return err
		}
		c.buffer = appendCaps(c.buffer[:0], o.(*model.Kaktus).Caps)
		c.json(op.Status, c.buffer)
		return nil
	}
}

func appendCaps(b []byte, caps model.Caps) []byte {
	b = catalogue.AppendString(append(b, `{"cpu":{"arch":`...), caps.Arch)
	b = catalogue.AppendString(append(b, `,"model":`...), caps.Model)
	b = catalogue.AppendString(append(b, `,"vendor":`...), caps.Vendor)
	b = strconv.AppendInt(append(b, `,"sockets":`...), caps.Sockets, 10)
	b = strconv.AppendInt(append(b, `,"cores":`...), caps.Cores, 10)
	b = strconv.AppendInt(append(b, `,"threads":`...), caps.Threads, 10)
	b = strconv.AppendInt(append(b, `},"memory":`...), caps.Memory, 10)
	return append(b, '}')
}

// state asks the machine's host how it is. A Kompute's state is that of its instance.
func (a *API) state(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		o, err := a.existing(a.Views.View(), c, op.Kind, model.ID(c.path(op.Target())))
		if err != nil {
			return err
		}
		return a.machineState(c, o)
	}
}

func (a *API) machineState(c *call, o model.Object) error {
	id := o.Base().ID
	if k, ok := o.(*model.Kompute); ok {
		id = k.Instance
	}
	state, reason, err := a.Live.State(c.r.Context(), id)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "ask the host for the machine's state")
	}
	b := catalogue.AppendString(append(c.buffer[:0], `{"state":`...), state)
	c.buffer = append(catalogue.AppendString(append(b, `,"reason":`...), reason), '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// retryAfter sets when to try again, in whole seconds and at least one.
func retryAfter(c *call, wait time.Duration) {
	c.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(wait.Seconds())))))
}
