package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/plan"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/operate"
)

// plan answers what a request would do.
func (a *API) plan(c *call, r operate.Request) error {
	p, after, err := a.Engine.Plan(r)
	if err != nil {
		return err
	}
	return a.planned(c, p, after)
}

// planned answers a plan. Its hash covers all of it, also what the caller may not see. after is the state
// as it would be.
func (a *API) planned(c *call, p *plan.Plan, after model.View) error {
	now := a.Views.View()
	b := catalogue.AppendString(append(c.buffer[:0], `{"hash":`...), p.Hash)
	b = append(b, `,"changes":[`...)
	first := true
	for i := range p.Changes {
		change := &p.Changes[i]
		if !access.Visible(after, c.who, change.Object) && !access.Visible(now, c.who, change.Object) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendChanged(b, after, c.who, string(change.Action), change.Kind, change.ID, change.Name, change.Fields)
	}
	b = append(b, `],"operation":`...)
	if op := p.Operation; op != nil {
		steps, err := json.Marshal(op.Steps)
		if err != nil {
			return err
		}
		b = catalogue.AppendString(append(b, `{"name":`...), op.Name)
		b = append(append(append(b, `,"steps":`...), steps...), '}')
	} else {
		b = append(b, "null"...)
	}
	b = strconv.AppendBool(append(b, `,"downtime":{"expected":`...), len(p.Halts) > 0)
	b = append(catalogue.AppendString(append(b, `,"reason":`...), strings.Join(p.Halts, "; ")), '}')
	b = appendCostChange(append(b, `,"cost":`...), p.Cost)
	b = append(b, `,"quota":`...)
	if q := p.Quota; q != nil {
		b = catalogue.AppendString(append(b, `{"project":`...), q.Project)
		b = appendResources(append(b, `,"used":`...), q.Used)
		b = append(appendResources(append(b, `,"limits":`...), q.Limits), '}')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"trace":`...)
	if p.Trace != nil {
		b = appendFacts(b, after, c.who, p.Trace.Facts)
	} else {
		b = append(b, `{"facts":[],"hidden":0}`...)
	}
	c.buffer = append(b, '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// planPassword answers what setting a password would do, if that is what is asked for.
func (a *API) planPassword(c *call, user model.ID, value string) (bool, error) {
	q, err := values(c.r)
	if err != nil {
		return false, err
	}
	if planned, err := flag(q, "plan"); err != nil || !planned {
		return false, err
	}
	v := a.Views.View()
	u, ok := model.Find[*model.User](v, user)
	if !ok {
		return false, fault.New(fault.NotFound, "there is no user of this id or name")
	}
	if err := identity.CheckPassword(value, u); err != nil {
		return false, err
	}
	next := model.Edit(u)
	next.PasswordHash = u.PasswordHash + "another" // whatever it will be: it is masked
	return true, a.planned(c, plan.Just(plan.Change{Action: plan.Update, Kind: u.Kind(), ID: u.ID, Name: u.Name,
		Fields: catalogue.Differences(u.Kind(), u, next), Object: u}), v)
}

// appendCostChange writes what the project costs before and after; null when the main currency changes, as
// the two amounts then cannot be compared.
func appendCostChange(b []byte, cost *plan.Cost) []byte {
	if cost == nil || cost.Before.Currency != cost.After.Currency && cost.Before.Price != 0 {
		return append(b, "null"...)
	}
	b = strconv.AppendFloat(append(b, `{"before":`...), cost.Before.Price, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, `,"after":`...), cost.After.Price, 'f', -1, 64)
	return append(catalogue.AppendString(append(b, `,"currency":`...), cost.After.Currency), '}')
}

func appendResources(b []byte, r model.Resources) []byte {
	b = strconv.AppendInt(append(b, `{"vcpus":`...), r.VCPUs, 10)
	b = strconv.AppendInt(append(b, `,"memory":`...), r.Memory, 10)
	b = strconv.AppendInt(append(b, `,"storage":`...), r.Storage, 10)
	return append(strconv.AppendInt(append(b, `,"instances":`...), r.Instances, 10), '}')
}

// appendChanged writes what happens, or happened, to an object that the caller may know of, field by
// field. Of inner fields he sees those that name nothing he may not know of. v tells what he may know.
func appendChanged(b []byte, v model.View, who access.Identity, action string, kind model.Kind, id model.ID, name string, fields []catalogue.Difference) []byte {
	b = catalogue.AppendString(append(b, `{"action":`...), action)
	b = catalogue.AppendString(append(b, `,"kind":`...), string(kind))
	if b = append(b, `,"id":`...); id != "" {
		b = catalogue.AppendString(b, id)
	} else {
		b = append(b, "null"...)
	}
	b = catalogue.AppendString(append(b, `,"name":`...), name)
	b = append(b, `,"fields":[`...)
	first := true
	for i := range fields {
		f := &fields[i]
		if f.Inner && (tells(v, who, f.Before) || tells(v, who, f.After)) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = catalogue.AppendString(append(b, `{"field":`...), f.Field)
		b = appendRaw(append(b, `,"before":`...), f.Before)
		b = append(appendRaw(append(b, `,"after":`...), f.After), '}')
	}
	return append(b, ']', '}')
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// tells says whether a value names an object that the caller may not know of.
func tells(v model.View, who access.Identity, raw json.RawMessage) bool {
	if who.SuperAdmin() {
		return false
	}
	for _, word := range strings.Split(string(raw), `"`) {
		if id := model.ID(word); id.Valid() && concealed(v, who, id) {
			return true
		}
	}
	return false
}
