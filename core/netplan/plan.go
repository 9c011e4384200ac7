package netplan

import (
	"fmt"

	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// Plan is the desired states of one view, computed as far as anybody asked for them. It is not safe for
// concurrent use.
type Plan struct {
	view model.View

	networks  map[model.ID]*network // by region
	scopes    map[model.ID]*scope   // by subnet
	names     map[place]*names
	documents map[place]wire.Part // metadata of a project's machines
	nodes     map[model.ID]*node
	kiwis     map[model.ID][]byte // by region
	services  map[model.ID][]byte // by host
}

// place is a project in a region; of the region's own names the project is empty.
type place struct{ region, project model.ID }

// node is a node's document and what could not be planned of it.
type node struct {
	region   model.ID
	body     wire.Part
	problems []string
	strayed  bool // its owner is gone, or of another region, which this one is told nothing of
}

// stray leaves a node out of the document of its host.
func (made *node) stray(n *model.Node, owner string) {
	made.strayed, made.problems = true, []string{fmt.Sprintf("node %s is not in the region of its %s", n.ID, owner)}
}

// New begins a plan for a view.
func New(v model.View) *Plan {
	p := new(Plan)
	p.reset(v)
	return p
}

func (p *Plan) reset(v model.View) {
	p.view = v
	p.networks, p.scopes, p.names, p.documents = map[model.ID]*network{}, map[model.ID]*scope{}, map[place]*names{}, map[place]wire.Part{}
	p.nodes, p.kiwis, p.services = map[model.ID]*node{}, map[model.ID][]byte{}, map[model.ID][]byte{}
}

// View is the view that the plan is of.
func (p *Plan) View() model.View { return p.view }

// RegionOf is the region that an agent routes for, empty when it belongs to no Kiwi. An agent listed by
// the Kiwis of several regions serves that of the first.
func RegionOf(v model.View, agent model.ID) model.ID {
	for k := range model.By[*model.Kiwi](v, "agent", agent) {
		return k.Region
	}
	return ""
}

// HostOf is the host that an agent serves, empty for none. An agent listed by several serves the first.
func HostOf(v model.View, agent model.ID) model.ID {
	for h := range model.By[*model.Kaktus](v, "agent", agent) {
		return h.ID
	}
	return ""
}

// Kiwi is the document of the routers of a region, a wire.KiwiState in canonical form. Without a region it
// is that of an agent that has nothing to do. The bytes are not to be changed.
func (p *Plan) Kiwi(region model.ID) []byte {
	if region == "" {
		return (&wire.KiwiState{Schema: wire.KiwiSchema}).Encode()
	}
	if b, ok := p.kiwis[region]; ok {
		return b
	}
	b := p.kiwi(region)
	p.kiwis[region] = b
	return b
}

// Services is the document of a host, a wire.ServicesState in canonical form. Without a host it is that of
// an agent that has nothing to run. The bytes are not to be changed.
func (p *Plan) Services(host model.ID) []byte {
	if b, ok := p.services[host]; ok {
		return b
	}
	var kawaii, konvey []wire.Part
	if host != "" {
		for n := range model.By[*model.Node](p.view, "kaktus", host) {
			switch made := p.node(n); {
			case made.strayed:
			case n.Role == roleKawaii:
				kawaii = append(kawaii, made.body)
			case n.Role == roleKonvey:
				konvey = append(konvey, made.body)
			}
		}
	}
	b := wire.EncodeServices(string(host), kawaii, konvey)
	p.services[host] = b
	return b
}

// The roles of nodes.
const (
	roleKawaii = "kawaii"
	roleKonvey = "konvey"
)

// Problems is what could not be planned for a Kiwi, a Kawaii or a Konvey; of another kind there is none.
func (p *Plan) Problems(o model.Object) []string {
	switch o := o.(type) {
	case *model.Kiwi:
		return p.problems(o.Region)
	case *model.Kawaii, *model.Konvey:
		var out []string
		seen := map[string]bool{}
		for n := range model.By[*model.Node](p.view, "owner", o.Base().ID) {
			for _, problem := range p.node(n).problems {
				if !seen[problem] {
					seen[problem] = true
					out = append(out, problem)
				}
			}
		}
		return out
	}
	return nil
}

func (p *Plan) node(n *model.Node) *node {
	if made, ok := p.nodes[n.ID]; ok {
		return made
	}
	made := new(node)
	if z, ok := model.Find[*model.Zone](p.view, n.Zone); ok {
		made.region = z.Region
	}
	if n.Role == roleKonvey {
		p.balancer(n, made)
	} else {
		p.gateway(n, made)
	}
	p.nodes[n.ID] = made
	return made
}

func (p *Plan) network(region model.ID) *network {
	if n, ok := p.networks[region]; ok {
		return n
	}
	n := planNetwork(p.view, region)
	p.networks[region] = n
	return n
}
