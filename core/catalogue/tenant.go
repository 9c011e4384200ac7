package catalogue

import (
	"cmp"
	"slices"
	"strconv"

	"kowabunga/core/access"
	"kowabunga/core/model"
)

var resourceFields = []Field{
	integer("vcpus", 0, func(r *model.Resources) *int64 { return &r.VCPUs }, Range(0, 1<<31-1), Doc("virtual processors")),
	integer("memory", 1, func(r *model.Resources) *int64 { return &r.Memory }, Bytes, Range(0, 1<<62), Doc("bytes")),
	integer("storage", 2, func(r *model.Resources) *int64 { return &r.Storage }, Bytes, Range(0, 1<<62), Doc("bytes")),
	integer("instances", 3, func(r *model.Resources) *int64 { return &r.Instances }, Range(0, 1<<31-1), Doc("virtual machines")),
}

var metadataFields = []Field{
	str("key", 0, func(m *model.Metadata) *string { return &m.Key }, Required),
	str("value", 1, func(m *model.Metadata) *string { return &m.Value }, Required, Blank),
}

// regionSubnetFields declares RegionSubnet for the documents; its values are computed.
var regionSubnetFields = []Field{
	{Name: "key", Type: String, Always: true, Doc: "name of the region"},
	{Name: "value", Type: String, Doc: "id of the subnet"},
}

var project = Kind{
	Name: model.KindProject, Plural: "projects", Schema: "Project", Title: "project",
	Summary: "A tenant: teams, regions, quotas and everything that runs for them.",
	Fields: common(func(o *model.Project) *model.Meta { return &o.Meta },
		str("domain", bitOwn, func(o *model.Project) *string { return &o.Domain }, Column, Doc("DNS domain of its machines")),
		secret("root_password", bitOwn+1, func(o *model.Project) *model.Secret { return &o.RootPassword }, Always, Doc("root password of new machines; random for each when empty")),
		str("bootstrap_user", bitOwn+2, func(o *model.Project) *string { return &o.BootstrapUser }, Always, Doc("service account of new machines")),
		str("bootstrap_pubkey", bitOwn+3, func(o *model.Project) *string { return &o.BootstrapPubkey }, Always, Doc("SSH public key of that account")),
		list("tags", bitOwn+4, func(o *model.Project) *[]string { return &o.Tags }, Replace),
		objects("metadatas", bitOwn+5, "Metadata", func(o *model.Project) *[]model.Metadata { return &o.Metadatas }, metadataFields, Replace),
		nested("quotas", bitOwn+6, "ProjectResources", func(o *model.Project) *model.Resources { return &o.Quotas }, resourceFields, Always, Replace, Doc("limits; 0 is unlimited")),
		list("teams", bitOwn+7, func(o *model.Project) *[]model.ID { return &o.Teams }, Required, Ref(model.KindTeam), Doc("teams whose users are its members")),
		list("regions", bitOwn+8, func(o *model.Project) *[]model.ID { return &o.Regions }, Required, Ref(model.KindRegion), Doc("regions it may use")),
		within(bitOwn+9, func(o *model.Project) *model.ID { return &o.Organization }),
		privateSubnets(),
		vrrpIDs(),
	),
	Internal: []string{"Gateways"},
	Ops: ops(Op{ID: "CreateProject", Verb: Create, Method: "POST", Path: "/project", Request: "Project", Response: "Project", Status: 201, Access: access.NewProject,
		Query: []Query{{Name: "subnetSize", Type: Integer, Default: "26", Doc: "prefix length of its private subnet in each region, 17 to 32"}}},
		Op{ID: "ListProjects", Verb: List, Method: "GET", Path: "/project", Response: "[]string", Status: 200, Access: access.Authenticated,
			Query: []Query{{Name: "subnetSize", Type: Integer, Doc: "has no effect on lists"}}},
		cascading(rud("Project", "project", access.Read, access.Manage, access.Admin)),
		action("ReadProjectCost", "cost", "GET", "/project/{projectId}/cost", "Cost", readRule),
		action("ReadProjectUsage", "usage", "GET", "/project/{projectId}/usage", "ProjectResources", readRule)),
}

// cascading lets the deletion take along everything that lies in the object.
func cascading(ops []Op) []Op {
	for i := range ops {
		if ops[i].Verb == Delete {
			ops[i].Query = []Query{{Name: "cascade", Type: Boolean, Native: true, Doc: "also delete everything in it, for good: machines, disks, shares, gateways, names"}}
		}
	}
	return ops
}

func privateSubnets() Field {
	f := computed("private_subnets", Array, func(b []byte, v model.View, o *model.Project) []byte {
		b = append(b, '[')
		for _, region := range o.Regions {
			for s := range model.By[*model.Subnet](v, "project", o.ID) {
				net, ok := model.Find[*model.VNet](v, s.VNet)
				if !ok || net.Region != region {
					continue
				}
				where, _ := model.Find[*model.Region](v, region)
				if b[len(b)-1] != '[' {
					b = append(b, ',')
				}
				b = appendString(append(b, `{"key":`...), where.Name)
				b = append(appendString(append(b, `,"value":`...), string(s.ID)), '}')
			}
		}
		return append(b, ']')
	}, func(model.View, *model.Project) bool { return false }, Always, Doc("its subnet in each region"))
	f.Items, f.Schema, f.Fields = Object, "RegionSubnet", regionSubnetFields
	return f
}

func vrrpIDs() Field {
	f := integers("reserved_vrrp_ids", -1, func(o *model.Project) *[]int64 { return &o.VRRPIDs }, ReadOnly, Always, Doc("VRRP router ids given to it"))
	return f
}

var adapter = Kind{
	Name: model.KindAdapter, Plural: "adapters", Schema: "Adapter", Title: "network adapter",
	Summary: "A network card with its addresses on one subnet.",
	Parents: []Parent{parent(model.KindSubnet, "subnetId", func(o *model.Adapter) *model.ID { return &o.Subnet })},
	Fields: common(func(o *model.Adapter) *model.Meta { return &o.Meta },
		str("mac", bitOwn, func(o *model.Adapter) *string { return &o.MAC }, Column, Doc("MAC address; made up when empty")),
		list("addresses", bitOwn+1, func(o *model.Adapter) *[]string { return &o.Addresses }, Replace, Always, Column, Doc("IPv4 addresses inside the subnet")),
		boolean("reserved", bitOwn+2, func(o *model.Adapter) *bool { return &o.Reserved }, Always, Doc("whether the MAC may be shared")),
		owner(func(o *model.Adapter) model.ID { return cmp.Or(o.Kompute, o.Service) }),
	),
	Internal: []string{"Subnet", "Kompute", "Service"},
	Ops: ops(Op{ID: "CreateAdapter", Verb: Create, Method: "POST", Path: "/subnet/{subnetId}/adapter", Request: "Adapter", Response: "Adapter", Status: 201, Access: access.Manage,
		Query: []Query{{Name: "assignIP", Type: Boolean, Doc: "give it the lowest free address"}}},
		Op{ID: "ListAdapters", Verb: List, Method: "GET", Path: "/adapter", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Adapter", "adapter", access.Read, access.Manage, access.Manage),
		listed("ListSubnetAdapters", "/subnet/{subnetId}/adapters", "subnet")),
}

var volume = Kind{
	Name: model.KindVolume, Plural: "volumes", Schema: "Volume", Title: "volume",
	Summary: "A disk of a project.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Volume) *model.ID { return &o.Project }),
		parent(model.KindRegion, "regionId", func(o *model.Volume) *model.ID { return &o.Region }),
	},
	Fields: common(func(o *model.Volume) *model.Meta { return &o.Meta },
		str("type", bitOwn, func(o *model.Volume) *string { return &o.Type }, Required, Immutable, Column, Enum("os", "iso", "raw"), Doc("os disks start as a copy of a template, raw ones empty")),
		integer("size", bitOwn+1, func(o *model.Volume) *int64 { return &o.Size }, Required, Column, Bytes, Range(0, 1<<60), Doc("bytes; grows only")),
		origin("pool", model.KindPool, "pool it lies in", func(_ model.View, o *model.Volume) model.ID { return o.Pool }),
		origin("template", model.KindTemplate, "template it began as", func(_ model.View, o *model.Volume) model.ID { return o.Template }),
		owner(func(o *model.Volume) model.ID { return o.Kompute }),
	),
	Internal: []string{"Project", "Region", "Pool", "Template", "Kompute"},
	Ops: ops(Op{ID: "CreateProjectRegionVolume", Verb: Create, Method: "POST", Path: "/project/{projectId}/region/{regionId}/volume", Request: "Volume", Response: "Volume", Status: 201, Access: access.Manage,
		Query: []Query{{Name: "poolId", Type: String, Ref: model.KindPool, Doc: "the region's default pool when absent"}, {Name: "templateId", Type: String, Ref: model.KindTemplate, Doc: "the pool's default template when absent"}}},
		Op{ID: "ListVolumes", Verb: List, Method: "GET", Path: "/volume", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Volume", "volume", access.Read, access.Manage, access.Manage),
		listed("ListProjectRegionVolumes", "/project/{projectId}/region/{regionId}/volumes", "region"),
		listed("ListStoragePoolVolumes", "/pool/{poolId}/volumes", "pool")),
}

// Words for fields that instances and komputes share.
const (
	docUEFI       = "starts by UEFI where its host has such firmware, else by BIOS; false: always by BIOS"
	docKMotion    = "may be moved to another host while it runs"
	docKwarantine = "group that it keeps apart from the other members of, from its next placement on"
)

var instance = Kind{
	Name: model.KindInstance, Plural: "instances", Schema: "Instance", Title: "instance (virtual machine)",
	Summary: "A virtual machine made of given adapters and volumes.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Instance) *model.ID { return &o.Project }),
		parent(model.KindZone, "zoneId", func(o *model.Instance) *model.ID { return &o.Zone }),
	},
	Fields: common(func(o *model.Instance) *model.Meta { return &o.Meta },
		integer("memory", bitOwn, func(o *model.Instance) *int64 { return &o.Memory }, Required, Column, Bytes, Range(1, 1<<50), Doc("bytes")),
		integer("vcpus", bitOwn+1, func(o *model.Instance) *int64 { return &o.VCPUs }, Required, Column, Range(1, 4096), Doc("virtual processors")),
		list("adapters", bitOwn+2, func(o *model.Instance) *[]model.ID { return &o.Adapters }, Replace, Always, Ref(model.KindAdapter), Doc("its network adapters")),
		list("volumes", bitOwn+3, func(o *model.Instance) *[]model.ID { return &o.Volumes }, Replace, Always, Ref(model.KindVolume), Doc("its volumes; exactly one of type os")),
		boolean("uefi", bitOwn+4, func(o *model.Instance) *bool { return &o.UEFI }, Since("0.54.0"), Default(true), Unsaid, Doc(docUEFI)),
		unless("kmotion_enabled", bitOwn+5, func(o *model.Instance) *bool { return &o.Stays }, Since("0.55.0"), Doc(docKMotion)),
		reference("kwarantine", bitOwn+6, func(o *model.Instance) *model.ID { return &o.Kwarantine }, model.KindKwarantine, Native, Doc(docKwarantine)),
		owner(func(o *model.Instance) model.ID { return o.Kompute }),
	),
	Internal: []string{"Project", "Zone", "Kaktus", "OS", "Kompute", "Reserved", "Run", "SecretHash"},
	Ops: ops(Op{ID: "CreateProjectZoneInstance", Verb: Create, Method: "POST", Path: "/project/{projectId}/zone/{zoneId}/instance", Request: "Instance", Response: "Instance", Status: 201, Access: access.Manage},
		Op{ID: "ListInstances", Verb: List, Method: "GET", Path: "/instance", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Instance", "instance", access.Read, access.Manage, access.Manage),
		listed("ListProjectZoneInstances", "/project/{projectId}/zone/{zoneId}/instances", "zone"),
		listed("ListKaktusInstances", "/kaktus/{kaktusId}/instances", "kaktus"),
		powered("Instance", "instance"),
		reseeded("Instance", "instance"),
		action("ReadInstanceState", "state", "GET", "/instance/{instanceId}/state", "InstanceState", readRule),
		action("ReadInstanceRemoteConnection", "connect", "GET", "/instance/{instanceId}/connect", "InstanceRemoteAccess", access.Operate)),
}

var kompute = Kind{
	Name: model.KindKompute, Plural: "komputes", Schema: "Kompute", Title: "kompute (virtual machine)",
	Summary: "A virtual machine with its disks and network adapters as one thing.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Kompute) *model.ID { return &o.Project }),
		parent(model.KindZone, "zoneId", func(o *model.Kompute) *model.ID { return &o.Zone }),
	},
	Fields: common(func(o *model.Kompute) *model.Meta { return &o.Meta },
		integer("memory", bitOwn, func(o *model.Kompute) *int64 { return &o.Memory }, Required, Column, Bytes, Range(1, 1<<50), Doc("bytes")),
		integer("vcpus", bitOwn+1, func(o *model.Kompute) *int64 { return &o.VCPUs }, Required, Column, Range(1, 4096), Doc("virtual processors")),
		integer("disk", bitOwn+2, func(o *model.Kompute) *int64 { return &o.Disk }, Required, Column, Bytes, Range(1, 1<<60), Doc("bytes of the OS disk; grows only")),
		integer("data_disk", bitOwn+3, func(o *model.Kompute) *int64 { return &o.DataDisk }, Always, Bytes, Range(0, 1<<60), Doc("bytes of the data disk, 0 for none; grows only")),
		str("ip", -1, func(o *model.Kompute) *string { return &o.IP }, ReadOnly, Column, Doc("private IPv4 address")),
		boolean("uefi", bitOwn+4, func(o *model.Kompute) *bool { return &o.UEFI }, Since("0.54.0"), Default(true), Unsaid, Doc(docUEFI)),
		unless("kmotion_enabled", bitOwn+5, func(o *model.Kompute) *bool { return &o.Stays }, Since("0.55.0"), Doc(docKMotion)),
		reference("kwarantine", bitOwn+6, func(o *model.Kompute) *model.ID { return &o.Kwarantine }, model.KindKwarantine, Native, Doc(docKwarantine)),
		origin("pool", model.KindPool, "pool of its disks", func(v model.View, o *model.Kompute) model.ID { return systemDisk(v, o).Pool }),
		origin("template", model.KindTemplate, "template it began as", func(v model.View, o *model.Kompute) model.ID { return systemDisk(v, o).Template }),
		isPublic(),
	),
	Internal: []string{"Project", "Zone", "Instance", "Public"},
	Ops: ops(Op{ID: "CreateProjectZoneKompute", Verb: Create, Method: "POST", Path: "/project/{projectId}/zone/{zoneId}/kompute", Request: "Kompute", Response: "Kompute", Status: 201, Access: access.Manage,
		Query: []Query{{Name: "poolId", Type: String, Ref: model.KindPool, Doc: "the region's default pool when absent"}, {Name: "templateId", Type: String, Ref: model.KindTemplate, Doc: "the pool's default template when absent"}, {Name: "public", Type: Boolean, Doc: "also give it a public address"}}},
		Op{ID: "ListKomputes", Verb: List, Method: "GET", Path: "/kompute", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Kompute", "kompute", access.Read, access.Manage, access.Manage),
		listed("ListProjectZoneKomputes", "/project/{projectId}/zone/{zoneId}/komputes", "zone"),
		powered("Kompute", "kompute"),
		reseeded("Kompute", "kompute"),
		action("ReadKomputeState", "state", "GET", "/kompute/{komputeId}/state", "InstanceState", readRule),
		inV2(action("ReadKomputeRemoteConnection", "connect", "GET", "/kompute/{komputeId}/connect", "InstanceRemoteAccess", access.Operate))),
}

// powered declares the power actions of machines.
func powered(schema, path string) []Op {
	var out []Op
	for _, name := range []string{"Reboot", "Reset", "Suspend", "Resume", "Start", "Stop", "Shutdown"} {
		verb := string(name[0]|0x20) + name[1:]
		out = append(out, action(name+schema, verb, "PATCH", "/"+path+"/{"+path+"Id}/"+verb, "", access.Operate))
	}
	return slices.Clip(out)
}

// reseeded declares the action that writes a machine's configuration disk anew. The frozen contract has
// no such thing.
func reseeded(schema, path string) Op {
	return inV2(action("Reseed"+schema, "reseed", "PATCH", "/"+path+"/{"+path+"Id}/reseed", "", access.Manage))
}

// inV2 marks an operation as one that the frozen contract does not have.
func inV2(op Op) Op {
	op.Native = true
	return op
}

// owner names what an object came with and goes with; nothing else makes or removes one that has it.
func owner[T any](of func(*T) model.ID) Field {
	return computed("owner", String, func(b []byte, _ model.View, o *T) []byte { return appendString(b, string(of(o))) },
		func(_ model.View, o *T) bool { return of(o) == "" }, Native, Doc("id of what it came with and goes with, if anything"))
}

// origin tells in API v2 what a query parameter of the same name said when the object was created.
func origin[T any](name string, kind model.Kind, doc string, of func(model.View, *T) model.ID) Field {
	return computed(name, String, func(b []byte, v model.View, o *T) []byte { return appendString(b, string(of(v, o))) },
		func(v model.View, o *T) bool { return of(v, o) == "" }, Native, Ref(kind), Doc(doc))
}

func isPublic() Field {
	return computed("public", Boolean, func(b []byte, _ model.View, o *model.Kompute) []byte { return strconv.AppendBool(b, o.Public) },
		func(_ model.View, o *model.Kompute) bool { return !o.Public }, Native, Doc("whether it has a public address too"))
}

// systemDisk is the disk a Kompute starts from; an empty one while there is none.
func systemDisk(v model.View, o *model.Kompute) *model.Volume {
	for disk := range model.By[*model.Volume](v, "kompute", o.ID) {
		if disk.Type == "os" {
			return disk
		}
	}
	return &model.Volume{}
}
