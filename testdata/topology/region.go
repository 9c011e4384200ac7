package topology

import (
	"fmt"

	"kowabunga/core/model"
)

// site says what a region is made of.
type site struct {
	n      int // first number of its ids, a multiple of 10,000
	name   string
	zones  int
	hosts  int // in each zone
	kiwis  int
	public string // first three octets of its public network
	second int    // second octet of its private ones
	vlans  int    // how many segments for projects
}

// The two regions: the one of the documentation, and one far away.
var (
	euWest = site{n: 10_000, name: "eu-west", zones: 3, hosts: 3, kiwis: 2, public: "203.0.113", second: 50, vlans: 9}
	usEast = site{n: 20_000, name: "us-east", zones: 1, hosts: 1, kiwis: 1, public: "198.51.100", second: 60, vlans: 2}
)

// ID is the id of an object by its number.
func ID(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int, name string) model.Meta { return model.Meta{ID: ID(n), Name: name} }

// The numbers of objects within a region.
const (
	nRegion  = 0
	nZone    = 1   // of zone i: nZone+i
	nKiwi    = 10  // the Kiwi
	nRouter  = 11  // agents of the Kiwi
	nHost    = 100 // of host j of zone i: nHost+10i+j; its agent 100 more
	nAgent   = 200
	nVNet    = 300 // public, admin, storage, then those of projects
	nSubnet  = 400
	nPool    = 500
	nProject = 1000 // what belongs to a project there: nProject times its number
)

func (s site) id(n int) model.ID { return ID(s.n + n) }

func (s site) meta(n int, name string) model.Meta { return meta(s.n+n, name) }

func (s site) zone(i int) string { return s.name + "-" + string(rune('a'+i)) }

// infrastructure is a region without tenants. VLAN 101 is for administration, 102 for storage and those
// from 201 on for projects, as the documentation numbers them.
func (s site) infrastructure() []model.Object {
	out := []model.Object{&model.Region{Meta: s.meta(nRegion, s.name), Domain: s.name + ".example.net", DefaultPool: s.id(nPool)}}
	kiwi := &model.Kiwi{Meta: s.meta(nKiwi, "kiwi-"+s.name), Region: s.id(nRegion)}
	for i := range s.kiwis {
		out = append(out, &model.Agent{Meta: s.meta(nRouter+i, fmt.Sprintf("kiwi-%s-%d", s.name, i+1)), Type: "Kiwi"})
		kiwi.Agents = append(kiwi.Agents, s.id(nRouter+i))
	}
	out = append(out, kiwi)
	pool := &model.Pool{Meta: s.meta(nPool, s.name+"-disks"), Region: s.id(nRegion), Pool: "dir:disks"}
	for i := range s.zones {
		out = append(out, &model.Zone{Meta: s.meta(nZone+i, s.zone(i)), Region: s.id(nRegion)})
		for j := range s.hosts {
			n, name := nHost+10*i+j, fmt.Sprintf("kaktus-%s-%d", s.zone(i), j+1)
			agent := s.id(n + nAgent - nHost)
			out = append(out, &model.Agent{Meta: meta(s.n+n+nAgent-nHost, name), Type: "Kaktus"},
				&model.Kaktus{Meta: s.meta(n, name), Zone: s.id(nZone + i), Agents: []model.ID{agent}, OvercommitCPU: 3, OvercommitMemory: 2,
					Caps: model.Caps{Arch: "x86_64", Sockets: 1, Cores: 16, Threads: 32, Memory: 128 << 30}})
			pool.Agents = append(pool.Agents, agent)
		}
	}
	return append(append(out, pool), s.segments()...)
}

func (s site) segments() []model.Object {
	out := []model.Object{
		&model.VNet{Meta: s.meta(nVNet, s.name+"-public"), Region: s.id(nRegion), Interface: "br0", DefaultSubnet: s.id(nSubnet)},
		&model.Subnet{Meta: s.meta(nSubnet, s.name+"-public"), VNet: s.id(nVNet), CIDR: s.public + ".0/26", Gateway: s.public + ".62", DNS: "9.9.9.9",
			Reserved: []model.IPRange{{First: s.public + ".1", Last: s.public + ".9"}}, Application: "user"},
	}
	private := func(n, vlan int, name, application string) {
		net := fmt.Sprintf("10.%d.%d", s.second, vlan)
		subnet := &model.Subnet{Meta: s.meta(nSubnet+n, name), VNet: s.id(nVNet + n), CIDR: net + ".0/24", Gateway: net + ".1", DNS: net + ".1",
			Reserved: []model.IPRange{{First: net + ".2", Last: net + ".5"}}, Application: application}
		if application == "user" {
			subnet.GwPool = []model.IPRange{{First: net + ".252", Last: net + ".254"}}
		}
		out = append(out, &model.VNet{Meta: s.meta(nVNet+n, name), Region: s.id(nRegion), VLAN: int64(vlan), Interface: fmt.Sprintf("br%d", vlan), Private: true, DefaultSubnet: s.id(nSubnet + n)}, subnet)
	}
	private(1, 101, s.name+"-admin", "user")
	private(2, 102, s.name+"-ceph", "ceph")
	for i := range s.vlans {
		private(3+i, 201+i, fmt.Sprintf("%s-services-%d", s.name, i+1), "user")
	}
	return out
}
