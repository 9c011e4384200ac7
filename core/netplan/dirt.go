package netplan

import "kowabunga/core/model"

// dirt drops pieces of a plan.
type dirt struct {
	*Plan
	before, after model.View
	affected      *Affected
}

// touch drops what an object has to do with in a view, the older or the newer one.
func (d *dirt) touch(v model.View, o model.Object) {
	switch o := o.(type) {
	case *model.Region:
		d.region(o.ID)
	case *model.Zone:
		d.region(o.Region)
	case *model.VNet:
		d.region(o.Region)
	case *model.Kiwi:
		d.router(o.Region)
		for _, agent := range o.Agents {
			d.affected.Agents[agent] = true
		}
	case *model.Subnet:
		if n, ok := model.Find[*model.VNet](v, o.VNet); ok {
			d.region(n.Region)
		}
	case *model.Project:
		d.project(v, o)
	case *model.Record:
		d.record(v, o)
	case *model.Adapter:
		d.adapter(v, o)
	case *model.Instance:
		d.machine(v, o)
	case *model.Volume:
		d.place(v, place{o.Region, o.Project})
	case *model.Template:
		if pool, ok := model.Find[*model.Pool](v, o.Pool); ok {
			d.region(pool.Region)
		}
	case *model.Pool:
		for _, agent := range o.Agents {
			d.affected.Agents[agent] = true
		}
	case *model.Kaktus:
		d.host(v, o)
	case *model.Kawaii:
		d.kawaii(v, o)
	case *model.IPsec:
		d.owner(v, o.Kawaii)
	case *model.Konvey:
		d.vrid(v, o.VRID)
		d.cardsOf(v, o.ID)
		d.owner(v, o.ID)
		d.router(o.Region)
	case *model.Node:
		d.owner(v, o.Owner)
		d.drop(o)
	}
}

// region drops everything of a region.
func (d *dirt) region(region model.ID) {
	d.router(region)
	for id, s := range d.scopes {
		if s.region == region || s.region == "" {
			delete(d.scopes, id)
		}
	}
	for at := range d.names {
		if at.region == region {
			delete(d.names, at)
		}
	}
	for at := range d.documents {
		if at.region == region {
			delete(d.documents, at)
		}
	}
	for id, n := range d.nodes {
		if n.region == region || n.region == "" {
			delete(d.nodes, id)
		}
	}
	for _, v := range []model.View{d.before, d.after} {
		// Which addresses are of this region decides what projects tell in their other regions.
		for p := range model.By[*model.Project](v, "region", region) {
			for _, other := range p.Regions {
				if other != region {
					d.place(v, place{other, p.ID})
				}
			}
		}
		for z := range model.By[*model.Zone](v, "region", region) {
			for h := range model.By[*model.Kaktus](v, "zone", z.ID) {
				d.hostChanged(h)
			}
		}
	}
}

// hostChanged says that the documents of a host are to be made again.
func (d *dirt) hostChanged(h *model.Kaktus) {
	delete(d.services, h.ID)
	d.affected.Hosts[h.ID] = true
	for _, agent := range h.Agents {
		d.affected.Agents[agent] = true
	}
}

// router drops what the routers of a region do apart from machines.
func (d *dirt) router(region model.ID) {
	delete(d.networks, region)
	d.kiwi(region)
}

// kiwi says that the document of a region's routers is to be put together again.
func (d *dirt) kiwi(region model.ID) {
	delete(d.kiwis, region)
	d.affected.Regions[region] = true
}

// drop drops a node, and says that its host's document is to be put together again.
func (d *dirt) drop(n *model.Node) {
	delete(d.nodes, n.ID)
	delete(d.services, n.Kaktus)
	d.affected.Hosts[n.Kaktus] = true
}

// owner drops the nodes of a gateway or load balancer.
func (d *dirt) owner(v model.View, owner model.ID) {
	for n := range model.By[*model.Node](v, "owner", owner) {
		d.drop(n)
	}
}

// place drops the names and metadata of a project in a region, and the nodes that use them.
func (d *dirt) place(v model.View, at place) {
	delete(d.names, at)
	delete(d.documents, at)
	d.kiwi(at.region)
	for k := range model.By[*model.Kawaii](v, "project", at.project) {
		if k.Region == at.region {
			d.owner(v, k.ID)
		}
	}
	for k := range model.By[*model.Konvey](v, "project", at.project) {
		if k.Region == at.region {
			d.owner(v, k.ID)
		}
	}
}

func (d *dirt) scopeOf(v model.View, subnet model.ID) {
	delete(d.scopes, subnet)
	if s, ok := model.Find[*model.Subnet](v, subnet); ok {
		if n, ok := model.Find[*model.VNet](v, s.VNet); ok {
			d.kiwi(n.Region)
		}
	}
}

func (d *dirt) project(v model.View, o *model.Project) {
	for _, region := range o.Regions {
		d.place(v, place{region, o.ID})
		d.router(region)
	}
	for s := range model.By[*model.Subnet](v, "project", o.ID) {
		d.scopeOf(v, s.ID)
	}
	for n := range model.By[*model.Node](v, "project", o.ID) {
		d.drop(n)
	}
}

func (d *dirt) record(v model.View, o *model.Record) {
	if o.Region != "" {
		d.place(v, place{region: o.Region})
		return
	}
	if p, ok := model.Find[*model.Project](v, o.Project); ok {
		for _, region := range p.Regions {
			d.place(v, place{region, o.Project})
		}
	}
}

func (d *dirt) machine(v model.View, o *model.Instance) {
	if z, ok := model.Find[*model.Zone](v, o.Zone); ok {
		d.place(v, place{z.Region, o.Project})
	}
	d.attachment(v, o)
	for _, id := range o.Adapters {
		if a, ok := model.Find[*model.Adapter](v, id); ok {
			d.scopeOf(v, a.Subnet)
		}
	}
}

func (d *dirt) adapter(v model.View, o *model.Adapter) {
	d.scopeOf(v, o.Subnet)
	d.sharers(v, o)
	for machine := range model.By[*model.Instance](v, "adapter", o.ID) {
		d.machine(v, machine)
	}
	if o.Service != "" {
		d.owner(v, o.Service)
		if k, ok := model.Find[*model.Konvey](v, o.Service); ok {
			d.router(k.Region)
		}
	}
}

func (d *dirt) host(v model.View, o *model.Kaktus) {
	d.hostChanged(o)
	for n := range model.By[*model.Node](v, "kaktus", o.ID) {
		d.drop(n)
	}
	for machine := range model.By[*model.Instance](v, "kaktus", o.ID) {
		d.machine(v, machine)
	}
}

// kawaii drops a gateway, and those that its declarations decide about.
func (d *dirt) kawaii(v model.View, o *model.Kawaii) {
	d.owner(v, o.ID)
	d.cardsOf(v, o.ID)
	for i := range o.VIPs {
		d.vrid(v, o.VIPs[i].VRID)
	}
	d.router(o.Region)
	for s := range model.By[*model.Subnet](v, "project", o.Project) {
		for other := range model.By[*model.Kawaii](v, "peer", s.ID) {
			d.owner(v, other.ID)
		}
	}
}

// contests drops the services that won or lost a router id because of what another did.
func (d *dirt) contests(before map[model.ID]claims) {
	for region, was := range before {
		if _, fresh := d.networks[region]; fresh {
			continue
		}
		now := d.network(region).claims
		if was.same(now) {
			continue
		}
		for _, side := range []claims{was, now} {
			for owner := range side.losers {
				for _, v := range []model.View{d.before, d.after} {
					d.owner(v, owner)
				}
			}
		}
	}
}
