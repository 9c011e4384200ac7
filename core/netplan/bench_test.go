package netplan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/store/tree"
	"kowabunga/testdata/topology"
)

// crowd is one region of three zones with so many hosts, projects and machines; every project has a
// gateway with a node in each zone.
func crowd(hosts, projects, machines int) *tree.Root {
	id, n := topology.ID, 0
	next := func(name string) model.Meta {
		n++
		return model.Meta{ID: id(n), Name: fmt.Sprintf("%s-%d", name, n)}
	}
	var objects []model.Object
	add := func(o model.Object) model.ID {
		objects = append(objects, o)
		return o.Base().ID
	}
	region := add(&model.Region{Meta: next("region"), Domain: "region.example"})
	agents := []model.ID{add(&model.Agent{Meta: next("router"), Type: "Kiwi"}), add(&model.Agent{Meta: next("router"), Type: "Kiwi"})}
	add(&model.Kiwi{Meta: next("kiwi"), Region: region, Agents: agents})
	var zones, hostIDs []model.ID
	for range 3 {
		zones = append(zones, add(&model.Zone{Meta: next("zone"), Region: region}))
	}
	for i := range hosts {
		agent := add(&model.Agent{Meta: next("agent"), Type: "Kaktus"})
		hostIDs = append(hostIDs, add(&model.Kaktus{Meta: next("host"), Zone: zones[i%3], Agents: []model.ID{agent}}))
	}
	team := add(&model.Team{Meta: next("team")})
	var public []model.ID // a segment has router ids for some 79 gateways of three zones
	for i := range projects/50 + 1 {
		outside := add(&model.VNet{Meta: next("public"), Region: region, Interface: fmt.Sprintf("pub%d", i)})
		public = append(public, add(&model.Subnet{Meta: next("public"), VNet: outside, CIDR: fmt.Sprintf("203.%d.0.0/16", i), Gateway: fmt.Sprintf("203.%d.255.254", i), Application: "user"}))
	}
	mac := func() string { return fmt.Sprintf("da:1e:70:%02x:%02x:%02x", n>>16, n>>8&255, n&255) }
	for i := range projects {
		p := add(&model.Project{Meta: next("project"), Domain: fmt.Sprintf("p%d.example", i), Teams: []model.ID{team}, Regions: []model.ID{region}})
		lan := add(&model.VNet{Meta: next("lan"), Region: region, Interface: fmt.Sprintf("br%d", 100+i), VLAN: int64(100 + i), Private: true})
		net := fmt.Sprintf("10.%d.%d", i/200, i%200)
		subnet := add(&model.Subnet{Meta: next("lan"), VNet: lan, Project: p, CIDR: net + ".0/24", Gateway: net + ".1", Application: "user"})
		k := &model.Kawaii{Meta: next("kawaii"), Project: p, Region: region, PublicSubnet: public[i/50], PrivateSubnet: subnet}
		for z := range zones {
			card := add(&model.Adapter{Meta: next("card"), Subnet: subnet, MAC: mac(), Addresses: []string{fmt.Sprintf("%s.%d", net, 240+z)}, Service: k.ID})
			add(&model.Node{Meta: next("node"), Project: p, Zone: zones[z], Kaktus: hostIDs[(3*i+z)%hosts], Owner: k.ID, Role: "kawaii", Address: fmt.Sprintf("%s.%d", net, 240+z), Adapter: card})
			k.VIPs = append(k.VIPs, model.GatewayVIP{Zone: zones[z], VRID: int64(3*(i%50) + z + 1), Public: fmt.Sprintf("203.%d.%d.%d", i/50, i%50, z+1), Private: fmt.Sprintf("%s.%d", net, 250+z)})
		}
		add(k)
		for j := range machines / projects {
			card := add(&model.Adapter{Meta: next("card"), Subnet: subnet, MAC: mac(), Addresses: []string{fmt.Sprintf("%s.%d", net, j+2)}})
			add(&model.Instance{Meta: next("machine"), Project: p, Zone: zones[j%3], Kaktus: hostIDs[(i+3*j)%hosts], OS: "linux", VCPUs: 1, Memory: 1 << 30, Adapters: []model.ID{card}})
		}
	}
	root, problems := tree.Build(topology.Tables(), 1, slices.Values(objects))
	if len(problems) > 0 {
		panic(fmt.Sprint(problems[0]))
	}
	return root
}

// BenchmarkOneMachine is what one changed machine costs in a region of 10,000: dropping what it concerns
// and making every document again that it can have changed. The budget is 5 ms.
func BenchmarkOneMachine(b *testing.B) {
	root := crowd(500, 200, 10_000)
	p := netplan.New(root)
	size := len(p.Kiwi(root1(root)))
	for h := range model.All[*model.Kaktus](root) {
		p.Services(h.ID)
	}
	var machine *model.Instance
	for machine = range model.All[*model.Instance](root) {
		break
	}
	if size > agentproto.MaxMessage {
		b.Fatalf("the state of a region of 10,000 machines has %d bytes, more than a message may", size)
	}
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		next, refs := change(b, root, func(d model.Draft) error {
			return edit(d, machine.ID, func(o *model.Instance) { o.Name = fmt.Sprintf("renamed-%d", n) })
		})
		root = next
		b.StartTimer()
		affected := p.Update(root, refs)
		for region := range affected.Regions {
			p.Kiwi(region)
		}
		for host := range affected.Hosts {
			p.Services(host)
		}
	}
	b.ReportMetric(float64(size), "state-bytes")
	b.ReportMetric(float64(5*time.Millisecond)/(float64(b.Elapsed())/float64(b.N)), "budgets")
}

func root1(v model.View) model.ID {
	for r := range model.All[*model.Region](v) {
		return r.ID
	}
	return ""
}

// BenchmarkEverything is what a full pass over the same region costs.
func BenchmarkEverything(b *testing.B) {
	root := crowd(500, 200, 10_000)
	for b.Loop() {
		p := netplan.New(root)
		p.Kiwi(root1(root))
		for h := range model.All[*model.Kaktus](root) {
			p.Services(h.ID)
		}
	}
}
