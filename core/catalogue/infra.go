package catalogue

import (
	"kowabunga/core/model"
)

// Bits 0 and 1 are the same for every kind.
const (
	bitName = iota
	bitDescription
	bitOwn // first bit of a kind's own fields
)

func common[T any](meta func(*T) *model.Meta, fields ...Field) []Field {
	return append([]Field{
		{Name: "id", Bit: -1, Type: String, ReadOnly: true, Always: true, Doc: "id, 24 lower-case hexadecimal digits",
			write: func(b []byte, _ model.View, p any) []byte { return appendString(b, string(meta(p.(*T)).ID)) },
			empty: func(model.View, any) bool { return false },
			read:  func(any, []byte, string) error { return nil },
			reset: func(any) {}, same: func(a, b any) bool { return true }},
		str("name", bitName, func(o *T) *string { return &meta(o).Name }, Required, Column, Doc("name, unique among its kind")),
		str("description", bitDescription, func(o *T) *string { return &meta(o).Description }, Doc("free text")),
	}, fields...)
}

var costFields = []Field{
	number("price", 0, func(c *model.Cost) *float64 { return &c.Price }, Required, Doc("price per month")),
	str("currency", 1, func(c *model.Cost) *string { return &c.Currency }, Lenient, Default("EUR"), Doc("ISO 4217 code")),
}

var rangeFields = []Field{
	str("first", 0, func(r *model.IPRange) *string { return &r.First }, Required),
	str("last", 1, func(r *model.IPRange) *string { return &r.Last }, Required),
}

var region = Kind{
	Name: model.KindRegion, Plural: "regions", Schema: "Region", Title: "region",
	Summary: "A physical location with its own backbone, gateways and storage.",
	Fields: common(func(o *model.Region) *model.Meta { return &o.Meta },
		str("domain", bitOwn, func(o *model.Region) *string { return &o.Domain }, Lenient, Column, Doc("DNS domain of the region's own records")),
	),
	Internal: []string{"DefaultPool", "DefaultNFS"},
	Ops:      crud("Region", "region", "ListRegions", root, readAnyone),
}

var zone = Kind{
	Name: model.KindZone, Plural: "zones", Schema: "Zone", Title: "zone",
	Summary:  "A part of a region that fails on its own: a building, a room, a rack.",
	Parents:  []Parent{parent(model.KindRegion, "regionId", func(o *model.Zone) *model.ID { return &o.Region })},
	Fields:   common(func(o *model.Zone) *model.Meta { return &o.Meta }),
	Internal: []string{"Region"},
	Ops: ops(crud("Zone", "zone", "ListZones", under("/region/{regionId}/zone"), readAnyone),
		listed("ListRegionZones", "/region/{regionId}/zones", "region")),
}

var kaktus = Kind{
	Name: model.KindKaktus, Plural: "kaktuses", Schema: "Kaktus", Title: "kaktus (virtualisation host)",
	Summary: "A host that runs virtual machines, reached through its agents.",
	Parents: []Parent{parent(model.KindZone, "zoneId", func(o *model.Kaktus) *model.ID { return &o.Zone })},
	Fields: common(func(o *model.Kaktus) *model.Meta { return &o.Meta },
		nested("cpu_cost", bitOwn, "Cost", func(o *model.Kaktus) *model.Cost { return &o.CPUCost }, costFields, Always, Replace, Doc("price of all its processors")),
		nested("memory_cost", bitOwn+1, "Cost", func(o *model.Kaktus) *model.Cost { return &o.MemoryCost }, costFields, Always, Replace, Doc("price of all its memory")),
		integer("overcommit_cpu_ratio", bitOwn+2, func(o *model.Kaktus) *int64 { return &o.OvercommitCPU }, Default(int64(3)), Replace, Range(0, 1000), Doc("virtual processors per thread")),
		integer("overcommit_memory_ratio", bitOwn+3, func(o *model.Kaktus) *int64 { return &o.OvercommitMemory }, Default(int64(2)), Replace, Range(0, 1000), Doc("memory promised per memory present")),
		list("agents", bitOwn+4, func(o *model.Kaktus) *[]model.ID { return &o.Agents }, Required, Ref(model.KindAgent), Doc("agents of type Kaktus that serve it")),
		boolean("maintenance", bitOwn+5, func(o *model.Kaktus) *bool { return &o.Maintenance }, Since("0.55.0"), Default(false), Doc("gets no new machines; those on it stay")),
	),
	Internal: []string{"Zone", "Caps"},
	Ops: ops(crud("Kaktus", "kaktus", "ListKaktuss", under("/zone/{zoneId}/kaktus"), readVisible),
		listed("ListZoneKaktuses", "/zone/{zoneId}/kaktuses", "zone"),
		action("ReadKaktusCaps", "caps", "GET", "/kaktus/{kaktusId}/caps", "KaktusCaps", readRule)),
}

var agentKind = Kind{
	Name: model.KindAgent, Plural: "agents", Schema: "Agent", Title: "agent",
	Summary: "The identity under which a host connects.",
	Fields: common(func(o *model.Agent) *model.Meta { return &o.Meta },
		str("type", bitOwn, func(o *model.Agent) *string { return &o.Type }, Required, Immutable, Column, Enum("Kiwi", "Kaktus"), Doc("what the agent may be")),
		str("identity", -1, func(o *model.Agent) *string { return &o.Identity }, ReadOnly, Native, Doc("random id of its state directory; another once its host is made anew")),
		str("fenced", -1, func(o *model.Agent) *string { return &o.Fenced }, ReadOnly, Native, Doc("who said that its host is off, and when; until the agent is back")),
	),
	Internal: []string{"Former", "Waived"},
	Ops: ops(crud("Agent", "agent", "ListAgents", root, readVisible),
		expiring(action("SetAgentApiToken", "token", "PATCH", "/agent/{agentId}/token", "ApiToken", adminRule)), standing("Agent", "agent", adminRule),
		// Both are a person's word about a host that Kahuna cannot ask. The frozen contract has no such things.
		inV2(action("FenceAgent", "fence", "PATCH", "/agent/{agentId}/fence", "", adminRule)),
		inV2(action("WaiveAgent", "waive", "PATCH", "/agent/{agentId}/waive", "", adminRule))),
}

var vnet = Kind{
	Name: model.KindVNet, Plural: "vnets", Schema: "VNet", Title: "vnet (layer-2 segment)",
	Summary: "A layer-2 segment of a region: a bridge on every host, possibly a VLAN.",
	Parents: []Parent{parent(model.KindRegion, "regionId", func(o *model.VNet) *model.ID { return &o.Region })},
	Fields: common(func(o *model.VNet) *model.Meta { return &o.Meta },
		integer("vlan", bitOwn, func(o *model.VNet) *int64 { return &o.VLAN }, Replace, Column, Range(0, 4094), Doc("802.1Q tag; 0 is untagged")),
		str("interface", bitOwn+1, func(o *model.VNet) *string { return &o.Interface }, Required, Column, Doc("name of the bridge on the hosts")),
		boolean("private", bitOwn+2, func(o *model.VNet) *bool { return &o.Private }, Always, Immutable, Column, Default(true), Doc("whether its subnets are of private addresses")),
	),
	Internal: []string{"Region", "DefaultSubnet"},
	Ops: ops(crud("VNet", "vnet", "ListVNets", under("/region/{regionId}/vnet"), readVisible),
		listed("ListRegionVNets", "/region/{regionId}/vnets", "region"),
		defaulted("SetVNetDefaultSubnet", model.KindSubnet, "/vnet/{vnetId}/subnet/{subnetId}/default")),
}

var subnet = Kind{
	Name: model.KindSubnet, Plural: "subnets", Schema: "Subnet", Title: "subnet",
	Summary: "An address range on a segment, given to at most one project.",
	Parents: []Parent{parent(model.KindVNet, "vnetId", func(o *model.Subnet) *model.ID { return &o.VNet })},
	Fields: common(func(o *model.Subnet) *model.Meta { return &o.Meta },
		str("cidr", bitOwn, func(o *model.Subnet) *string { return &o.CIDR }, Required, Immutable, Column, Doc("network in CIDR notation")),
		str("gateway", bitOwn+1, func(o *model.Subnet) *string { return &o.Gateway }, Required, Column, Doc("address of the router")),
		str("dns", bitOwn+2, func(o *model.Subnet) *string { return &o.DNS }, Doc("address of the resolver; the gateway when empty")),
		list("extra_routes", bitOwn+3, func(o *model.Subnet) *[]string { return &o.ExtraRoutes }, Replace, Doc("networks reached through the gateway")),
		objects("reserved", bitOwn+4, "IpRange", func(o *model.Subnet) *[]model.IPRange { return &o.Reserved }, rangeFields, Replace, Doc("addresses never given out")),
		objects("gw_pool", bitOwn+5, "IpRange", func(o *model.Subnet) *[]model.IPRange { return &o.GwPool }, rangeFields, Replace, Doc("addresses for the gateways of a project, one per zone")),
		str("application", bitOwn+6, func(o *model.Subnet) *string { return &o.Application }, Enum("ceph", "user"), Default("user"), Replace, Doc("what it is for; only user subnets go to projects")),
	),
	Internal: []string{"VNet", "Project"},
	Ops: ops(crud("Subnet", "subnet", "ListSubnets", under("/vnet/{vnetId}/subnet"), readVisible),
		listed("ListVNetSubnets", "/vnet/{vnetId}/subnets", "vnet")),
}

var pool = Kind{
	Name: model.KindPool, Plural: "pools", Schema: "StoragePool", Title: "storage pool",
	Summary: "A place for template images and disks.",
	Parents: []Parent{parent(model.KindRegion, "regionId", func(o *model.Pool) *model.ID { return &o.Region })},
	Fields: common(func(o *model.Pool) *model.Meta { return &o.Meta },
		str("pool", bitOwn, func(o *model.Pool) *string { return &o.Pool }, Required, Immutable, Column, Doc("RBD pool, or \"dir:NAME\" for the directory pool NAME of its hosts")),
		str("ceph_address", bitOwn+1, func(o *model.Pool) *string { return &o.CephAddress }, Default("localhost"), Doc("monitor's address")),
		integer("ceph_port", bitOwn+2, func(o *model.Pool) *int64 { return &o.CephPort }, Default(int64(3300)), Replace, Range(0, 65535), Doc("monitor's port")),
		secret("ceph_secret_uuid", bitOwn+3, func(o *model.Pool) *model.Secret { return &o.CephSecretUUID }, Doc("UUID of the libvirt secret")),
		nested("cost", bitOwn+4, "Cost", func(o *model.Pool) *model.Cost { return &o.Cost }, costFields, Always, Replace, Doc("price of the whole pool")),
		list("agents", bitOwn+5, func(o *model.Pool) *[]model.ID { return &o.Agents }, Required, Ref(model.KindAgent), Doc("agents of type Kaktus that reach it")),
	),
	Internal: []string{"Region", "DefaultTemplate", "Capacity", "Available"},
	Ops: ops(crud("StoragePool", "pool", "ListStoragePools", under("/region/{regionId}/pool"), readVisible),
		listed("ListRegionStoragePools", "/region/{regionId}/pools", "region"),
		defaulted("SetRegionDefaultStoragePool", model.KindPool, "/region/{regionId}/pool/{poolId}/default")),
}

var template = Kind{
	Name: model.KindTemplate, Plural: "templates", Schema: "Template", Title: "template",
	Summary: "A disk image that machines start from.",
	Parents: []Parent{parent(model.KindPool, "poolId", func(o *model.Template) *model.ID { return &o.Pool })},
	Fields: common(func(o *model.Template) *model.Meta { return &o.Meta },
		str("os", bitOwn, func(o *model.Template) *string { return &o.OS }, Enum("linux", "windows"), Default("linux"), Immutable, Column, Doc("what runs in it")),
		str("source", bitOwn+1, func(o *model.Template) *string { return &o.Source }, Required, Immutable, Doc("URL the image is fetched from")),
	),
	Internal: []string{"Pool", "SHA256", "Size"},
	Ops: ops(crud("Template", "template", "ListTemplates", under("/pool/{poolId}/template"), readVisible),
		listed("ListStoragePoolTemplates", "/pool/{poolId}/templates", "pool"),
		defaulted("SetStoragePoolDefaultTemplate", model.KindTemplate, "/pool/{poolId}/template/{templateId}/default")),
}
