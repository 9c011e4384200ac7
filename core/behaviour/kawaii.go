package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/place"
)

func init() {
	register(model.KindKawaii, catalogue.Create, "", createKawaii)
	register(model.KindKawaii, catalogue.Update, "", updateKawaii)
	register(model.KindKawaii, catalogue.Delete, "", deleteKawaii)
	register(model.KindKawaii, catalogue.Action, "replace", func(d model.Draft, r *Request) (Outcome, error) {
		return replaceNodes(d, r, r.Target.Base().ID, func(n *model.Node, _ []*model.Node) (place.Seat, error) {
			ask := place.Request{Shape: n.Shape, Zone: n.Zone, Project: n.Project, Exclude: []model.ID{n.Kaktus}}
			host, err := r.Board.Choose(d, r.Live, ask, r.Trace)
			return place.Seat{Zone: n.Zone, Host: host}, err
		})
	})
}

// createKawaii gives every zone of the region a pair of virtual addresses and a node, or nothing at all.
// There is no work to wait for: what the nodes shall do follows from the records.
func createKawaii(d model.Draft, r *Request) (Outcome, error) {
	k := begin(r).(*model.Kawaii)
	p, region, err := homeOf(d, k.Project, k.Region)
	if err != nil {
		return Outcome{}, err
	}
	if other := gatewayIn(d, p.ID, region.ID); other != nil {
		return Outcome{}, fault.New(fault.Conflict, "project %q has gateway %q in region %q already; change that one", p.Name, other.Name, region.Name)
	}
	s, err := subnetIn(d, p, region)
	if err != nil {
		return Outcome{}, err
	}
	k.PrivateSubnet = s.ID
	if err := checkRules(k, s); err != nil {
		return Outcome{}, err
	}
	if err := declare(d, r, k, nil); err != nil {
		return Outcome{}, err
	}
	if k.Name == "" {
		k.Name = kawaiiName(d, p, region)
	}
	if err := checkPeopleName(k.Name); err != nil {
		return Outcome{}, err
	}
	zones := zonesByName(d, region.ID)
	if len(zones) == 0 {
		return Outcome{}, fault.Bad("regionId", "region %q has no zone; a gateway has a node in each zone, so add one first", region.Name)
	}
	if k, err = addVIPs(d, r, k, zones); err != nil {
		return Outcome{}, err
	}
	if err := addNodes(d, r, k, zones); err != nil {
		return Outcome{}, err
	}
	if _, err := settleBoth(d, r, k); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: k.ID, Explain: true}, noteVRIDs(d, p.ID)
}

// kawaiiName names a gateway after its project, a further one also after its region.
func kawaiiName(v model.View, p *model.Project, region *model.Region) string {
	name := "kawaii-" + p.Name
	if _, taken := v.One(model.KindKawaii, "name", name); taken {
		name += "-" + region.Name
	}
	return freeName(v, model.KindKawaii, name)
}

// gatewayIn is the gateway of a project in a region, nil for none.
func gatewayIn(v model.View, project, region model.ID) *model.Kawaii {
	k, _ := model.One[*model.Kawaii](v, "place", string(project)+"|"+string(region))
	return k
}

// updateKawaii also mends: zones that came after the gateway, or had no room when it was made, get what
// they lack as far as that is possible now.
func updateKawaii(d model.Draft, r *Request) (Outcome, error) {
	if err := idle(r.Target); err != nil {
		return Outcome{}, err
	}
	old, k := r.Target.(*model.Kawaii), r.Object.(*model.Kawaii)
	s, ok := model.Find[*model.Subnet](d, k.PrivateSubnet)
	if !ok {
		return Outcome{}, fault.New(fault.Internal, "gateway %s has no private subnet", k.ID)
	}
	if k.Name == "" {
		k.Name = old.Name
	}
	if err := checkPeopleName(k.Name); err != nil {
		return Outcome{}, err
	}
	if err := checkRules(k, s); err != nil {
		return Outcome{}, err
	}
	if err := declare(d, r, k, old); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(k); err != nil {
		return Outcome{}, err
	}
	k, err := mendZones(d, r, k, zonesByName(d, k.Region))
	if err != nil {
		return Outcome{}, err
	}
	if _, err := settleBoth(d, r, k); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: k.ID, Explain: true}, noteVRIDs(d, k.Project)
}

// deleteKawaii gives everything back, the addresses that others have here for peering included.
func deleteKawaii(d model.Draft, r *Request) (Outcome, error) {
	if err := idle(r.Target); err != nil {
		return Outcome{}, err
	}
	k := r.Target.(*model.Kawaii)
	for t := range model.By[*model.IPsec](d, "kawaii", k.ID) {
		return Outcome{}, fault.New(fault.Conflict, "gateway %q still has tunnel %q; delete it first", k.Name, t.Name)
	}
	for _, n := range nodesOf(d, k.ID) {
		if err := dropNode(d, n); err != nil {
			return Outcome{}, err
		}
	}
	if err := d.Delete(model.KindKawaii, k.ID); err != nil {
		return Outcome{}, err
	}
	if err := sweep(d, k.ID, nil); err != nil {
		return Outcome{}, err
	}
	if err := settlePeers(d, r, k); err != nil {
		return Outcome{}, err
	}
	return Outcome{}, noteVRIDs(d, k.Project)
}
