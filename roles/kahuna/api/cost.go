package api

import (
	"net/http"
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/cost"
	"kowabunga/core/model"
	"kowabunga/core/quota"
)

// What a project costs and uses is worked out from one view when it is asked for; reading it changes
// nothing.

// costV1 answers what a project costs in its main currency.
func (a *API) costV1(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		v := a.Views.View()
		o, err := a.existing(v, c, op.Kind, model.ID(c.path(op.Target())))
		if err != nil {
			return err
		}
		c.buffer = append(appendCost(append(c.buffer[:0], '{'), cost.Project(v, o.Base().ID)), '}')
		c.json(op.Status, c.buffer)
		return nil
	}
}

// usageV1 answers what of its quotas a project uses.
func (a *API) usageV1(op *catalogue.Op) func(*call) error {
	return func(c *call) error {
		v := a.Views.View()
		o, err := a.existing(v, c, op.Kind, model.ID(c.path(op.Target())))
		if err != nil {
			return err
		}
		c.buffer = appendUsage(c.buffer[:0], quota.Usage(v, o.Base().ID))
		c.json(op.Status, c.buffer)
		return nil
	}
}

// cost answers what a project costs as a whole, by kind and by resource, in every currency.
func (r *resource) cost(c *call) error {
	v := r.api.Views.View()
	o, err := r.find(v, c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	all := cost.Of(v, o.Base().ID)
	b := appendCosts(appendCost(append(c.buffer[:0], '{'), all.Main()), all.Total)
	b = append(b, `,"kinds":[`...)
	for i, k := range all.Kinds {
		if i > 0 {
			b = append(b, ',')
		}
		b = catalogue.AppendString(append(b, `{"kind":`...), k.Kind)
		b = append(appendCosts(b, k.Costs), '}')
	}
	b = append(b, `],"resources":[`...)
	for i, x := range all.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = catalogue.AppendString(append(b, `{"kind":`...), x.Kind)
		b = catalogue.AppendString(append(b, `,"id":`...), x.ID)
		b = catalogue.AppendString(append(b, `,"name":`...), x.Name)
		b = append(appendCosts(b, x.Costs), '}')
	}
	c.buffer = append(b, ']', '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// usage answers what of its quotas a project uses.
func (r *resource) usage(c *call) error {
	v := r.api.Views.View()
	o, err := r.find(v, c, c.path("ref"), nil)
	if err != nil {
		return err
	}
	c.buffer = appendUsage(c.buffer[:0], quota.Usage(v, o.Base().ID))
	c.json(http.StatusOK, c.buffer)
	return nil
}

// appendCost appends the two fields of a Cost.
func appendCost(b []byte, c model.Cost) []byte {
	b = strconv.AppendFloat(append(b, `"price":`...), c.Price, 'f', -1, 64)
	return catalogue.AppendString(append(b, `,"currency":`...), c.Currency)
}

func appendCosts(b []byte, costs []model.Cost) []byte {
	b = append(b, `,"costs":[`...)
	for i, c := range costs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendCost(append(b, '{'), c), '}')
	}
	return append(b, ']')
}

func appendUsage(b []byte, used model.Resources) []byte {
	b = strconv.AppendInt(append(b, `{"vcpus":`...), used.VCPUs, 10)
	b = strconv.AppendInt(append(b, `,"memory":`...), used.Memory, 10)
	b = strconv.AppendInt(append(b, `,"storage":`...), used.Storage, 10)
	b = strconv.AppendInt(append(b, `,"instances":`...), used.Instances, 10)
	return append(b, '}')
}
