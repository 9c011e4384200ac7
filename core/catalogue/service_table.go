package catalogue

import (
	"kowabunga/core/model"
)

func initServiceTables() {
	kawaii.Table = model.Table{Kind: model.KindKawaii, New: func() model.Object { return new(model.Kawaii) },
		Unique: []model.Index{names,
			{Name: "place", Field: "regionId", Keys: func(o model.Object) []string {
				k := o.(*model.Kawaii)
				return []string{string(k.Project) + "|" + string(k.Region)}
			}}},
		Indexes: []model.Index{index("project", func(o *model.Kawaii) model.ID { return o.Project }),
			index("region", func(o *model.Kawaii) model.ID { return o.Region }),
			indexes("peer", func(o *model.Kawaii) []model.ID {
				var out []model.ID
				for i := range o.Peerings {
					out = append(out, o.Peerings[i].Subnet)
				}
				return out
			})},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Kawaii) model.ID { return o.Project })},
			{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Kawaii) model.ID { return o.Region })},
			{Field: "public subnet", To: model.KindSubnet, IDs: id(func(o *model.Kawaii) model.ID { return o.PublicSubnet })},
			{Field: "private subnet", To: model.KindSubnet, IDs: id(func(o *model.Kawaii) model.ID { return o.PrivateSubnet })},
			{Field: "zones", To: model.KindZone, IDs: ids(func(o *model.Kawaii) []model.ID {
				var out []model.ID
				for i := range o.VIPs {
					out = append(out, o.VIPs[i].Zone)
				}
				return out
			})},
			{Field: "addresses", To: model.KindAdapter, IDs: ids(gatewayAdapters)},
			{Field: "vpc_peerings", To: model.KindSubnet, IDs: ids(func(o *model.Kawaii) []model.ID {
				var out []model.ID
				for i := range o.Peerings {
					out = append(out, o.Peerings[i].Subnet)
				}
				return out
			})}},
	}
	ipsec.Table = model.Table{Kind: model.KindIPsec, New: func() model.Object { return new(model.IPsec) },
		Unique: []model.Index{
			{Name: "name", Field: "name", Keys: func(o model.Object) []string { return []string{string(o.(*model.IPsec).Kawaii) + "|" + o.Base().Name} }},
			{Name: "remote", Field: "remote_ip", Keys: func(o model.Object) []string {
				return []string{string(o.(*model.IPsec).Kawaii) + "|" + o.(*model.IPsec).RemoteIP}
			}},
			{Name: "xfrm", Keys: func(o model.Object) []string {
				return []string{string(o.(*model.IPsec).Kawaii) + "|" + decimal(o.(*model.IPsec).XFRMID)}
			}}},
		Indexes: []model.Index{index("kawaii", func(o *model.IPsec) model.ID { return o.Kawaii })},
		Refs:    []model.Ref{{Field: "kawaii", To: model.KindKawaii, IDs: id(func(o *model.IPsec) model.ID { return o.Kawaii })}},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.IPsec).PreSharedKey} },
	}
	konvey.Table = model.Table{Kind: model.KindKonvey, New: func() model.Object { return new(model.Konvey) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("project", func(o *model.Konvey) model.ID { return o.Project }),
			index("region", func(o *model.Konvey) model.ID { return o.Region }),
			index("zone", func(o *model.Konvey) model.ID { return o.Zone })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Konvey) model.ID { return o.Project })},
			{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Konvey) model.ID { return o.Region })},
			{Field: "zone", To: model.KindZone, IDs: id(func(o *model.Konvey) model.ID { return o.Zone })},
			{Field: "subnet", To: model.KindSubnet, IDs: id(func(o *model.Konvey) model.ID { return o.Subnet })},
			{Field: "vip", To: model.KindAdapter, IDs: id(func(o *model.Konvey) model.ID { return o.Adapter })}},
	}
	node.Table = model.Table{Kind: model.KindNode, New: func() model.Object { return new(model.Node) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("project", func(o *model.Node) model.ID { return o.Project }),
			index("zone", func(o *model.Node) model.ID { return o.Zone }),
			index("kaktus", func(o *model.Node) model.ID { return o.Kaktus }),
			index("owner", func(o *model.Node) model.ID { return o.Owner })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Node) model.ID { return o.Project })},
			{Field: "zone", To: model.KindZone, IDs: id(func(o *model.Node) model.ID { return o.Zone })},
			{Field: "kaktus", To: model.KindKaktus, IDs: id(func(o *model.Node) model.ID { return o.Kaktus })},
			{Field: "adapter", To: model.KindAdapter, IDs: ids(func(o *model.Node) []model.ID { return []model.ID{o.Adapter, o.Public} })}},
	}
}

// gatewayAdapters are what reserves a gateway's addresses.
func gatewayAdapters(o *model.Kawaii) []model.ID {
	var out []model.ID
	for i := range o.VIPs {
		out = append(out, o.VIPs[i].PublicAdapter)
	}
	for i := range o.Peerings {
		for _, leg := range o.Peerings[i].Legs {
			out = append(out, leg.Adapter)
		}
	}
	return out
}

func decimal(n int64) string { return string(appendUint(nil, uint64(max(n, 0)))) }
