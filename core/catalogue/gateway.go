package catalogue

import (
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/model"
)

// ruleFields are what all rules about ports have in common.
func ruleFields[T any](protocol, ports func(*T) *string) []Field {
	return []Field{
		str("protocol", 1, protocol, Enum("tcp", "udp"), Default("tcp"), Always, Doc("transport protocol")),
		str("ports", 2, ports, Required, Doc("comma-separated ports and ranges: 80,443,8000-8080")),
	}
}

var ingressFields = append([]Field{
	str("source", 0, func(r *model.IngressRule) *string { return &r.Source }, Default("0.0.0.0/0"), Always, Doc("network it may come from"))},
	ruleFields(func(r *model.IngressRule) *string { return &r.Protocol }, func(r *model.IngressRule) *string { return &r.Ports })...)

var egressFields = append([]Field{
	str("destination", 0, func(r *model.EgressRule) *string { return &r.Destination }, Default("0.0.0.0/0"), Always, Doc("network it goes to"))},
	ruleFields(func(r *model.EgressRule) *string { return &r.Protocol }, func(r *model.EgressRule) *string { return &r.Ports })...)

var dnatFields = append([]Field{
	str("destination", 0, func(r *model.DNATRule) *string { return &r.Destination }, Required, Doc("private address of the machine"))},
	ruleFields(func(r *model.DNATRule) *string { return &r.Protocol }, func(r *model.DNATRule) *string { return &r.Ports })...)

var portFields = ruleFields(func(r *model.PortRule) *string { return &r.Protocol }, func(r *model.PortRule) *string { return &r.Ports })

var firewallFields = []Field{
	objects("ingress", 0, "KawaiiFirewallIngressRule", func(f *model.Firewall) *[]model.IngressRule { return &f.Ingress }, ingressFields, Always, Single, Doc("what may come in; everything else is dropped")),
	str("egress_policy", 1, func(f *model.Firewall) *string { return &f.EgressPolicy }, Enum("accept", "drop"), Default("accept"), Always, Doc("what happens to what goes out")),
	objects("egress", 2, "KawaiiFirewallEgressRule", func(f *model.Firewall) *[]model.EgressRule { return &f.Egress }, egressFields, Always, Single, Doc("exceptions to the policy")),
}

// peeringFields has the addresses of the legs computed: they name zones as they are called now.
var peeringFields = []Field{
	str("subnet", 0, func(p *model.Peering) *string { return (*string)(&p.Subnet) }, Required, Ref(model.KindSubnet), Doc("subnet of the other side")),
	str("policy", 1, func(p *model.Peering) *string { return &p.Policy }, Enum("accept", "drop"), Default("drop"), Always, Doc("what happens to what no rule names")),
	objects("ingress", 2, "KawaiiVpcForwardRule", func(p *model.Peering) *[]model.PortRule { return &p.Ingress }, portFields, Always, Single, Doc("ports open to what comes from there, whatever the policy")),
	objects("egress", 3, "KawaiiVpcForwardRule", func(p *model.Peering) *[]model.PortRule { return &p.Egress }, portFields, Always, Single, Doc("ports open to what goes there, whatever the policy")),
	legs(),
}

func legs() Field {
	f := computed("netip", Array, func(b []byte, v model.View, p *model.Peering) []byte {
		b = append(b, '[')
		for i, leg := range p.Legs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(b, `{"zone":`...), zoneName(v, leg.Zone))
			b = append(appendString(append(b, `,"private":`...), leg.Address), '}')
		}
		return append(b, ']')
	}, func(_ model.View, p *model.Peering) bool { return false }, Always, Doc("the gateway's address there in each zone"))
	f.Items, f.Schema, f.Fields = Object, "KawaiiVpcNetIpZone", []Field{
		{Name: "zone", Type: String, Required: true, ReadOnly: true, Doc: "name of the zone"},
		{Name: "private", Type: String, Required: true, ReadOnly: true, Doc: "address on the other side's subnet"},
	}
	return f
}

// peeringStates tells of every peering whether it takes effect; the contract of API v1 has no such field.
func peeringStates() Field {
	f := computed("peering_states", Array, func(b []byte, _ model.View, o *model.Kawaii) []byte {
		b = append(b, '[')
		for i := range o.Peerings {
			if i > 0 {
				b = append(b, ',')
			}
			state := "pending"
			if len(o.Peerings[i].Legs) > 0 {
				state = "active"
			}
			b = appendString(append(b, `{"subnet":`...), string(o.Peerings[i].Subnet))
			b = append(appendString(append(b, `,"state":`...), state), '}')
		}
		return append(b, ']')
	}, func(model.View, *model.Kawaii) bool { return false }, Always, Native, Doc("whether each peering takes effect: active, or pending while the other side has not declared its own"))
	f.Items, f.Schema, f.Fields = Object, "KawaiiPeeringState", []Field{
		{Name: "subnet", Type: String, Required: true, ReadOnly: true, Doc: "subnet of the other side"},
		{Name: "state", Type: String, Required: true, ReadOnly: true, Enum: []string{"active", "pending"}, Doc: "active or pending"},
	}
	return f
}

func zoneName(v model.View, id model.ID) string {
	if z, ok := model.Find[*model.Zone](v, id); ok {
		return z.Name
	}
	return ""
}

// netip tells the virtual addresses of a gateway, in the order they were given out.
func netip() Field {
	f := computed("netip", Object, func(b []byte, v model.View, o *model.Kawaii) []byte {
		words := func(b []byte, of func(*model.GatewayVIP) string) []byte {
			b = append(b, '[')
			for i := range o.VIPs {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(b, of(&o.VIPs[i]))
			}
			return append(b, ']')
		}
		b = words(append(b, `{"public":`...), func(p *model.GatewayVIP) string { return p.Public })
		b = words(append(b, `,"private":`...), func(p *model.GatewayVIP) string { return p.Private })
		b = append(b, `,"zones":[`...)
		for i := range o.VIPs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(b, `{"zone":`...), zoneName(v, o.VIPs[i].Zone))
			b = appendString(append(b, `,"public":`...), o.VIPs[i].Public)
			b = append(appendString(append(b, `,"private":`...), o.VIPs[i].Private), '}')
		}
		return append(b, ']', '}')
	}, func(model.View, *model.Kawaii) bool { return false }, Always, Doc("its virtual addresses"))
	f.Schema, f.Fields = "KawaiiNetIp", []Field{
		{Name: "public", Type: Array, Items: String, Required: true, ReadOnly: true, Doc: "public addresses"},
		{Name: "private", Type: Array, Items: String, Required: true, ReadOnly: true, Doc: "private addresses"},
		{Name: "zones", Type: Array, Items: Object, Schema: "KawaiiNetIpZone", Required: true, ReadOnly: true, Doc: "both, by zone", Fields: []Field{
			{Name: "zone", Type: String, Required: true, ReadOnly: true, Doc: "name of the zone"},
			{Name: "public", Type: String, Required: true, ReadOnly: true, Doc: "its public address"},
			{Name: "private", Type: String, Required: true, ReadOnly: true, Doc: "its private address, the gateway of the zone's machines"},
		}},
	}
	return f
}

// connections lists a gateway's tunnels, their keys left out: those are for who reads the tunnel itself.
func connections() Field {
	f := computed("ipsec_connections", Array, func(b []byte, v model.View, o *model.Kawaii) []byte {
		b = append(b, '[')
		if o.ID == "" {
			return append(b, ']')
		}
		for t := range v.By(model.KindIPsec, "kawaii", string(o.ID)) {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = ipsecWire.Append(b, v, t, Reader{Version: V1})
		}
		return append(b, ']')
	}, func(model.View, *model.Kawaii) bool { return false }, Always, Doc("its tunnels"))
	f.Items, f.Schema, f.Fields = Object, "KawaiiIpSec", ipsecFields
	return f
}

// optionalName lets requests leave the name out, because the server has one.
func optionalName(fields []Field) []Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == "name" })
	fields[i].Required, fields[i].Always, fields[i].Doc = false, true, "name; made of the project's when absent"
	return fields
}

var kawaii = Kind{
	Name: model.KindKawaii, Plural: "kawaiis", Schema: "Kawaii", Title: "kawaii (project gateway)",
	Summary: "The Internet gateway of a project in a region: firewall, port forwarding, peerings and tunnels.",
	Parents: []Parent{
		parent(model.KindProject, "projectId", func(o *model.Kawaii) *model.ID { return &o.Project }),
		parent(model.KindRegion, "regionId", func(o *model.Kawaii) *model.ID { return &o.Region }),
	},
	Fields: optionalName(common(func(o *model.Kawaii) *model.Meta { return &o.Meta },
		netip(),
		nested("firewall", bitOwn, "KawaiiFirewall", func(o *model.Kawaii) *model.Firewall { return &o.Firewall }, firewallFields, Always, Replace, Doc("what it lets pass")),
		objects("dnat", bitOwn+1, "KawaiiDNatRule", func(o *model.Kawaii) *[]model.DNATRule { return &o.DNAT }, dnatFields, Always, Replace, Single, Doc("ports forwarded to machines")),
		objects("vpc_peerings", bitOwn+2, "KawaiiVpcPeering", func(o *model.Kawaii) *[]model.Peering { return &o.Peerings }, peeringFields, Always, Replace, Single, Doc("subnets of others that it reaches")),
		peeringStates(),
		connections(),
	)),
	Internal: []string{"Project", "Region", "PublicSubnet", "PrivateSubnet", "VIPs"},
	Ops: ops(Op{ID: "CreateProjectRegionKawaii", Verb: Create, Method: "POST", Path: "/project/{projectId}/region/{regionId}/kawaii", Request: "Kawaii", Response: "Kawaii", Status: 201, Access: access.Manage},
		Op{ID: "ListKawaiis", Verb: List, Method: "GET", Path: "/kawaii", Response: "[]string", Status: 200, Access: access.Authenticated},
		rud("Kawaii", "kawaii", access.Read, access.Manage, access.Manage),
		replaced("Kawaii", "kawaii"),
		listed("ListProjectRegionKawaiis", "/project/{projectId}/region/{regionId}/kawaiis", "region"), standing("Kawaii", "kawaii", readRule)),
}

// Words of the tunnels' algorithms as the documentation spells them as well.
var hashes = Spelt("SHA2-256", "SHA256", "SHA2-384", "SHA384", "SHA2-512", "SHA512", "SHA-1", "SHA1")

var groups = Enum("2", "5", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24")

var ipsecFields = common(func(o *model.IPsec) *model.Meta { return &o.Meta },
	str("ip", -1, func(o *model.IPsec) *string { return &o.IP }, ReadOnly, Column, Doc("public address of the gateway that it ends at")),
	str("remote_ip", bitOwn, func(o *model.IPsec) *string { return &o.RemoteIP }, Required, Column, Doc("address of the other side")),
	str("remote_subnet", bitOwn+1, func(o *model.IPsec) *string { return &o.RemoteSubnet }, Required, Column, Doc("network behind the other side")),
	secret("pre_shared_key", bitOwn+2, func(o *model.IPsec) *model.Secret { return &o.PreSharedKey }, Lenient, Doc("key that both sides have; kept when a change leaves it empty")),
	str("dpd_timeout_action", bitOwn+3, func(o *model.IPsec) *string { return &o.DPDAction }, Enum("clear", "restart", "start"), Spelt("trap", "start"), Default("restart"), Replace, Always, Doc("what to do when the other side is dead")),
	str("dpd_timeout", bitOwn+4, func(o *model.IPsec) *string { return &o.DPDTimeout }, Default("240s"), Replace, Always, Doc("silence after which it is")),
	str("start_action", bitOwn+5, func(o *model.IPsec) *string { return &o.StartAction }, Enum("none", "start", "trap"), Default("start"), Replace, Always, Doc("when to connect")),
	str("rekey_time", bitOwn+6, func(o *model.IPsec) *string { return &o.Rekey }, Default("2h"), Replace, Always, Doc("time between new keys")),
	str("phase1_lifetime", bitOwn+7, func(o *model.IPsec) *string { return &o.Phase1Lifetime }, Default("1h"), Replace, Always, Doc("lifetime of the IKE association")),
	integer("phase1_dh_group_number", bitOwn+8, func(o *model.IPsec) *int64 { return &o.Phase1DHGroup }, Required, groups, Doc("Diffie-Hellman group")),
	str("phase1_integrity_algorithm", bitOwn+9, func(o *model.IPsec) *string { return &o.Phase1Integrity }, Required, Enum("SHA1", "SHA256", "SHA384", "SHA512"), hashes, Doc("integrity algorithm")),
	str("phase1_encryption_algorithm", bitOwn+10, func(o *model.IPsec) *string { return &o.Phase1Encryption }, Required, Enum("AES128", "AES256", "CAMELLIA128", "CAMELLIA256"), Doc("encryption algorithm")),
	str("phase2_lifetime", bitOwn+11, func(o *model.IPsec) *string { return &o.Phase2Lifetime }, Default("1h"), Replace, Always, Doc("lifetime of the ESP association")),
	integer("phase2_dh_group_number", bitOwn+12, func(o *model.IPsec) *int64 { return &o.Phase2DHGroup }, Required, groups, Doc("Diffie-Hellman group")),
	str("phase2_integrity_algorithm", bitOwn+13, func(o *model.IPsec) *string { return &o.Phase2Integrity }, Required, Enum("SHA1", "SHA256", "SHA384", "SHA512"), hashes, Doc("integrity algorithm")),
	str("phase2_encryption_algorithm", bitOwn+14, func(o *model.IPsec) *string { return &o.Phase2Encryption }, Required, Enum("AES128", "AES256", "CAMELLIA128", "CAMELLIA256"), Doc("encryption algorithm")),
	nested("firewall", bitOwn+15, "KawaiiFirewall", func(o *model.IPsec) *model.Firewall { return &o.Firewall }, firewallFields, Always, Replace, Doc("what may come in through it")),
)

// ipsecWire writes a tunnel inside its gateway.
var ipsecWire = Kind{Name: model.KindIPsec, Fields: ipsecFields}

const ipsecPath = "/kawaii/{kawaiiId}/ipsec/{KawaiiIpSecId}"

var ipsec = Kind{
	Name: model.KindIPsec, Plural: "ipsecs", Schema: "KawaiiIpSec", Title: "ipsec (site-to-site tunnel)",
	Summary:  "A tunnel from a project's gateway to another site, IKEv2 with a pre-shared key.",
	Parents:  []Parent{parent(model.KindKawaii, "kawaiiId", func(o *model.IPsec) *model.ID { return &o.Kawaii })},
	Fields:   ipsecFields,
	Internal: []string{"Kawaii", "XFRMID"},
	Ops: []Op{
		{ID: "CreateKawaiiIpSec", Verb: Create, Method: "POST", Path: "/kawaii/{kawaiiId}/ipsec", Request: "KawaiiIpSec", Response: "KawaiiIpSec", Status: 201, Access: access.Manage},
		listed("ListKawaiiIpSecs", "/kawaii/{kawaiiId}/ipsec", "kawaii"),
		{ID: "ReadKawaiiIpSec", Verb: Read, Method: "GET", Path: ipsecPath, Response: "KawaiiIpSec", Status: 200, Access: access.Read},
		{ID: "UpdateKawaiiIpSec", Verb: Update, Method: "PUT", Path: ipsecPath, Request: "KawaiiIpSec", Response: "KawaiiIpSec", Status: 200, Access: access.Manage},
		{ID: "DeleteKawaiiIpSec", Verb: Delete, Method: "DELETE", Path: ipsecPath, Status: 200, Access: access.Manage},
		{ID: "ListIpSecs", Verb: List, Method: "GET", Path: "/ipsec", Response: "[]string", Status: 200, Access: access.Authenticated, Native: true},
	},
}
