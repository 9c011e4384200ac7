package place

import (
	"fmt"
	"math"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// Request is a machine that needs a host. Pools are where its disks are; a host reaches the disks of a
// directory pool only if one of the pool's agents runs on it, those of other pools from anywhere in the
// region. Project spreads its machines over hosts; empty for no spread. Kwarantine is the group whose other
// members it must be apart from. Exclude names hosts not to use. Self is the machine itself where that
// exists already: neither its room nor its membership counts.
type Request struct {
	model.Shape
	Zone       model.ID
	Pools      []model.ID
	Project    model.ID
	Kwarantine model.ID
	Exclude    []model.ID
	Self       model.ID
}

// query is a request with everything looked up that does not depend on the host.
type query struct {
	Request
	zone  *model.Zone
	live  func(agent model.ID) bool
	local []agents // of each pool whose disks lie on its hosts
	group *model.Kwarantine
	held  map[model.ID]bool // hosts of members, for a group that is apart by host
	quota int64             // members that the group still allows in the zone
}

// prepare checks a request against the view.
func prepare(v model.View, live func(model.ID) bool, r Request) (*query, error) {
	if r.VCPUs <= 0 {
		return nil, fault.Bad("vcpus", "a machine needs at least one CPU, not %d", r.VCPUs)
	}
	if r.Memory <= 0 {
		return nil, fault.Bad("memory", "a machine needs memory, not %d bytes", r.Memory)
	}
	zone, ok := model.Find[*model.Zone](v, r.Zone)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no zone %s", r.Zone)
	}
	q := &query{Request: r, zone: zone, live: live, quota: math.MaxInt64}
	for _, id := range r.Pools {
		pool, ok := model.Find[*model.Pool](v, id)
		switch {
		case !ok:
			return nil, fault.New(fault.NotFound, "there is no pool %s", id)
		case pool.Region != zone.Region:
			return nil, fault.Bad("pool", "pool %q is in another region than zone %q; choose one of the zone's region", pool.Name, zone.Name)
		}
		if _, local := pool.Directory(); local {
			q.local = append(q.local, gather(pool.Agents))
		}
	}
	return q, q.keepApart(v)
}

// says describes the machine: "4 CPUs and 8 GiB", with its group if it has one.
func (q *query) says() string {
	cpus := "CPUs"
	if q.VCPUs == 1 {
		cpus = "CPU"
	}
	text := fmt.Sprintf("%d %s and %s", q.VCPUs, cpus, trace.Size(q.Memory))
	if q.group != nil {
		text += fmt.Sprintf(" of kwarantine %q", q.group.Name)
	}
	return text
}

// obstacle is why a host cannot be used whatever room it has.
func (q *query) obstacle(r *row) lack {
	if slices.Contains(q.Exclude, r.id) {
		return excluded
	}
	if !r.ready {
		return leaving
	}
	if r.rests {
		return resting
	}
	if q.held[r.id] {
		return together
	}
	if len(r.agents) == 0 {
		return noAgent
	}
	if len(q.local) == 0 && !slices.ContainsFunc(r.agents, q.live) {
		return offline
	}
	dead := false
	for _, pool := range q.local {
		serves, alive := false, false
		for _, agent := range r.agents {
			if pool.has(agent) {
				serves, alive = true, alive || q.live(agent)
			}
		}
		if !serves {
			return noPool
		}
		dead = dead || !alive
	}
	if dead {
		return offline
	}
	if !r.known {
		return unknown
	}
	return nothing
}

// agents is a set that is quick to ask when small and when large.
type agents struct {
	few  []model.ID
	many map[model.ID]struct{}
}

// few is the length up to which comparing all is faster than hashing one.
const few = 8

func gather(ids []model.ID) agents {
	if len(ids) <= few {
		return agents{few: ids}
	}
	many := make(map[model.ID]struct{}, len(ids))
	for _, id := range ids {
		many[id] = struct{}{}
	}
	return agents{many: many}
}

func (a agents) has(id model.ID) bool {
	if a.many != nil {
		_, ok := a.many[id]
		return ok
	}
	return slices.Contains(a.few, id)
}
