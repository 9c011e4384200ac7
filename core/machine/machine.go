// Package machine turns the objects behind a virtual machine into what its host is told: the domain's
// definition, the configuration disk and the calls that make, change and remove them. Instances and
// Komputes share it.
package machine

import (
	"encoding/json"
	"net/netip"
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/cloudinit"
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
		Name:       o.Name, Project: string(o.Project), OS: o.OS, VCPUs: o.VCPUs, Memory: o.Memory, Run: o.Run,
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
		a, n, err := segment(v, id)
		if err != nil {
			return m, err
		}
		m.NICs = append(m.NICs, agentproto.NIC{Adapter: string(a.ID), MAC: a.MAC, Bridge: n.Interface})
	}
	return m, nil
}

// DiskRef names a volume for its host.
func DiskRef(d *model.Volume) agentproto.VolumeRef {
	return agentproto.VolumeRef{Pool: string(d.Pool), Volume: string(d.ID)}
}

func segment(v model.View, adapter model.ID) (*model.Adapter, *model.VNet, error) {
	a, ok := model.Find[*model.Adapter](v, adapter)
	if !ok {
		return nil, nil, fault.New(fault.Internal, "adapter %s is gone", adapter)
	}
	s, ok := model.Find[*model.Subnet](v, a.Subnet)
	if !ok {
		return nil, nil, fault.New(fault.Internal, "subnet %s is gone", a.Subnet)
	}
	n, ok := model.Find[*model.VNet](v, s.VNet)
	if !ok {
		return nil, nil, fault.New(fault.Internal, "vnet %s is gone", s.VNet)
	}
	return a, n, nil
}

// Seed renders the machine's configuration disk. Salt is 16 characters of chance for the hash of the
// root password, which is the project's or, without one, spare.
func Seed(v model.View, o *model.Instance, spare, salt string) (agentproto.Seed, error) {
	p, ok := model.Find[*model.Project](v, o.Project)
	if !ok {
		return agentproto.Seed{}, fault.New(fault.Internal, "project %s is gone", o.Project)
	}
	password := p.RootPassword.Reveal()
	if password == "" {
		password = spare
	}
	in := cloudinit.Machine{
		InstanceID: string(o.ID), Hostname: cloudinit.Hostname(o.Name, string(o.ID)), Domain: p.Domain,
		RootHash: cloudinit.HashPassword(password, salt), User: p.BootstrapUser,
	}
	if p.BootstrapPubkey != "" {
		in.Keys = []string{p.BootstrapPubkey}
	}
	for _, id := range o.Adapters {
		nic, err := card(v, p, o, id)
		if err != nil {
			return agentproto.Seed{}, err
		}
		in.NICs = append(in.NICs, nic)
	}
	docs, err := cloudinit.Render(in)
	if err != nil {
		return agentproto.Seed{}, err
	}
	seed := agentproto.Seed{UserData: docs.UserData, MetaData: docs.MetaData, NetworkConfig: docs.NetworkConfig}
	for _, id := range o.Volumes {
		if d, ok := model.Find[*model.Volume](v, id); ok && d.Type == "os" {
			seed.VolumeRef = agentproto.VolumeRef{Pool: string(d.Pool), Volume: string(o.ID)}
		}
	}
	return seed, nil
}

// card says how the guest configures one of its cards. A private card's default route is the project's
// gateway in the machine's zone, or the subnet's own where the project has none there; a public card's
// is the subnet's.
func card(v model.View, p *model.Project, o *model.Instance, adapter model.ID) (cloudinit.NIC, error) {
	a, n, err := segment(v, adapter)
	if err != nil {
		return cloudinit.NIC{}, err
	}
	s, _ := model.Find[*model.Subnet](v, a.Subnet)
	prefix, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return cloudinit.NIC{}, fault.Wrap(err, fault.Internal, "read subnet "+string(s.ID))
	}
	nic := cloudinit.NIC{MAC: a.MAC}
	for _, text := range a.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return cloudinit.NIC{}, fault.Wrap(err, fault.Internal, "read adapter "+string(a.ID))
		}
		nic.Addresses = append(nic.Addresses, netip.PrefixFrom(address, prefix.Bits()))
	}
	if len(nic.Addresses) == 0 {
		return nic, nil
	}
	router, _ := netip.ParseAddr(s.Gateway)
	nic.Gateway = router
	if n.Private {
		for _, g := range p.Gateways {
			if at, err := netip.ParseAddr(g.Address); err == nil && g.Zone == o.Zone && prefix.Contains(at) {
				nic.Gateway = at
			}
		}
	}
	for _, text := range s.ExtraRoutes {
		if to, err := netip.ParsePrefix(text); err == nil {
			nic.Routes = append(nic.Routes, cloudinit.Route{To: to, Via: router})
		}
	}
	resolver, err := netip.ParseAddr(s.DNS)
	if err != nil {
		resolver = router
	}
	nic.DNS = []netip.Addr{resolver}
	if p.Domain != "" {
		nic.Search = []string{p.Domain}
	}
	return nic, nil
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
