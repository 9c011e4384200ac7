package behaviour

import (
	"cmp"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/quota"
)

func init() {
	register(model.KindKonvey, catalogue.Create, "", createKonvey)
	register(model.KindKonvey, catalogue.Update, "", updateKonvey)
	register(model.KindKonvey, catalogue.Delete, "", deleteKonvey)
	register(model.KindKonvey, catalogue.Action, "replace", func(d model.Draft, r *Request) (Outcome, error) {
		k := r.Target.(*model.Konvey)
		return replaceNodes(d, r, k.ID, func(_ *model.Node, others []*model.Node) (place.Seat, error) { return seatFor(d, r, k, others) })
	})
}

// createKonvey gives a load balancer its virtual address and its nodes in one go; there is no work to wait
// for.
func createKonvey(d model.Draft, r *Request) (Outcome, error) {
	k := begin(r).(*model.Konvey)
	var zone *model.Zone
	if k.Zone != "" {
		var ok bool
		if zone, ok = model.Find[*model.Zone](d, k.Zone); !ok {
			return Outcome{}, fault.New(fault.NotFound, "there is no zone %s", k.Zone)
		}
		if k.Region != "" && k.Region != zone.Region {
			return Outcome{}, fault.Bad("zoneId", "zone %q is in another region", zone.Name)
		}
		k.Region = zone.Region
	}
	p, region, err := homeOf(d, k.Project, k.Region)
	if err != nil {
		return Outcome{}, err
	}
	s, err := subnetIn(d, p, region)
	if err != nil {
		return Outcome{}, err
	}
	k.Subnet = s.ID
	if err := checkEndpoints(k.Endpoints); err != nil {
		return Outcome{}, err
	}
	if k.Name == "" {
		k.Name = konveyName(d, p, region, zone)
	}
	if err := checkPeopleName(k.Name); err != nil {
		return Outcome{}, err
	}
	vrids, err := ipam.VRIDs(d, []model.ID{s.VNet}, 1, r.Trace)
	if err != nil {
		return Outcome{}, err
	}
	card, err := serviceCard(d, r, k.ID, s, "konvey-"+k.Name+"-"+region.Name+"-VIP-private-adapter-0", true)
	if err != nil {
		return Outcome{}, err
	}
	k.VRID, k.Adapter, k.VIP = vrids[0], card.ID, card.Addresses[0]
	if err := d.Put(k); err != nil {
		return Outcome{}, err
	}
	if err := staff(d, r, k); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: k.ID, Explain: true}, noteVRIDs(d, p.ID)
}

// konveyName names a load balancer after its project, a further one also after its zone or region.
func konveyName(v model.View, p *model.Project, region *model.Region, zone *model.Zone) string {
	name := p.Name
	if _, taken := v.One(model.KindKonvey, "name", name); taken {
		if name += "-" + region.Name; zone != nil {
			name = p.Name + "-" + zone.Name
		}
	}
	return freeName(v, model.KindKonvey, name)
}

// staff gives a load balancer as many nodes as it shall have. The first stays where it is.
func staff(d model.Draft, r *Request, k *model.Konvey) error {
	wanted := 1
	if k.Failover {
		wanted = 2
	}
	nodes := nodesOf(d, k.ID)
	// The node that stands by is the last, and the first to go.
	slices.SortFunc(nodes, func(a, b *model.Node) int {
		return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), cmp.Compare(a.ID, b.ID))
	})
	for len(nodes) > wanted {
		if err := dropNode(d, nodes[len(nodes)-1]); err != nil {
			return err
		}
		nodes = nodes[:len(nodes)-1]
	}
	if len(nodes) == wanted {
		return nil
	}
	if err := quota.Check(d, k.Project, nodeTake(wanted-len(nodes)), r.Trace); err != nil {
		return err
	}
	s := service{project: k.Project, owner: k.ID, role: "konvey", stem: "konvey-" + k.Name}
	var ok bool
	if s.private, ok = model.Find[*model.Subnet](d, k.Subnet); !ok {
		return fault.New(fault.Internal, "load balancer %s has lost its subnet", k.ID)
	}
	for len(nodes) < wanted {
		seat, err := seatFor(d, r, k, nodes)
		if err != nil {
			return err
		}
		n, err := addNode(d, r, s, seat)
		if err != nil {
			return err
		}
		if len(nodes) > 0 {
			n = model.Edit(n)
			n.Standby = true
			if err := d.Put(n); err != nil {
				return err
			}
		}
		nodes = append(nodes, n)
	}
	return nil
}

// rankOf is a node's place among the nodes of its load balancer.
func rankOf(n *model.Node) int {
	if n.Standby {
		return 1
	}
	return 0
}

// seatFor finds a host for one more node of a load balancer: never that of another node of it, in a zone
// of its own where that is possible, else where the project has the fewest nodes. One that is bound to
// a zone stays there.
func seatFor(v model.View, r *Request, k *model.Konvey, nodes []*model.Node) (place.Seat, error) {
	ask := place.Request{Shape: nodeShape, Project: k.Project}
	crowd := map[model.ID]int{}
	for n := range model.By[*model.Node](v, "project", k.Project) {
		crowd[n.Zone]++
	}
	home := map[model.ID]bool{}
	for _, n := range nodes {
		ask.Exclude = append(ask.Exclude, n.Kaktus)
		home[n.Zone] = true
	}
	var zones []*model.Zone
	if z, ok := model.Find[*model.Zone](v, k.Zone); ok {
		zones = []*model.Zone{z}
	} else {
		zones = zonesByName(v, k.Region)
	}
	if len(zones) == 0 {
		region, _ := model.Find[*model.Region](v, k.Region)
		return place.Seat{}, fault.Bad("regionId", "region %q has no zone; a load balancer has its nodes in zones, so add one first", region.Name)
	}
	slices.SortStableFunc(zones, func(a, b *model.Zone) int {
		if home[a.ID] != home[b.ID] {
			if home[a.ID] {
				return 1
			}
			return -1
		}
		return cmp.Compare(crowd[a.ID], crowd[b.ID])
	})
	var refused error
	for _, z := range zones {
		ask.Zone = z.ID
		host, err := r.Board.Choose(v, r.Live, ask, r.Trace)
		if err == nil {
			return place.Seat{Zone: z.ID, Host: host}, nil
		}
		if code := fault.CodeOf(err); code != fault.Exhausted && code != fault.Unavailable {
			return place.Seat{}, err
		}
		refused = cmp.Or(refused, err)
	}
	if len(nodes) > 0 {
		f := *fault.From(refused)
		f.Field, f.Message = "failover", "the node that stands by needs a host of its own: "+f.Public()+", or send failover false"
		return place.Seat{}, &f
	}
	return place.Seat{}, refused
}

// updateKonvey changes all that can be sent; a second node comes and goes with failover.
func updateKonvey(d model.Draft, r *Request) (Outcome, error) {
	if err := idle(r.Target); err != nil {
		return Outcome{}, err
	}
	k := r.Object.(*model.Konvey)
	if k.Name == "" {
		k.Name = r.Target.Base().Name
	}
	if err := checkPeopleName(k.Name); err != nil {
		return Outcome{}, err
	}
	if err := checkEndpoints(k.Endpoints); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(k); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: k.ID, Explain: true}, staff(d, r, k)
}

// deleteKonvey gives everything back.
func deleteKonvey(d model.Draft, r *Request) (Outcome, error) {
	if err := idle(r.Target); err != nil {
		return Outcome{}, err
	}
	k := r.Target.(*model.Konvey)
	for _, n := range nodesOf(d, k.ID) {
		if err := dropNode(d, n); err != nil {
			return Outcome{}, err
		}
	}
	if err := d.Delete(model.KindKonvey, k.ID); err != nil {
		return Outcome{}, err
	}
	if err := sweep(d, k.ID, nil); err != nil {
		return Outcome{}, err
	}
	return Outcome{}, noteVRIDs(d, k.Project)
}
