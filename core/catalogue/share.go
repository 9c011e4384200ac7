package catalogue

import (
	"kowabunga/core/access"
	"kowabunga/core/model"
)

var kiwi = Kind{
	Name: model.KindKiwi, Plural: "kiwis", Schema: "Kiwi", Title: "kiwi (network gateway)",
	Summary: "The network gateway of a region: routing, DHCP and DNS, by agents that take over from each other.",
	Parents: []Parent{parent(model.KindRegion, "regionId", func(o *model.Kiwi) *model.ID { return &o.Region })},
	Fields: common(func(o *model.Kiwi) *model.Meta { return &o.Meta },
		list("agents", bitOwn, func(o *model.Kiwi) *[]model.ID { return &o.Agents }, Replace, Always, Ref(model.KindAgent), Doc("agents of type Kiwi that serve it")),
	),
	Internal: []string{"Region"},
	Ops: ops(crud("Kiwi", "kiwi", "ListKiwis", under("/region/{regionId}/kiwi"), readVisible),
		listed("ListRegionKiwis", "/region/{regionId}/kiwis", "region"), standing("Kiwi", "kiwi", adminRule)),
}

var nfs = Kind{
	Name: model.KindNFS, Plural: "nfs", Schema: "StorageNFS", Title: "NFS storage",
	Summary: "A file system for shares and the servers that export it.",
	Parents: []Parent{parent(model.KindRegion, "regionId", func(o *model.NFS) *model.ID { return &o.Region }),
		maybe(parent(model.KindPool, "poolId", func(o *model.NFS) *model.ID { return &o.Pool }))},
	Fields: common(func(o *model.NFS) *model.Meta { return &o.Meta },
		str("endpoint", bitOwn, func(o *model.NFS) *string { return &o.Endpoint }, Required, Column, Doc("name that clients mount from")),
		str("fs", bitOwn+1, func(o *model.NFS) *string { return &o.FS }, Default("nfs"), Doc("name of the CephFS file system")),
		list("backends", bitOwn+2, func(o *model.NFS) *[]string { return &o.Backends }, Replace, Always, Doc("servers that export it")),
		integer("port", bitOwn+3, func(o *model.NFS) *int64 { return &o.Port }, Default(int64(54934)), Replace, Range(0, 65535), Doc("port of their management interface")),
	),
	Internal: []string{"Region", "Pool"},
	Ops: ops(Op{ID: "CreateStorageNFS", Verb: Create, Method: "POST", Path: "/region/{regionId}/nfs", Request: "StorageNFS", Response: "StorageNFS", Status: 201, Access: access.Admin,
		Query: []Query{{Name: "poolId", Type: String, Ref: model.KindPool, Doc: "pool whose agents reach the file system; the region's default when absent"}}},
		Op{ID: "ListStorageNFSs", Verb: List, Method: "GET", Path: "/nfs", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("StorageNFS", "nfs", readVisible, access.Admin, access.Admin),
		narrowed(listed("ListRegionStorageNFSs", "/region/{regionId}/nfs", "region"), "poolId", model.KindPool),
		defaulted("SetRegionDefaultStorageNFS", model.KindNFS, "/region/{regionId}/nfs/{nfsId}/default")),
}

var kylo = Kind{
	Name: model.KindKylo, Plural: "kylos", Schema: "Kylo", Title: "kylo (shared file system)",
	Summary: "A file system that machines of a project share over NFS.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Kylo) *model.ID { return &o.Project }),
		parent(model.KindRegion, "regionId", func(o *model.Kylo) *model.ID { return &o.Region }),
		maybe(parent(model.KindNFS, "nfsId", func(o *model.Kylo) *model.ID { return &o.NFS })),
	},
	Fields: common(func(o *model.Kylo) *model.Meta { return &o.Meta },
		str("access", bitOwn, func(o *model.Kylo) *string { return &o.Access }, Enum("RO", "RW"), Default("RW"), Replace, Column, Doc("whether clients may write")),
		integers("protocols", bitOwn+1, func(o *model.Kylo) *[]int64 { return &o.Protocols }, Enum("3", "4"), Default([]int64{3, 4}), Replace, Doc("versions of NFS")),
		computed("endpoint", String, func(b []byte, v model.View, o *model.Kylo) []byte {
			return appendString(b, endpoint(v, o))
		}, func(v model.View, o *model.Kylo) bool { return endpoint(v, o) == "" }, Column, Doc("name to mount from")),
		integer("size", -1, func(o *model.Kylo) *int64 { return &o.Size }, ReadOnly, Always, Bytes, Column, Doc("bytes its files take, as last reported")),
	),
	Internal: []string{"Project", "Region", "NFS", "ExportID"},
	Ops: ops(Op{ID: "CreateProjectRegionKylo", Verb: Create, Method: "POST", Path: "/project/{projectId}/region/{regionId}/kylo", Request: "Kylo", Response: "Kylo", Status: 201, Access: access.Manage,
		Query: []Query{{Name: "nfsId", Type: String, Ref: model.KindNFS, Doc: "the region's default NFS storage when absent"}}},
		Op{ID: "ListKylos", Verb: List, Method: "GET", Path: "/kylo", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Kylo", "kylo", access.Read, access.Manage, access.Manage),
		listed("ListStorageNFSKylos", "/nfs/{nfsId}/kylo", "nfs"),
		narrowed(listed("ListProjectRegionKylos", "/project/{projectId}/region/{regionId}/kylo", "region"), "nfsId", model.KindNFS)),
}

func endpoint(v model.View, o *model.Kylo) string {
	if o.NFS == "" {
		return ""
	}
	n, ok := model.Find[*model.NFS](v, o.NFS)
	if !ok {
		return ""
	}
	return n.Endpoint
}

var record = Kind{
	Name: model.KindRecord, Plural: "records", Schema: "DnsRecord", Title: "record (DNS name)",
	Summary: "A name in the DNS domain of a project or of a region.",
	Parents: []Parent{
		maybe(parent(model.KindProject, "projectId", func(o *model.Record) *model.ID { return &o.Project })),
		maybe(parent(model.KindRegion, "regionId", func(o *model.Record) *model.ID { return &o.Region })),
	},
	Fields: common(func(o *model.Record) *model.Meta { return &o.Meta },
		str("domain", -1, func(o *model.Record) *string { return &o.Domain }, ReadOnly, Column, Doc("domain of its project or region")),
		list("addresses", bitOwn, func(o *model.Record) *[]string { return &o.Addresses }, Required, Column, Doc("addresses it resolves to")),
	),
	Internal: []string{"Project", "Region"},
	Ops: ops(Op{ID: "CreateProjectDnsRecord", Verb: Create, Method: "POST", Path: "/project/{projectId}/record", Request: "DnsRecord", Response: "DnsRecord", Status: 201, Access: access.Manage},
		Op{ID: "CreateRegionDnsRecord", Verb: Create, Method: "POST", Path: "/region/{regionId}/record", Request: "DnsRecord", Response: "DnsRecord", Status: 201, Access: access.Admin},
		rud("DnsRecord", "record", access.Read, access.Manage, access.Manage),
		listed("ListProjectDnsRecords", "/project/{projectId}/records", "project"),
		listed("ListRegionDnsRecords", "/region/{regionId}/records", "region"),
		Op{ID: "ListDnsRecords", Verb: List, Method: "GET", Path: "/record", Response: "[]string", Status: 200, Access: access.Authenticated, Native: true}),
}

// narrowed gives a list a query parameter that leaves those of one more parent.
func narrowed(op Op, param string, kind model.Kind) Op {
	op.Query = []Query{{Name: param, Type: String, Ref: kind, Doc: "only those of this " + string(kind)}}
	return op
}
