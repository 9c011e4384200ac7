package topology

import (
	"fmt"

	"kowabunga/core/model"
)

// tenant is what a project has in a region.
type tenant struct {
	site
	project int // its number, from 1
	name    string
	vlan    int // which of the region's segments for projects is its own, from 0
}

func (t tenant) net() string { return fmt.Sprintf("10.%d.%d", t.second, 201+t.vlan) }

func (t tenant) subnet() model.ID { return t.id(nSubnet + 3 + t.vlan) }

// n numbers what belongs to the project in the region.
func (t tenant) n(n int) int { return nProject*t.project + n }

// gateways are the addresses that the project's gateway has in the region.
func (t tenant) gateways() []model.Gateway {
	var out []model.Gateway
	for i := range t.zones {
		out = append(out, model.Gateway{Zone: t.id(nZone + i), Address: fmt.Sprintf("%s.%d", t.net(), 252+i)})
	}
	return out
}

func (t tenant) adapter(n int, name string, subnet model.ID, change ...func(*model.Adapter)) *model.Adapter {
	a := &model.Adapter{Meta: t.meta(t.n(n), name), Subnet: subnet, MAC: fmt.Sprintf("da:1e:70:%02x:%02x:%02x", t.site.n/10_000, t.project, n%256)}
	for _, c := range change {
		c(a)
	}
	return a
}

// machines are one machine in each zone, called NAME-web-1 and so on.
func (t tenant) machines() []model.Object {
	var out []model.Object
	for i := range t.zones {
		name := fmt.Sprintf("%s-web-%d", t.name, i+1)
		address := fmt.Sprintf("%s.%d", t.net(), 10+i)
		kompute, instance, card, disk := t.n(10+i), t.n(20+i), 30+i, t.n(40+i)
		out = append(out,
			t.adapter(card, name+"-private-adapter", t.subnet(), func(a *model.Adapter) { a.Addresses, a.Kompute = []string{address}, t.id(kompute) }),
			&model.Volume{Meta: t.meta(disk, name+"-os"), Project: ID(t.project), Region: t.id(nRegion), Pool: t.id(nPool), Type: "os", Size: 16 << 30, Kompute: t.id(kompute)},
			&model.Instance{Meta: t.meta(instance, name), Project: ID(t.project), Zone: t.id(nZone + i), Kaktus: t.id(nHost + 10*i), OS: "linux", VCPUs: 2, Memory: 4 << 30,
				Adapters: []model.ID{t.id(t.n(card))}, Volumes: []model.ID{t.id(disk)}, Kompute: t.id(kompute), Run: true},
			&model.Kompute{Meta: t.meta(kompute, name), Project: ID(t.project), Zone: t.id(nZone + i), Instance: t.id(instance), VCPUs: 2, Memory: 4 << 30, Disk: 16 << 30, IP: address})
	}
	return out
}

// kawaii is the project's gateway, with a node on the last host of each zone.
func (t tenant) kawaii(change func(*model.Kawaii)) []model.Object {
	owner := t.id(t.n(50))
	k := &model.Kawaii{Meta: t.meta(t.n(50), "kawaii-"+t.name+"-"+t.site.name), Project: ID(t.project), Region: t.id(nRegion),
		PublicSubnet: t.id(nSubnet), PrivateSubnet: t.subnet(), Firewall: model.Firewall{EgressPolicy: "accept"}}
	var nodes []model.Object
	for i := range t.zones {
		public := fmt.Sprintf("%s.%d", t.public, 10*t.project+i)
		vip, private, outside := 60+i, 70+i, 80+i
		of := func(addresses ...string) func(*model.Adapter) {
			return func(a *model.Adapter) { a.Addresses, a.Service = addresses, owner }
		}
		name := fmt.Sprintf("kawaii-%s-%s-1", t.name, t.zone(i))
		own := fmt.Sprintf("%s.%d", t.net(), 100+i)
		nodes = append(nodes, t.adapter(vip, name+"-vip-adapter", t.id(nSubnet), of(public)),
			t.adapter(private, name+"-private-adapter", t.subnet(), of(own)), t.adapter(outside, name+"-public-adapter", t.id(nSubnet), of()),
			&model.Node{Meta: t.meta(t.n(90+i), name), Project: ID(t.project), Zone: t.id(nZone + i), Kaktus: t.id(nHost + 10*i + t.hosts - 1), Owner: owner, Role: "kawaii",
				Address: own, Adapter: t.id(t.n(private)), Public: t.id(t.n(outside)), Shape: model.Shape{VCPUs: 1, Memory: 1 << 30}})
		k.VIPs = append(k.VIPs, model.GatewayVIP{Zone: t.id(nZone + i), VRID: int64(10*t.project + i), Public: public, Private: fmt.Sprintf("%s.%d", t.net(), 252+i), PublicAdapter: t.id(t.n(vip))})
	}
	if change != nil {
		change(k)
	}
	var legs []model.Object
	for i, p := range k.Peerings {
		for j, leg := range p.Legs {
			legs = append(legs, t.adapter(150+10*i+j, fmt.Sprintf("%s-peer-%d-%d", k.Name, i, j), p.Subnet,
				func(a *model.Adapter) { a.Addresses, a.Service = []string{leg.Address}, owner }))
			k.Peerings[i].Legs[j].Adapter = t.id(t.n(150 + 10*i + j))
		}
	}
	return append(append(legs, k), nodes...)
}

// legs are the addresses of the gateway's nodes on somebody else's subnet, from a host number on.
func (t tenant) legs(net string, first int) []model.PeeringIP {
	var out []model.PeeringIP
	for i := range t.zones {
		out = append(out, model.PeeringIP{Zone: t.id(nZone + i), Address: fmt.Sprintf("%s.%d", net, first+i)})
	}
	return out
}

// konvey is a load balancer in front of the project's machines, on the second host of the first two zones.
func (t tenant) konvey() []model.Object {
	owner := t.id(t.n(51))
	address := t.net() + ".120"
	k := &model.Konvey{Meta: t.meta(t.n(51), "konvey-"+t.name), Project: ID(t.project), Region: t.id(nRegion), Subnet: t.subnet(), VIP: address, VRID: int64(100 + t.project),
		Adapter: t.id(t.n(110)), Failover: true, Endpoints: []model.Endpoint{
			{Name: "https", Port: 443, Protocol: "tcp", Backends: model.Backends{Hosts: []string{t.name + "-web-1", t.name + "-web-2." + t.name + ".local", t.net() + ".12"}, Port: 8443}},
			{Name: "dns", Port: 53, Protocol: "udp", Backends: model.Backends{Hosts: []string{t.name + "-web-3"}, Port: 53}}}}
	of := func(address string) func(*model.Adapter) {
		return func(a *model.Adapter) { a.Addresses, a.Service = []string{address}, owner }
	}
	out := []model.Object{t.adapter(110, "konvey-"+t.name+"-vip-adapter", t.subnet(), of(address)), k}
	for i := range 2 {
		name, own := fmt.Sprintf("konvey-%s-%s-1", t.name, t.zone(i)), fmt.Sprintf("%s.%d", t.net(), 121+i)
		out = append(out, t.adapter(111+i, name+"-private-adapter", t.subnet(), of(own)),
			&model.Node{Meta: t.meta(t.n(95+i), name), Project: ID(t.project), Zone: t.id(nZone + i), Kaktus: t.id(nHost + 10*i + 1), Owner: owner, Role: "konvey",
				Address: own, Adapter: t.id(t.n(111 + i)), Standby: i > 0, Shape: model.Shape{VCPUs: 1, Memory: 1 << 30}})
	}
	return out
}
