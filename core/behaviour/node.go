package behaviour

import (
	"slices"
	"strconv"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/core/trace"
)

// Nodes have no requests of their own: they come and go with gateways and load balancers.

// nodeShape is what a node counts for on its host and against the project's quota.
var nodeShape = model.Shape{VCPUs: 1, Memory: 1 << 30}

// nodeTake is what n nodes ask of a project's quota.
func nodeTake(n int) model.Resources {
	return model.Resources{Instances: int64(n), VCPUs: int64(n) * nodeShape.VCPUs, Memory: int64(n) * nodeShape.Memory}
}

// service is the owner of nodes as they see it.
type service struct {
	project, owner  model.ID
	role            string
	stem            string        // its nodes are called STEM-ZONE-1 and so on
	private, public *model.Subnet // public is nil where the nodes have no leg
}

// addNode puts a node on a host, with its cards.
func addNode(d model.Draft, r *Request, s service, seat place.Seat) (*model.Node, error) {
	zone, ok := model.Find[*model.Zone](d, seat.Zone)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no zone %s", seat.Zone)
	}
	n := &model.Node{Project: s.project, Zone: seat.Zone, Kaktus: seat.Host, Owner: s.owner, Role: s.role, Shape: nodeShape}
	n.ID, n.Name = r.Draw.ID(), numbered(d, model.KindNode, s.stem+"-"+zone.Name+"-")
	card, err := serviceCard(d, r, s.owner, s.private, n.Name+"-private-adapter", true)
	if err != nil {
		return nil, err
	}
	n.Adapter, n.Address = card.ID, card.Addresses[0]
	if s.public != nil {
		if card, err = serviceCard(d, r, s.owner, s.public, n.Name+"-public-adapter", false); err != nil {
			return nil, err
		}
		n.Public = card.ID
	}
	return n, d.Put(n)
}

// serviceCard makes an adapter that belongs to a gateway or load balancer; without an address it is a
// MAC address only.
func serviceCard(d model.Draft, r *Request, owner model.ID, s *model.Subnet, name string, addressed bool) (*model.Adapter, error) {
	mac, err := ipam.MAC(d, r.Draw)
	if err != nil {
		return nil, err
	}
	a := &model.Adapter{Subnet: s.ID, MAC: mac, Service: owner}
	a.ID, a.Name = r.Draw.ID(), freeName(d, model.KindAdapter, name)
	if addressed {
		address, err := ipam.Pick(d, s, r.Trace)
		if err != nil {
			return nil, err
		}
		a.Addresses = []string{address.String()}
	}
	return a, d.Put(a)
}

// freeName is the name, or where it is taken the name with the lowest number from 2 that is not.
func freeName(v model.View, kind model.Kind, name string) string {
	if _, taken := v.One(kind, "name", name); !taken {
		return name
	}
	for n := 2; ; n++ {
		candidate := name + "-" + strconv.Itoa(n)
		if _, taken := v.One(kind, "name", candidate); !taken {
			return candidate
		}
	}
}

// numbered is the stem with the lowest number from 1 that makes a free name.
func numbered(v model.View, kind model.Kind, stem string) string {
	for n := 1; ; n++ {
		candidate := stem + strconv.Itoa(n)
		if _, taken := v.One(kind, "name", candidate); !taken {
			return candidate
		}
	}
}

func nodesOf(v model.View, owner model.ID) []*model.Node {
	var out []*model.Node
	for n := range model.By[*model.Node](v, "owner", owner) {
		out = append(out, n)
	}
	return out
}

// dropNode takes a node away with its cards.
func dropNode(d model.Draft, n *model.Node) error {
	if err := d.Delete(model.KindNode, n.ID); err != nil {
		return err
	}
	for _, card := range []model.ID{n.Adapter, n.Public} {
		if card == "" {
			continue
		}
		if err := d.Delete(model.KindAdapter, card); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the adapters of a service that neither it nor a node of it has any more. kept are those
// the service itself has.
func sweep(d model.Draft, owner model.ID, kept []model.ID) error {
	used := map[model.ID]bool{}
	for _, id := range kept {
		used[id] = true
	}
	for _, n := range nodesOf(d, owner) {
		used[n.Adapter], used[n.Public] = true, true
	}
	var unused []model.ID
	for a := range model.By[*model.Adapter](d, "service", owner) {
		if !used[a.ID] {
			unused = append(unused, a.ID)
		}
	}
	for _, id := range unused {
		if err := d.Delete(model.KindAdapter, id); err != nil {
			return err
		}
	}
	return nil
}

// subnetIn is the project's own subnet in a region. Faults: Conflict when it has none.
func subnetIn(v model.View, p *model.Project, region *model.Region) (*model.Subnet, error) {
	for s := range model.By[*model.Subnet](v, "project", p.ID) {
		if regionOf(v, s) == region.ID {
			return s, nil
		}
	}
	return nil, fault.New(fault.Conflict, "project %q has no subnet in region %q; a superAdmin can add the region to the project", p.Name, region.Name)
}

// homeOf finds the project and region of something new.
func homeOf(v model.View, project, region model.ID) (*model.Project, *model.Region, error) {
	p, ok := model.Find[*model.Project](v, project)
	if !ok {
		return nil, nil, fault.New(fault.NotFound, "there is no project %s", project)
	}
	at, ok := model.Find[*model.Region](v, region)
	if !ok {
		return nil, nil, fault.New(fault.NotFound, "there is no region %s", region)
	}
	return p, at, nil
}

// vacate moves the nodes off a host that goes away. A gateway can do without a node in the zone for a
// while, since its other nodes hold the zone's addresses meanwhile; everything else keeps the host.
func vacate(d model.Draft, r *Request, o model.Object) error {
	host := o.(*model.Kaktus)
	var nodes []*model.Node
	for n := range model.By[*model.Node](d, "kaktus", host.ID) {
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		err := moveNode(d, r, n)
		switch code := fault.CodeOf(err); {
		case err == nil:
		case code != fault.Exhausted && code != fault.Unavailable:
			return err
		case n.Role == "kawaii" && len(nodesOf(d, n.Owner)) > 1:
			r.Trace.Add("node", n.ID, trace.Refused, "%q has no other host and goes: %s", n.Name, fault.From(err).Public())
			if err := dropNode(d, n); err != nil {
				return err
			}
		default:
			return fault.New(fault.Conflict, "kaktus %q carries node %q, which has no other host: %s", host.Name, n.Name, fault.From(err).Public())
		}
	}
	return nil
}

// moveNode gives a node another host in its zone, never that of another node of the same owner.
func moveNode(d model.Draft, r *Request, n *model.Node) error {
	ask := place.Request{Shape: n.Shape, Zone: n.Zone, Project: n.Project}
	for _, other := range nodesOf(d, n.Owner) {
		ask.Exclude = append(ask.Exclude, other.Kaktus)
	}
	host, err := r.Board.Choose(d, r.Live, ask, r.Trace)
	if err != nil {
		return err
	}
	n = model.Edit(n)
	n.Kaktus = host
	return d.Put(n)
}

// replaceNodes gives the nodes of a gateway or load balancer that are on hosts whose agents are not
// connected another host, each or none. seat finds one for a node beside the others.
func replaceNodes(d model.Draft, r *Request, owner model.ID, seat func(n *model.Node, others []*model.Node) (place.Seat, error)) (Outcome, error) {
	if err := idle(r.Target); err != nil {
		return Outcome{}, err
	}
	for _, n := range nodesOf(d, owner) {
		host, ok := model.Find[*model.Kaktus](d, n.Kaktus)
		if ok && slices.ContainsFunc(host.Agents, r.Live) {
			r.Trace.Add("node", n.ID, trace.Given, "%q stays: its host is connected", n.Name)
			continue
		}
		to, err := seat(n, slices.DeleteFunc(nodesOf(d, owner), func(o *model.Node) bool { return o.ID == n.ID }))
		if err != nil {
			return Outcome{}, err
		}
		r.Trace.Add("node", n.ID, trace.Chosen, "%q moves to host %s", n.Name, to.Host)
		n = model.Edit(n)
		n.Kaktus, n.Zone = to.Host, to.Zone
		if err := d.Put(n); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Object: owner, Explain: true}, nil
}
