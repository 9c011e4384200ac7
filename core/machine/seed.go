package machine

import (
	"net/netip"

	"kowabunga/core/agentproto"
	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
)

// Chance is what is drawn for a machine's configuration disk.
type Chance struct {
	Password string // root's, where the project has none
	Salt     string // of the hash of root's password
	Secret   string // what the machine proves itself to the metadata service with
}

// DrawChance draws it.
func DrawChance(d *model.Draw) Chance {
	return Chance{Password: d.Token(32), Salt: d.Token(cloudinit.SaltLength), Secret: d.Token(metadata.SecretLength)}
}

// Seed renders the machine's configuration disk. service is how the guest reaches its metadata.
func Seed(v model.View, o *model.Instance, chance Chance, service metadata.Service) (agentproto.Seed, error) {
	p, ok := model.Find[*model.Project](v, o.Project)
	if !ok {
		return agentproto.Seed{}, fault.New(fault.Internal, "project %s is gone", o.Project)
	}
	password := p.RootPassword.Reveal()
	if password == "" {
		password = chance.Password
	}
	in := cloudinit.Machine{
		InstanceID: string(o.ID), Hostname: cloudinit.Hostname(o.Name, string(o.ID)), Domain: p.Domain,
		RootHash: cloudinit.HashPassword(password, chance.Salt), User: p.BootstrapUser, Windows: o.OS == "windows",
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
	if zone, ok := model.Find[*model.Zone](v, o.Zone); ok {
		in.Zone = zone.Name
		if region, ok := model.Find[*model.Region](v, zone.Region); ok {
			in.Region = region.Name
		}
	}
	if address, subnet := metadata.Local(v, o); subnet != nil && service.URL != "" {
		in.Metadata = cloudinit.Metadata{URI: service.URL, LocalIP: address.String(), Secret: chance.Secret, CA: service.CA}
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
	a, s, n, err := segment(v, adapter)
	if err != nil {
		return cloudinit.NIC{}, err
	}
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
