package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/quota"
	"kowabunga/core/trace"
)

// wish is a machine that somebody thinks of: POST /api/v2/explain/placement. Objects are named by id or
// name; memory is bytes.
type wish struct {
	Project    string `json:"project"`
	Zone       string `json:"zone"`
	VCPUs      int64  `json:"vcpus"`
	Memory     int64  `json:"memory"`
	Pool       string `json:"pool"`       // where its disks would be; the region's default when empty
	Kwarantine string `json:"kwarantine"` // group it would be apart from
}

// foresee answers what would come of a creation, without creating anything: the host, how many such
// machines would fit into the zone, and the facts. Which hosts there are is for superAdmins; members of
// the project see how many are short of what.
func (a *API) foresee(c *call) error {
	raw, err := body(c)
	if err != nil {
		return err
	}
	var w wish
	if err := json.Unmarshal(raw, &w); err != nil {
		return &fault.Error{Code: fault.Malformed, Message: "the body must be an object with project, zone, vcpus and memory, and pool and kwarantine where wanted", Err: err}
	}
	v := a.Views.View()
	r, err := a.request(v, c, w)
	if err != nil {
		return err
	}
	tr := &trace.Trace{Detail: c.who.SuperAdmin()}
	refused := quota.Check(v, r.Project, model.Resources{VCPUs: r.VCPUs, Memory: r.Memory, Instances: 1}, tr)
	outlook, err := place.Foresee(v, a.Engine.Online, r, tr)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = outlook.Refused
	}
	var facts []trace.Fact
	for _, f := range tr.Facts {
		if !concealed(v, c.who, f.Subject) {
			facts = append(facts, f)
		}
	}
	for _, reason := range outlook.Reasons {
		facts = append(facts, trace.Fact{What: "hosts", Value: reason.String(), Verdict: trace.Refused})
	}
	b := append(c.buffer[:0], `{"host":`...)
	if outlook.Host != "" && c.who.SuperAdmin() {
		host, _ := model.Find[*model.Kaktus](v, outlook.Host)
		b = catalogue.AppendString(append(b, `{"id":`...), host.ID)
		b = append(catalogue.AppendString(append(b, `,"name":`...), host.Name), '}')
	} else {
		b = append(b, "null"...)
	}
	b = strconv.AppendInt(append(b, `,"fits":`...), outlook.Fits, 10)
	b = append(b, `,"refused":`...)
	if refused != nil {
		b = catalogue.AppendString(b, fault.From(refused).Public())
	} else {
		b = append(b, "null"...)
	}
	c.buffer = append(appendFactList(append(b, `,"facts":`...), facts), '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// request resolves what a wish names. Faults: Invalid naming the field.
func (a *API) request(v model.View, c *call, w wish) (r place.Request, err error) {
	find := func(field string, kind model.Kind, ref string, within map[model.Kind]model.ID) model.Object {
		if err != nil {
			return nil
		}
		if ref == "" {
			err = fault.Bad(field, "is required: id or name of the %s", kind)
			return nil
		}
		o, lookup := a.resources[kind].find(v, c, ref, within)
		if lookup != nil {
			err = fault.Bad(field, "%s", fault.From(lookup).Public())
			return nil
		}
		return o
	}
	project, _ := find("project", model.KindProject, w.Project, nil).(*model.Project)
	zone, _ := find("zone", model.KindZone, w.Zone, nil).(*model.Zone)
	if err != nil {
		return r, err
	}
	r = place.Request{Shape: model.Shape{VCPUs: w.VCPUs, Memory: w.Memory}, Project: project.ID, Zone: zone.ID}
	pool := w.Pool
	if region, ok := model.Find[*model.Region](v, zone.Region); ok && pool == "" {
		pool = string(region.DefaultPool)
	}
	if pool != "" {
		if o := find("pool", model.KindPool, pool, map[model.Kind]model.ID{model.KindRegion: zone.Region}); o != nil {
			r.Pools = []model.ID{o.Base().ID}
		}
	}
	if w.Kwarantine != "" {
		group, _ := find("kwarantine", model.KindKwarantine, w.Kwarantine, map[model.Kind]model.ID{model.KindProject: project.ID}).(*model.Kwarantine)
		if group != nil && group.Project != project.ID {
			err = fault.Bad("kwarantine", "kwarantine %q belongs to another project", group.Name)
		} else if group != nil {
			r.Kwarantine = group.ID
		}
	}
	return r, err
}
