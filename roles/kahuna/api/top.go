package api

import (
	"net/http"
	"slices"
	"strconv"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/cost"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/quota"
)

// top answers how full everything is that the caller may know of: hosts, projects and pools, as one view
// has them.
func (a *API) top(c *call) error {
	v := a.Views.View()
	scope := access.NewScope(v, c.who)
	b := append(c.buffer[:0], `{"hosts":[`...)
	comma := false
	next := func() {
		if comma {
			b = append(b, ',')
		}
		comma = true
	}
	for h := range model.All[*model.Kaktus](v) {
		if scope.Visible(h) {
			next()
			b = a.appendHost(b, v, h)
		}
	}
	b, comma = append(b, `],"projects":[`...), false
	for p := range model.All[*model.Project](v) {
		if !scope.Visible(p) {
			continue
		}
		next()
		b = appendNamed(b, p)
		b = appendResources(append(b, `,"usage":`...), quota.Usage(v, p.ID))
		b = appendResources(append(b, `,"quotas":`...), p.Quotas)
		b = append(appendCost(append(b, `,"cost":{`...), cost.Project(v, p.ID)), '}', '}')
	}
	b, comma = append(b, `],"pools":[`...), false
	for p := range model.All[*model.Pool](v) {
		if !scope.Visible(p) {
			continue
		}
		next()
		b = strconv.AppendInt(append(appendNamed(b, p), `,"capacity":`...), p.Capacity, 10)
		b = append(strconv.AppendInt(append(b, `,"available":`...), p.Available, 10), '}')
	}
	c.buffer = append(b, ']', '}')
	c.json(http.StatusOK, c.buffer)
	return nil
}

// appendNamed begins an object with the id and name of another.
func appendNamed(b []byte, o model.Object) []byte {
	b = catalogue.AppendString(append(b, `{"id":`...), o.Base().ID)
	return catalogue.AppendString(append(b, `,"name":`...), o.Base().Name)
}

// appendHost writes how full a host is: what it has, what it may promise, overcommit included, and what
// of that it has promised.
func (a *API) appendHost(b []byte, v model.View, h *model.Kaktus) []byte {
	room, _ := place.Survey(v, h)
	machines := int64(0)
	for range model.By[*model.Instance](v, "kaktus", h.ID) {
		machines++
	}
	b = catalogue.AppendString(append(appendNamed(b, h), `,"zone":`...), h.Zone)
	b = strconv.AppendBool(append(b, `,"online":`...), slices.ContainsFunc(h.Agents, a.Engine.Online))
	for _, f := range []struct {
		name  string
		value int64
	}{{"threads", h.Caps.Threads}, {"memory", h.Caps.Memory}, {"vcpus_promised", room.Taken.VCPUs}, {"vcpus_total", room.Total.VCPUs},
		{"memory_promised", room.Taken.Memory}, {"memory_total", room.Total.Memory}, {"instances", machines}} {
		b = append(append(append(b, `,"`...), f.name...), `":`...)
		b = strconv.AppendInt(b, f.value, 10)
	}
	return append(b, '}')
}
