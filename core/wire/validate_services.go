package wire

import (
	"encoding/json"
	"strings"

	"kowabunga/core/model"
)

// Validate tells whether a host can carry the state out. Faults: Invalid, naming the first entry of the
// first node that it cannot.
func (s *ServicesState) Validate() error {
	c := new(checks)
	if err := known("schema", s.Schema, ServicesSchema); err != nil {
		return err
	}
	nodes := map[string]bool{}
	for i := range s.Kawaii {
		if err := s.Kawaii[i].Validate(); err != nil {
			return err
		}
		c.entry("kawaii", i)
		c.once("node", nodes, s.Kawaii[i].Node)
	}
	for i := range s.Konvey {
		if err := s.Konvey[i].Validate(); err != nil {
			return err
		}
		c.entry("konvey", i)
		c.once("node", nodes, s.Konvey[i].Node)
	}
	return c.err
}

// Validate tells whether a node can carry the state out. Faults: Invalid, naming the first entry it cannot.
func (s *KawaiiState) Validate() error {
	c := new(checks)
	if err := known("schema", s.Schema, KawaiiSchema); err != nil {
		return err
	}
	c.filled("node", s.Node)
	c.filled("kawaii", s.Kawaii)
	legs := c.legs(s.Interfaces)
	routers := map[int64]bool{}
	for i, p := range s.VIPs {
		c.entry("vips", i)
		c.filled("zone", p.Zone)
		c.within("vrid", p.VRID, 1, 255)
		if routers[p.VRID] {
			c.bad("vrid", "%d is that of two pairs", p.VRID)
		}
		routers[p.VRID] = true
		c.within("priority", int64(p.Priority), 1, 254)
		if p.Public != "" {
			c.prefix("public", p.Public)
		}
		if p.Private != "" {
			c.prefix("private", p.Private)
		}
	}
	c.routes(s.Routes, legs)
	tunnels := map[string]bool{}
	for i := range s.Tunnels {
		c.entry("tunnels", i)
		c.tunnel(&s.Tunnels[i], tunnels)
	}
	for i, t := range s.NAT {
		c.entry("nat", i)
		c.network("source", t.Source)
		c.known("out", t.Out, legs)
		if len(t.Addresses) == 0 {
			c.bad("addresses", "nothing to translate to")
		}
		for _, a := range t.Addresses {
			c.address("addresses", a)
		}
	}
	for i, d := range s.DNAT {
		c.entry("dnat", i)
		c.address("public", d.Public)
		c.oneOf("protocol", d.Protocol, "tcp", "udp")
		c.ports("ports", d.Ports)
		c.address("destination", d.Destination)
	}
	c.rules(s.Filter)
	for i, m := range s.Metadata {
		c.entry("metadata", i)
		c.filled("machine", m.Machine)
		c.address("address", m.Address)
		if !strings.HasPrefix(m.Document, "{") || !json.Valid([]byte(m.Document)) {
			c.bad("document", "is no JSON object")
		}
	}
	return c.err
}

func (c *checks) legs(legs []Leg) map[string]bool {
	seen := map[string]bool{}
	for i, l := range legs {
		c.entry("interfaces", i)
		c.iface("name", l.Name)
		c.once("name", seen, l.Name)
		c.iface("bridge", l.Bridge)
		if l.Address != "" {
			c.prefix("address", l.Address)
		}
	}
	c.whole()
	return seen
}

func (c *checks) routes(routes []WeightedRoute, legs map[string]bool) {
	for i, r := range routes {
		c.entry("routes", i)
		c.network("destination", r.Destination)
		c.address("via", r.Via)
		c.known("interface", r.Interface, legs)
		if r.Source != "" {
			c.address("source", r.Source)
		}
	}
	c.whole()
}

func (c *checks) tunnel(t *Tunnel, seen map[string]bool) {
	c.filled("id", t.ID)
	c.within("xfrm", t.XFRM, 1, 255)
	c.once("id", seen, t.ID)
	c.address("local", t.Local)
	c.address("peer", t.Peer)
	c.network("localNetwork", t.LocalNetwork)
	c.network("remoteNetwork", t.RemoteNetwork)
	switch t.PreSharedKey.Reveal() {
	case "":
		c.bad("preSharedKey", "is empty")
	case model.SecretMask:
		c.bad("preSharedKey", "was masked on its way")
	}
	for _, p := range []struct{ field, proposal string }{{"ike", t.IKE}, {"esp", t.ESP}} {
		if parts := strings.Split(p.proposal, "-"); len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
			c.bad(p.field, "%q is not encryption-integrity-group", p.proposal)
		}
	}
	c.oneOf("start", t.Start, "none", "start", "trap")
	c.oneOf("dpdAction", t.DPDAction, "clear", "restart", "start")
	for _, d := range []struct {
		field   string
		seconds int64
	}{{"dpd", t.DPD}, {"rekey", t.Rekey}, {"ikeLife", t.IKELife}, {"espLife", t.ESPLife}} {
		c.within(d.field, d.seconds, 1, 1<<31-1)
	}
}

// Validate tells whether a node can carry the state out. Faults: Invalid, naming the first entry it cannot.
func (s *KonveyState) Validate() error {
	c := new(checks)
	if err := known("schema", s.Schema, KonveySchema); err != nil {
		return err
	}
	c.filled("node", s.Node)
	c.filled("konvey", s.Konvey)
	c.routes(s.Routes, c.legs(s.Interfaces))
	for i, v := range s.VIPs {
		c.entry("vips", i)
		c.prefix("address", v.Address)
		c.within("vrid", v.VRID, 1, 255)
		c.within("priority", int64(v.Priority), 1, 254)
	}
	if s.Resolver != "" {
		c.address("resolver", s.Resolver)
	}
	endpoints, ports := map[string]bool{}, map[string]bool{}
	for i, e := range s.Endpoints {
		c.entry("endpoints", i)
		c.filled("name", e.Name)
		c.once("name", endpoints, e.Name)
		c.oneOf("protocol", e.Protocol, "tcp", "udp")
		c.within("port", e.Port, 1, 65535)
		c.once("port", ports, e.Protocol+string(Line(e.Port)))
		c.oneOf("check.kind", e.Check.Kind, "tcp", "icmp")
		c.within("check.intervalMs", e.Check.Interval, 1, 3600_000)
		c.within("check.timeoutMs", e.Check.Timeout, 1, e.Check.Interval)
		c.within("check.rise", int64(e.Check.Rise), 1, 1000)
		c.within("check.fall", int64(e.Check.Fall), 1, 1000)
	}
	for i, b := range s.Backends {
		c.entry("backends", i)
		if !endpoints[b.Endpoint] {
			c.bad("endpoint", "endpoint %q is not declared", b.Endpoint)
		}
		c.filled("host", b.Host)
		c.within("port", b.Port, 1, 65535)
		for _, a := range b.Addresses {
			c.address("addresses", a)
		}
	}
	return c.err
}
