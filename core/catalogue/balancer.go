package catalogue

import (
	"kowabunga/core/access"
	"kowabunga/core/model"
)

var backendFields = []Field{
	list("hosts", 0, func(b *model.Backends) *[]string { return &b.Hosts }, Required, Doc("addresses or host names")),
	integer("port", 1, func(b *model.Backends) *int64 { return &b.Port }, Required, Range(1, 65535), Doc("port they listen on")),
}

var endpointFields = []Field{
	str("name", 0, func(e *model.Endpoint) *string { return &e.Name }, Required, Doc("what the endpoint is called")),
	integer("port", 1, func(e *model.Endpoint) *int64 { return &e.Port }, Required, Range(1, 65535), Doc("port it listens on")),
	str("protocol", 2, func(e *model.Endpoint) *string { return &e.Protocol }, Lenient, Enum("tcp", "udp"), Default("tcp"), Doc("transport protocol")),
	nested("backends", 3, "KonveyBackends", func(e *model.Endpoint) *model.Backends { return &e.Backends }, backendFields, Required, Doc("who answers")),
}

var konvey = Kind{
	Name: model.KindKonvey, Plural: "konveys", Schema: "Konvey", Title: "konvey (load balancer)",
	Summary: "A layer-4 load balancer of a project, with a virtual address that a second node can take over.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Konvey) *model.ID { return &o.Project }),
		maybe(parent(model.KindRegion, "regionId", func(o *model.Konvey) *model.ID { return &o.Region })),
		maybe(parent(model.KindZone, "zoneId", func(o *model.Konvey) *model.ID { return &o.Zone })),
	},
	Fields: optionalName(common(func(o *model.Konvey) *model.Meta { return &o.Meta },
		str("vip", -1, func(o *model.Konvey) *string { return &o.VIP }, ReadOnly, Column, Doc("its private virtual address")),
		boolean("failover", bitOwn, func(o *model.Konvey) *bool { return &o.Failover }, Always, Default(true), Column, Doc("whether a second node stands by")),
		objects("endpoints", bitOwn+1, "KonveyEndpoint", func(o *model.Konvey) *[]model.Endpoint { return &o.Endpoints }, endpointFields, Required, Single, Doc("ports it listens on")),
	)),
	Internal: []string{"Project", "Region", "Zone", "Subnet", "VRID", "Adapter"},
	Ops: ops(Op{ID: "CreateProjectRegionKonvey", Verb: Create, Method: "POST", Path: "/project/{projectId}/region/{regionId}/konvey", Request: "Konvey", Response: "Konvey", Status: 201, Access: access.Manage},
		Op{ID: "CreateProjectZoneKonvey", Verb: Create, Method: "POST", Path: "/project/{projectId}/zone/{zoneId}/konvey", Request: "Konvey", Response: "Konvey", Status: 201, Access: access.Manage},
		Op{ID: "ListKonveys", Verb: List, Method: "GET", Path: "/konvey", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Konvey", "konvey", access.Read, access.Manage, access.Manage),
		replaced("Konvey", "konvey"),
		listed("ListProjectRegionKonveys", "/project/{projectId}/region/{regionId}/konveys", "region"),
		listed("ListProjectZoneKonveys", "/project/{projectId}/zone/{zoneId}/konveys", "zone"), standing("Konvey", "konvey", readRule)),
}

// replaced declares the action that gives nodes on hosts that are not connected another host. It is for
// those who know that such a host is dead: on one that merely cannot be reached the old node goes on until
// the host is back. The frozen contract has no such thing.
func replaced(schema, path string) Op {
	op := action("Replace"+schema, "replace", "PATCH", "/"+path+"/{"+path+"Id}/replace", "", access.Admin)
	op.Native = true
	return op
}

// node shows where the services of projects run; nodes come and go with their owners.
var node = Kind{
	Name: model.KindNode, Plural: "nodes", Schema: "Node", Title: "node (of a gateway or load balancer)", Native: true,
	Summary: "A process of a gateway or load balancer on a host.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Node) *model.ID { return &o.Project }),
		parent(model.KindZone, "zoneId", func(o *model.Node) *model.ID { return &o.Zone }),
	},
	Fields: common(func(o *model.Node) *model.Meta { return &o.Meta },
		str("role", -1, func(o *model.Node) *string { return &o.Role }, ReadOnly, Column, Doc("kawaii or konvey")),
		computed("owner", String, func(b []byte, _ model.View, o *model.Node) []byte { return appendString(b, string(o.Owner)) },
			func(_ model.View, o *model.Node) bool { return o.Owner == "" }, Doc("id of the gateway or load balancer")),
		str("address", -1, func(o *model.Node) *string { return &o.Address }, ReadOnly, Column, Doc("its own private address")),
	),
	Internal: []string{"Project", "Zone", "Kaktus", "Owner", "Adapter", "Public", "Standby", "Shape"},
	Ops: []Op{
		{ID: "ListNodes", Verb: List, Method: "GET", Path: "/node", Response: "[]string", Status: 200, Access: access.Authenticated},
		{ID: "ReadNode", Verb: Read, Method: "GET", Path: "/node/{nodeId}", Response: "Node", Status: 200, Access: access.Read},
	},
}
