// Package machine turns the objects behind a virtual machine into what its host is told: the domain's
// definition, the configuration disk and the calls that make, change and remove them. Instances and
// Komputes share it.
package machine

import (
	"encoding/json"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// The time an agent has for one attempt, in milliseconds.
const (
	quick  = 60_000  // definitions, queries
	disk   = 600_000 // copying and growing disks
	margin = 30_000  // on top of the grace a guest has to stop
)

// Agents returns the agents that can act on the machine's host.
func Agents(v model.View, kaktus model.ID) []model.ID {
	host, ok := model.Find[*model.Kaktus](v, kaktus)
	if !ok {
		return nil
	}
	return host.Agents
}

// DiskAgents returns the agents of the host that reach the pool. Disks of a directory pool exist only
// on the hosts of its agents, so that others must not be asked.
func DiskAgents(v model.View, kaktus, pool model.ID) []model.ID {
	p, ok := model.Find[*model.Pool](v, pool)
	if !ok {
		return nil
	}
	var out []model.ID
	for _, agent := range Agents(v, kaktus) {
		if slices.Contains(p.Agents, agent) {
			out = append(out, agent)
		}
	}
	return out
}

// Definition is what the host is told of the machine.
func Definition(v model.View, o *model.Instance) (agentproto.Machine, error) {
	m := agentproto.Machine{
		MachineRef: agentproto.MachineRef{Machine: string(o.ID)},
		Name:       o.Name, Project: string(o.Project), OS: o.OS, VCPUs: o.VCPUs, Memory: o.Memory, Run: o.Run, UEFI: o.UEFI,
	}
	for _, id := range o.Volumes {
		d, ok := model.Find[*model.Volume](v, id)
		if !ok {
			return m, fault.New(fault.Internal, "volume %s of machine %s is gone", id, o.ID)
		}
		m.Disks = append(m.Disks, agentproto.Disk{VolumeRef: DiskRef(d)})
		if d.Type == "os" {
			m.Seed = &agentproto.VolumeRef{Pool: string(d.Pool), Volume: string(o.ID)}
		}
	}
	for _, id := range o.Adapters {
		a, s, n, err := segment(v, id)
		if err != nil {
			return m, err
		}
		m.NICs = append(m.NICs, agentproto.NIC{Adapter: string(a.ID), MAC: a.MAC, Bridge: n.Interface, Addresses: senders(a, s)})
	}
	return m, nil
}

// DiskRef names a volume for its host.
func DiskRef(d *model.Volume) agentproto.VolumeRef {
	return agentproto.VolumeRef{Pool: string(d.Pool), Volume: string(d.ID)}
}

// senders is what a card may send under: its addresses. A card without any may be given one inside the
// guest, which is then of its subnet.
func senders(a *model.Adapter, s *model.Subnet) []string {
	if len(a.Addresses) == 0 {
		return []string{s.CIDR}
	}
	return slices.Clone(a.Addresses)
}

func segment(v model.View, adapter model.ID) (*model.Adapter, *model.Subnet, *model.VNet, error) {
	a, ok := model.Find[*model.Adapter](v, adapter)
	if !ok {
		return nil, nil, nil, fault.New(fault.Internal, "adapter %s is gone", adapter)
	}
	s, ok := model.Find[*model.Subnet](v, a.Subnet)
	if !ok {
		return nil, nil, nil, fault.New(fault.Internal, "subnet %s is gone", a.Subnet)
	}
	n, ok := model.Find[*model.VNet](v, s.VNet)
	if !ok {
		return nil, nil, nil, fault.New(fault.Internal, "vnet %s is gone", s.VNet)
	}
	return a, s, n, nil
}

// To says whose agents do something: those of a host, of a pool, or, where both are named, those of the
// host that reach the pool.
type To struct {
	Host, Pool model.ID
	agents     []model.ID
}

// OnHost is the agents of a host.
func OnHost(v model.View, kaktus model.ID) To { return To{Host: kaktus, agents: Agents(v, kaktus)} }

// DiskOnHost is the agents of a host that reach a pool.
func DiskOnHost(v model.View, kaktus, pool model.ID) To {
	return To{Host: kaktus, Pool: pool, agents: DiskAgents(v, kaktus, pool)}
}

// InPool is the agents of a pool.
func InPool(pool *model.Pool) To { return To{Pool: pool.ID, agents: pool.Agents} }

// Call makes a call of a method; arguments that cannot be encoded are a defect of ours and panic.
func (t To) Call(method string, timeout int64, args any) *operation.Call {
	raw, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return &operation.Call{Agents: t.agents, Host: t.Host, Pool: t.Pool, Method: method, Args: model.Secret(raw), Timeout: timeout}
}

// Reach returns the agents to ask for a call now: those its host and pool have at present, so that an
// agent that was replaced holds nothing up, and where there are none those it was decided with.
func Reach(v model.View, c *operation.Call) []model.ID {
	var now []model.ID
	switch {
	case c.Host != "" && c.Pool != "":
		now = DiskAgents(v, c.Host, c.Pool)
	case c.Host != "":
		now = Agents(v, c.Host)
	case c.Pool != "":
		if p, ok := model.Find[*model.Pool](v, c.Pool); ok {
			now = p.Agents
		}
	}
	if len(now) == 0 {
		return c.Agents
	}
	return now
}
