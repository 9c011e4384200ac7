package topology

import (
	"fmt"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store/tree"
)

// The projects.
const (
	acme      = 1
	marvelous = 2
)

// What tests ask for by name.
var (
	Region  = euWest.id(nRegion)              // eu-west
	Abroad  = usEast.id(nRegion)              // us-east
	Acme    = ID(acme)                        // the project with everything, in both regions
	Other   = ID(marvelous)                   // the project it peers with
	Kawaii  = euWest.id(nProject*acme + 50)   // acme's gateway in eu-west
	Konvey  = euWest.id(nProject*acme + 51)   // acme's load balancer
	Tunnel  = euWest.id(nProject*acme + 52)   // acme's tunnel
	Machine = euWest.id(nProject*acme + 20)   // acme's machine in the first zone
	Record  = euWest.id(nProject*acme + 53)   // acme's record "ad"
	Storage = euWest.id(nSubnet + 2)          // eu-west's storage network
	Secret  = model.Secret("pre-shared-deed") // the key of acme's tunnel
)

// Hosts are the hosts of a region, in order, Routers the agents of its Kiwi.
func Hosts(region model.ID) []model.ID   { return kin(region, nHost, 10, 10) }
func Routers(region model.ID) []model.ID { return kin(region, nRouter, 1, 2) }

func kin(region model.ID, from, step, most int) []model.ID {
	s := euWest
	if region == Abroad {
		s = usEast
	}
	var out []model.ID
	switch from {
	case nRouter:
		for i := range min(s.kiwis, most) {
			out = append(out, s.id(from+i*step))
		}
	case nHost:
		for i := range s.zones {
			for j := range s.hosts {
				out = append(out, s.id(from+i*step+j))
			}
		}
	}
	return out
}

// AgentOf is the agent of a host.
func AgentOf(host model.ID) model.ID {
	var n int
	if _, err := fmt.Sscanf(string(host), "%x", &n); err != nil {
		panic(err)
	}
	return ID(n + nAgent - nHost)
}

// Objects is the whole installation, in an order in which every object finds what it refers to but the
// defaults of regions and segments, which refer to what comes later.
func Objects() []model.Object {
	here, there := tenant{euWest, acme, "acme", 0}, tenant{usEast, acme, "acme-us", 0}
	peer := tenant{euWest, marvelous, "marvelous", 1}
	out := []model.Object{&model.Team{Meta: meta(9, "devs")},
		&model.Project{Meta: meta(acme, "acme"), Domain: "acme.local", Teams: []model.ID{ID(9)}, Regions: []model.ID{Region, Abroad}, Tags: []string{"shop"}, Gateways: append(here.gateways(), there.gateways()...)},
		&model.Project{Meta: meta(marvelous, "marvelous"), Domain: "marvelous.local", Teams: []model.ID{ID(9)}, Regions: []model.ID{Region}, Gateways: peer.gateways()}}
	out = append(out, euWest.infrastructure()...)
	out = append(out, usEast.infrastructure()...)
	for _, o := range out {
		if s, ok := o.(*model.Subnet); ok {
			switch s.ID {
			case here.subnet(), there.subnet():
				s.Project = Acme
			case peer.subnet():
				s.Project = Other
			}
		}
	}
	out = append(out,
		&model.Record{Meta: euWest.meta(here.n(53), "ad"), Project: Acme, Domain: "acme.local", Addresses: []string{here.net() + ".10", here.net() + ".11"}},
		&model.Record{Meta: euWest.meta(nProject*9, "ceph"), Region: Region, Domain: "eu-west.example.net", Addresses: []string{"10.50.102.11", "10.50.102.12", "10.50.102.13"}})
	out = append(out, here.machines()...)
	out = append(out, there.machines()...)
	out = append(out, peer.machines()...)
	out = append(out, here.kawaii(func(k *model.Kawaii) {
		k.Firewall.Ingress = []model.IngressRule{{Source: "0.0.0.0/0", Protocol: "tcp", Ports: "80,443"}, {Source: "192.0.2.0/24", Protocol: "udp", Ports: "53"}}
		k.Firewall.Egress = []model.EgressRule{{Destination: "0.0.0.0/0", Protocol: "tcp", Ports: "25"}}
		k.DNAT = []model.DNATRule{{Destination: here.net() + ".120", Protocol: "tcp", Ports: "443"}, {Destination: here.net() + ".120", Protocol: "udp", Ports: "53"}}
		k.Peerings = []model.Peering{
			{Subnet: Storage, Policy: "drop", Granted: true, Legs: here.legs("10.50.102", 101)},
			{Subnet: peer.subnet(), Policy: "accept", Egress: []model.PortRule{{Protocol: "tcp", Ports: "22"}}, Ingress: []model.PortRule{{Protocol: "tcp", Ports: "1-1023"}}, Legs: here.legs(peer.net(), 111)}}
	})...)
	out = append(out, &model.IPsec{Meta: euWest.meta(here.n(52), "ACME Office"), Kawaii: Kawaii, XFRMID: 1, IP: "203.0.113.10", RemoteIP: "192.0.2.8", RemoteSubnet: "172.16.1.0/24", PreSharedKey: Secret,
		DPDAction: "restart", DPDTimeout: "240s", StartAction: "start", Rekey: "2h", Phase1Lifetime: "1h", Phase1DHGroup: 14, Phase1Integrity: "SHA512", Phase1Encryption: "AES256",
		Phase2Lifetime: "1h", Phase2DHGroup: 19, Phase2Integrity: "SHA256", Phase2Encryption: "AES128",
		Firewall: model.Firewall{EgressPolicy: "accept", Ingress: []model.IngressRule{{Source: "172.16.1.0/28", Protocol: "tcp", Ports: "22"}}}})
	out = append(out, peer.kawaii(func(k *model.Kawaii) {
		k.Firewall.EgressPolicy = "drop"
		k.Firewall.Egress = []model.EgressRule{{Destination: "0.0.0.0/0", Protocol: "tcp", Ports: "443"}}
		k.Peerings = []model.Peering{{Subnet: here.subnet(), Policy: "drop", Ingress: []model.PortRule{{Protocol: "tcp", Ports: "5432,22"}}, Egress: []model.PortRule{{Protocol: "tcp", Ports: "80,8080"}}, Legs: peer.legs(here.net(), 111)}}
	})...)
	out = append(out, there.kawaii(nil)...)
	return append(out, here.konvey()...)
}

// View is the installation as a state to look at or edit.
func View() *tree.Root {
	root, problems := tree.Build(Tables(), 1, slices.Values(Objects()))
	if len(problems) > 0 {
		panic(fmt.Sprint(problems))
	}
	return root
}

// Tables are the tables the installation is kept in.
func Tables() []model.Table { return append(catalogue.Tables(), operation.Table) }

// Load puts the installation into a draft, which refuses objects that refer to what is not there: those
// that come too early are put again after the others.
func Load(d model.Draft) error {
	left := Objects()
	for _, o := range left { // regions and segments refer to what is in them; that is put last
		switch o := o.(type) {
		case *model.Region:
			first := model.Edit(o)
			first.DefaultPool = ""
			if err := d.Put(first); err != nil {
				return err
			}
		case *model.VNet:
			first := model.Edit(o)
			first.DefaultSubnet = ""
			if err := d.Put(first); err != nil {
				return err
			}
		}
	}
	for len(left) > 0 {
		var early []model.Object
		var refusal error
		for _, o := range left {
			if err := d.Put(o); err != nil {
				early, refusal = append(early, o), err
			}
		}
		if len(early) == len(left) {
			return refusal
		}
		left = early
	}
	return nil
}
