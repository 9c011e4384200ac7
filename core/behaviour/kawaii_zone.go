package behaviour

import (
	"cmp"
	"slices"
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/quota"
	"kowabunga/core/trace"
)

// What a gateway has in each zone of its region.

func zonesByName(v model.View, region model.ID) []*model.Zone {
	var out []*model.Zone
	for z := range model.By[*model.Zone](v, "region", region) {
		out = append(out, z)
	}
	slices.SortFunc(out, func(a, b *model.Zone) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func zoneIDs(zones []*model.Zone) []model.ID {
	out := make([]model.ID, len(zones))
	for i, z := range zones {
		out[i] = z.ID
	}
	return out
}

// addVIPs gives the zones their pairs of virtual addresses and stores the gateway. A fault it returns
// left nothing behind, except one of the store or of chance, which ends the whole request.
func addVIPs(d model.Draft, r *Request, k *model.Kawaii, zones []*model.Zone) (*model.Kawaii, error) {
	p, region, err := homeOf(d, k.Project, k.Region)
	if err != nil {
		return k, err
	}
	private, ok := model.Find[*model.Subnet](d, k.PrivateSubnet)
	if !ok {
		return k, fault.New(fault.Internal, "gateway %s has no private subnet", k.ID)
	}
	gateways, err := ipam.Gateways(d, private, zoneIDs(zones), p.Gateways)
	if fault.Is(err, fault.Invalid) {
		return k, fault.New(fault.Exhausted, "%s; have the pool enlarged", fault.From(err).Public())
	} else if err != nil {
		return k, err
	}
	public, vrids, err := publicRoom(d, r, k, region, private, len(zones))
	if err != nil {
		return k, err
	}
	// From here on only the store can refuse.
	p = model.Edit(p)
	p.Gateways = gateways
	if err := d.Put(p); err != nil {
		return k, err
	}
	k = model.Edit(k)
	k.PublicSubnet, k.VIPs = public.ID, slices.Clone(k.VIPs)
	for i, z := range zones {
		card, err := serviceCard(d, r, k.ID, public, "kawaii-"+p.Name+"-"+z.Name+"-VIP-public-adapter-0", true)
		if err != nil {
			return k, err
		}
		at := slices.IndexFunc(gateways, func(g model.Gateway) bool { return g.Zone == z.ID })
		k.VIPs = append(k.VIPs, model.GatewayVIP{Zone: z.ID, VRID: vrids[i], Public: card.Addresses[0], PublicAdapter: card.ID, Private: gateways[at].Address})
	}
	return k, d.Put(k)
}

// publicRoom finds the subnet that n more public addresses of a gateway come from, and their VRRP ids. A
// gateway that has a public subnet stays there; for a new one the public networks of the region are tried
// in turn, of each the default subnet first.
func publicRoom(v model.View, r *Request, k *model.Kawaii, region *model.Region, private *model.Subnet, n int) (*model.Subnet, []int64, error) {
	var refused []error
	try := func(s *model.Subnet) ([]int64, bool) {
		room, err := ipam.Count(v, s)
		if err == nil && room.Free < int64(n) {
			err = fault.New(fault.Exhausted, "public subnet %q (%s) has %d free addresses and the gateway needs %d, one for each zone; delete what has public addresses or have a subnet added", s.Name, s.CIDR, room.Free, n)
		}
		var vrids []int64
		if err == nil {
			vrids, err = ipam.VRIDs(v, []model.ID{s.VNet, private.VNet}, n, r.Trace)
		}
		if err != nil {
			r.Trace.Add("public subnet", s.ID, trace.Refused, "%s", fault.From(err).Public())
			refused = append(refused, err)
			return nil, false
		}
		r.Trace.Add("public subnet", s.ID, trace.Chosen, "%q %s: %d of %d addresses are free", s.Name, s.CIDR, room.Free, room.Usable)
		return vrids, true
	}
	if s, ok := model.Find[*model.Subnet](v, k.PublicSubnet); ok {
		if vrids, ok := try(s); ok {
			return s, vrids, nil
		}
		return nil, nil, refused[0]
	}
	for segment := range model.By[*model.VNet](v, "region", region.ID) {
		if segment.Private || segment.Phase != model.Ready {
			continue
		}
		for _, s := range defaultFirst(v, segment) {
			if s.Project != "" || s.Phase != model.Ready {
				continue
			}
			if vrids, ok := try(s); ok {
				return s, vrids, nil
			}
		}
	}
	if len(refused) == 0 {
		return nil, nil, fault.Bad("regionId", "region %q has no public network with a subnet; a gateway has a public address in each zone, so a superAdmin has to add one first", region.Name)
	}
	told := make([]string, len(refused))
	for i, err := range refused {
		told[i] = fault.From(err).Public()
	}
	return nil, nil, fault.New(fault.CodeOf(refused[0]), "region %q has no room for the gateway on its public networks: %s", region.Name, strings.Join(told, "; "))
}

// defaultFirst lists the subnets of a segment, its default before the others.
func defaultFirst(v model.View, segment *model.VNet) []*model.Subnet {
	var out []*model.Subnet
	for s := range model.By[*model.Subnet](v, "vnet", segment.ID) {
		if s.ID == segment.DefaultSubnet {
			out = slices.Insert(out, 0, s)
			continue
		}
		out = append(out, s)
	}
	return out
}

// addNodes puts a node of the gateway into each of the zones, or into none.
func addNodes(d model.Draft, r *Request, k *model.Kawaii, zones []*model.Zone) error {
	p, _, err := homeOf(d, k.Project, k.Region)
	if err != nil {
		return err
	}
	if err := quota.Check(d, p.ID, nodeTake(len(zones)), r.Trace); err != nil {
		return err
	}
	seats, err := r.Board.PerZone(d, r.Live, place.Request{Shape: nodeShape, Project: p.ID}, zoneIDs(zones), r.Trace)
	if err != nil {
		return err
	}
	s := service{project: p.ID, owner: k.ID, role: "kawaii", stem: "kawaii-" + p.Name}
	s.private, _ = model.Find[*model.Subnet](d, k.PrivateSubnet)
	s.public, _ = model.Find[*model.Subnet](d, k.PublicSubnet)
	if s.private == nil || s.public == nil {
		return fault.New(fault.Internal, "gateway %s has lost a subnet", k.ID)
	}
	if room, err := ipam.Count(d, s.private); err != nil {
		return err
	} else if room.Free < int64(len(zones)) {
		return fault.New(fault.Exhausted, "subnet %q (%s) has %d free addresses and the gateway's nodes need %d; delete machines", s.private.Name, s.private.CIDR, room.Free, len(zones))
	}
	for _, seat := range seats {
		if _, err := addNode(d, r, s, seat); err != nil {
			return err
		}
	}
	return nil
}
