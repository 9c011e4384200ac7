// Package holding says what agents may hold by order of a Kahuna: machines, disks, addresses, VRRP ids and
// the like. What they may hold of an epoch that they did not answer yet must not be released, reused, moved,
// started elsewhere or undone; package lease decides that, from the lists made here.
package holding

import (
	"slices"
	"strconv"

	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// claim is that an agent may hold something.
type claim struct {
	kind  lease.ResourceKind
	id    string
	agent model.ID
}

// Of lists what agents may hold on behalf of objects.
func Of(v model.View, objects ...model.Object) []lease.Hold {
	l := now{v}
	var out []lease.Hold
	for _, o := range objects {
		out = append(out, held(l, o, claims(l, o))...)
	}
	return out
}

// Released lists what the changes of a draft take from agents.
func Released(d model.Draft) []lease.Hold {
	changes := model.Changes(d)
	before, after := past(d, changes), now{d}
	var out []lease.Hold
	for _, c := range changes {
		if c.Before == nil {
			continue
		}
		was, is := claims(before, c.Before), []claim(nil)
		if c.After != nil {
			is = claims(after, c.After)
		}
		taken := slices.DeleteFunc(was, func(one claim) bool { return slices.Contains(is, one) })
		out = append(out, held(before, c.Before, taken)...)
	}
	return out
}

// Order lists who may hold what the last order of a step is about: the agent that it went to, as it is and as
// it was. Nobody where that is not recorded.
func Order(v model.View, op *operation.Operation, i int) []lease.Hold {
	request, open := op.Order(i)
	if !open {
		return nil
	}
	step := &op.Steps[i]
	out := holds(now{v}, step.Epoch, []claim{{lease.ResourceKind(op.Target.Kind), string(op.Target.ID), step.Agent}})
	for j := range out {
		out[j].Request = request
	}
	return out
}

// held are the holds behind claims on behalf of an object. A machine or a disk that is being created is held
// by those alone to whom a step of its operation was handed out, where that is recorded: no desired state
// says anything of it.
func held(l look, o model.Object, all []claim) []lease.Hold {
	epoch := began(l, o)
	given, known := handed(l, o)
	if !known {
		return holds(l, epoch, all)
	}
	var out []lease.Hold
	var made []claim
	for _, c := range all {
		if c.kind != lease.HeldMachine && c.kind != lease.HeldVolume {
			out = append(out, holds(l, epoch, []claim{c})...)
			continue
		}
		if c.agent = ""; !slices.Contains(made, c) {
			made = append(made, c)
		}
	}
	for _, c := range made {
		for _, s := range given {
			c.agent = s.Agent
			out = append(out, holds(l, s.Epoch, []claim{c})...)
		}
	}
	return out
}

// handed are the steps of the operation that creates an object which were handed out; known is false when
// of one of them it is not recorded to whom, or the object is not being created.
func handed(l look, o model.Object) (given []operation.Step, known bool) {
	if o.Base().Phase != model.Creating {
		return nil, false
	}
	op, ok := get[*operation.Operation](l, o.Base().Operation)
	if !ok {
		return nil, false
	}
	for _, s := range op.Steps {
		switch {
		case s.State == operation.Pending, s.Do == nil:
		case s.Agent == "":
			return nil, false
		case !slices.ContainsFunc(given, func(g operation.Step) bool { return g.Agent == s.Agent && g.Epoch == s.Epoch }):
			given = append(given, s)
		}
	}
	return given, true
}

// began is the epoch of the first order about an object: known of one that is still being created. The zero
// epoch stands for any.
func began(l look, o model.Object) lease.Epoch {
	if o.Base().Phase != model.Creating {
		return lease.Epoch{}
	}
	if op, ok := get[*operation.Operation](l, o.Base().Operation); ok {
		return op.Epoch
	}
	return lease.Epoch{}
}

// holds names the state directories behind claims by order of an epoch: the agent's present one, and former ones of which nobody
// said that they are gone. An agent that was never admitted holds nothing.
func holds(l look, e lease.Epoch, all []claim) []lease.Hold {
	var out []lease.Hold
	for _, c := range all {
		o, ok := l.Get(model.KindAgent, c.agent)
		if !ok {
			continue
		}
		a := o.(*model.Agent)
		add := func(identity string) {
			h := lease.Hold{Kind: c.kind, ID: c.id, Agent: lease.Witness{Agent: string(a.ID), Identity: identity}, Epoch: e}
			if identity != "" && !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
		add(a.Identity)
		for _, identity := range a.Former {
			add(identity)
		}
	}
	return out
}

// claims is what agents may hold on behalf of one object.
func claims(l look, o model.Object) []claim {
	switch o := o.(type) {
	case *model.Instance:
		at := onHost(l, o.Kaktus)
		at.add(lease.HeldMachine, string(o.ID))
		for _, id := range o.Volumes {
			at.add(lease.HeldVolume, string(id))
		}
		for _, id := range o.Adapters {
			at.card(l, id)
		}
		return at.claims
	case *model.Volume:
		at := inPool(l, o.Pool)
		at.add(lease.HeldVolume, string(o.ID))
		return at.claims
	case *model.Adapter:
		var all []claim
		for host := range machinesWith(l, o.ID) {
			at := onHost(l, host)
			at.cardOf(o)
			all = append(all, at.claims...)
		}
		return all
	case *model.Node:
		at := onHost(l, o.Kaktus)
		at.add(lease.HeldMachine, string(o.ID))
		at.card(l, o.Adapter)
		at.card(l, o.Public)
		return at.claims
	case *model.Kawaii:
		return gateway(l, o)
	case *model.Konvey:
		var all []claim
		for _, n := range nodesOf(l, o.ID) {
			at := onHost(l, n.Kaktus)
			at.add(lease.HeldAddress, o.VIP)
			at.vrrp(o.Subnet, o.VRID)
			all = append(all, at.claims...)
		}
		return all
	case *model.Kylo:
		n, ok := get[*model.NFS](l, o.NFS)
		if !ok {
			return nil
		}
		at := inPool(l, n.Pool)
		at.add(lease.HeldExport, string(o.ID))
		return at.claims
	case *model.VNet:
		at := inRegion(l, o.Region)
		at.add(lease.HeldVLAN, o.Interface+" "+strconv.FormatInt(o.VLAN, 10))
		return at.claims
	case *model.Kaktus:
		if !anyOf(l, model.KindInstance, "kaktus", o.ID, func(i model.Object) bool { return i.(*model.Instance).Kaktus == o.ID }) &&
			!anyOf(l, model.KindNode, "kaktus", o.ID, func(n model.Object) bool { return n.(*model.Node).Kaktus == o.ID }) {
			return nil
		}
		at := place{agents: o.Agents}
		at.add(lease.HeldCapacity, o.Name)
		return at.claims
	case *model.Pool:
		if !anyOf(l, model.KindVolume, "pool", o.ID, func(d model.Object) bool { return d.(*model.Volume).Pool == o.ID }) {
			return nil
		}
		at := place{agents: o.Agents}
		at.add(lease.HeldCapacity, o.Name)
		return at.claims
	}
	return nil
}

// gateway is what the nodes of a Kawaii may hold besides their own: the virtual addresses of their zone.
func gateway(l look, o *model.Kawaii) []claim {
	var all []claim
	for _, n := range nodesOf(l, o.ID) {
		at := onHost(l, n.Kaktus)
		for _, vip := range o.VIPs {
			if vip.Zone == n.Zone {
				at.vrrp(o.PrivateSubnet, vip.VRID)
				at.add(lease.HeldAddress, vip.Public)
				at.add(lease.HeldAddress, vip.Private)
			}
		}
		for _, p := range o.Peerings {
			for _, leg := range p.Legs {
				if leg.Zone == n.Zone {
					at.add(lease.HeldAddress, leg.Address)
				}
			}
		}
		all = append(all, at.claims...)
	}
	return all
}

// place collects what the agents of a host, a pool or a region may hold.
type place struct {
	agents []model.ID
	claims []claim
}

func (p *place) add(kind lease.ResourceKind, id string) {
	if id == "" {
		return
	}
	for _, agent := range p.agents {
		p.claims = append(p.claims, claim{kind, id, agent})
	}
}

func (p *place) vrrp(subnet model.ID, id int64) {
	if id != 0 {
		p.add(lease.HeldVRRP, strconv.FormatInt(id, 10)+" on subnet "+string(subnet))
	}
}

func (p *place) card(l look, id model.ID) {
	if a, ok := get[*model.Adapter](l, id); ok {
		p.cardOf(a)
	}
}

func (p *place) cardOf(a *model.Adapter) {
	p.add(lease.HeldMAC, a.MAC)
	for _, address := range a.Addresses {
		p.add(lease.HeldAddress, address)
	}
}

func onHost(l look, kaktus model.ID) *place {
	if host, ok := get[*model.Kaktus](l, kaktus); ok {
		return &place{agents: host.Agents}
	}
	return new(place)
}

func inPool(l look, pool model.ID) *place {
	if p, ok := get[*model.Pool](l, pool); ok {
		return &place{agents: p.Agents}
	}
	return new(place)
}

func inRegion(l look, region model.ID) *place {
	p := new(place)
	for o := range l.where(model.KindZone, "region", region, func(o model.Object) bool { return o.(*model.Zone).Region == region }) {
		zone := o.Base().ID
		for h := range l.where(model.KindKaktus, "zone", zone, func(o model.Object) bool { return o.(*model.Kaktus).Zone == zone }) {
			p.agents = append(p.agents, h.(*model.Kaktus).Agents...)
		}
	}
	return p
}
