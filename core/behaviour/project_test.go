package behaviour_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// subnets are the networks of a project, by region.
func (w *realm) subnets(project string) map[model.ID]string {
	out := map[model.ID]string{}
	for s := range model.By[*model.Subnet](w.view, "project", w.id(project)) {
		n, _ := model.Find[*model.VNet](w.view, s.VNet)
		out[n.Region] += s.CIDR
	}
	return out
}

// secondRegion adds region us with a subnet for Ceph, which is nobody's, one of /25 and two of /26.
func (w *realm) secondRegion() {
	w.must("us", "CreateRegion", "", `{"name":"us","domain":"us.example"}`)
	w.must("us-a", "CreateZone", "regionId=us", `{"name":"us-a"}`)
	w.must("uslan", "CreateVNet", "regionId=us", `{"name":"uslan","interface":"br0","private":true}`)
	subnet := func(name, cidr, gateway, first, last, application string) {
		w.must(name, "CreateSubnet", "vnetId=uslan", fmt.Sprintf(`{"name":%q,"cidr":%q,"gateway":%q,"gw_pool":[{"first":%q,"last":%q}],"application":%q}`, name, cidr, gateway, first, last, application))
	}
	subnet("us-ceph", "10.2.0.0/26", "10.2.0.1", "10.2.0.2", "10.2.0.4", "ceph")
	subnet("us-big", "10.2.0.128/25", "10.2.0.129", "10.2.0.130", "10.2.0.132", "user")
	subnet("us-1", "10.2.1.0/26", "10.2.1.1", "10.2.1.2", "10.2.1.4", "user")
	subnet("us-2", "10.2.1.64/26", "10.2.1.65", "10.2.1.66", "10.2.1.68", "user")
}

func TestProjectsHaveASubnetOfUsersInEachRegion(t *testing.T) {
	w := newRealm(t)
	w.secondRegion()
	eu, us := w.id("eu"), w.id("us")
	if got := w.subnets("shop"); got[eu] != "10.1.0.0/26" || len(got) != 1 {
		t.Errorf("shop has %v", got)
	}
	// B9: a region that is added later brings a subnet of the size of the others, not that of the storage
	// network; one that is taken gives it back.
	with := `{"name":"shop","domain":"shop.example","teams":[],"regions":["$us","$eu"]}`
	w.must("", "UpdateProject", "projectId=shop", with)
	if got := w.subnets("shop"); got[us] != "10.2.1.0/26" || got[eu] != "10.1.0.0/26" {
		t.Errorf("shop has %v", got)
	}
	shown := string(catalogue.Of(model.KindProject).Append(nil, w.view, get[*model.Project](w, "shop"), catalogue.Reader{Version: catalogue.V1}))
	if !strings.Contains(shown, `"private_subnets":[{"key":"us","value":"`+string(w.id("us-1"))+`"},{"key":"eu","value":"`+string(w.id("lan-1"))+`"}]`) {
		t.Errorf("not in the order of the regions: %s", shown)
	}
	gateways := get[*model.Project](w, "shop").Gateways
	if len(gateways) != 2 || gateways[1].Zone != w.id("us-a") || gateways[1].Address != "10.2.1.2" {
		t.Errorf("gateways %v", gateways)
	}
	w.must("big", "CreateProject", "subnetSize=25", `{"name":"big","teams":[],"regions":["$us"]}`)
	if got := w.subnets("big"); got[us] != "10.2.0.128/25" {
		t.Errorf("big has %v", got)
	}
	w.must("", "UpdateProject", "projectId=shop", `{"name":"shop","domain":"shop.example","teams":[],"regions":["$eu"]}`)
	if got := w.subnets("shop"); len(got) != 1 || len(get[*model.Project](w, "shop").Gateways) != 1 {
		t.Errorf("shop still has %v and %v", got, get[*model.Project](w, "shop").Gateways)
	}
	// What does not fit changes nothing: the ghost of B5 would keep a subnet.
	w.must("x", "CreateProject", "", `{"name":"x","teams":[],"regions":["$us"]}`)
	w.must("y", "CreateProject", "", `{"name":"y","teams":[],"regions":["$us"]}`)
	before := w.view
	if _, err := w.try("CreateProject", "", `{"name":"z","teams":[],"regions":["$eu","$us"]}`); err == nil || w.view != before {
		t.Errorf("a project without room in one of its regions: %v", err)
	}
}

// B7: a zone that is added gets the next address; those of the others stay, whatever their names.
func TestGatewaysStayWhenZonesAreAdded(t *testing.T) {
	w := newRealm(t)
	first := get[*model.Project](w, "shop").Gateways
	w.must("aa", "CreateZone", "regionId=eu", `{"name":"aa"}`)
	w.must("zz", "CreateZone", "regionId=eu", `{"name":"zz"}`)
	got := get[*model.Project](w, "shop").Gateways
	want := append(slices.Clone(first), model.Gateway{Zone: w.id("aa"), Address: "10.1.0.3"}, model.Gateway{Zone: w.id("zz"), Address: "10.1.0.4"})
	if !slices.Equal(got, want) {
		t.Errorf("gateways %v, want %v", got, want)
	}
	w.must("", "UpdateProject", "projectId=shop", `{"name":"shop","domain":"shop.example","teams":[],"regions":["$eu"],"description":"x"}`)
	if now := get[*model.Project](w, "shop").Gateways; !slices.Equal(now, want) {
		t.Errorf("an update moved them to %v", now)
	}
}

// full gives the project one of everything.
func (w *realm) full() {
	w.must("nfs", "CreateStorageNFS", "regionId=eu", `{"name":"nfs"`+ganesha)
	w.must("wan", "CreateVNet", "regionId=eu", `{"name":"wan","interface":"br1","private":false}`)
	w.must("wan-1", "CreateSubnet", "vnetId=wan", `{"name":"wan-1","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`)
	w.must("", "SetVNetDefaultSubnet", "vnetId=wan subnetId=wan-1", "")
	in := "projectId=shop regionId=eu"
	w.must("db", "CreateProjectZoneKompute", "projectId=shop zoneId=eu-a public=true", `{"name":"db","vcpus":1,"memory":1048576,"disk":1048576,"data_disk":1048576}`)
	w.must("card", "CreateAdapter", "subnetId=lan-1 assignIP=true", `{"name":"card"}`)
	w.must("spare", "CreateAdapter", "subnetId=lan-1 assignIP=true", `{"name":"spare"}`)
	w.must("os", "CreateProjectRegionVolume", in, `{"name":"os","type":"os","size":1048576}`)
	w.must("loose", "CreateProjectRegionVolume", in, `{"name":"loose","type":"raw","size":1048576}`)
	w.must("vm", "CreateProjectZoneInstance", "projectId=shop zoneId=eu-a", `{"name":"vm","vcpus":1,"memory":1048576,"volumes":["$os"],"adapters":["$card"]}`)
	w.must("files", "CreateProjectRegionKylo", in, `{"name":"files"}`)
	w.must("www", "CreateProjectDnsRecord", "projectId=shop", `{"name":"www"`+one)
	w.must("apart", "CreateProjectKwarantine", "projectId=shop", `{"name":"apart"}`)
	w.must("gw", "CreateProjectRegionKawaii", in, `{}`)
	w.must("tunnel", "CreateKawaiiIpSec", "kawaiiId=gw", `{"name":"hq","remote_ip":"198.51.100.1","remote_subnet":"10.9.0.0/16","pre_shared_key":"correct horse battery",
		"phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA256","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA256","phase2_encryption_algorithm":"AES256"}`)
	w.must("lb", "CreateProjectRegionKonvey", in, `{"name":"lb","failover":false,"endpoints":[{"name":"http","port":80,"protocol":"tcp","backends":{"hosts":["10.1.0.9"],"port":80}}]}`)
}

func TestProjectsThatHoldSomethingStay(t *testing.T) {
	for _, c := range []struct{ op, params, body, words string }{
		{"CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("db"), `has `},
		{"CreateAdapter", "subnetId=lan-1", `{"name":"spare"}`, `adapter "spare"`},
		{"CreateProjectRegionVolume", "projectId=shop regionId=eu", `{"name":"d","type":"raw","size":1}`, `volume "d"`},
		{"CreateProjectDnsRecord", "projectId=shop", `{"name":"www"` + one, `record "www"`},
	} {
		w := newRealm(t)
		w.must("it", c.op, c.params, c.body)
		w.refused(fault.Conflict, "", c.words, "DeleteProject", "projectId=shop", "")
		w.refused(fault.Conflict, "", c.words, "DeleteProject", "projectId=shop cascade=false", "")
	}
	w := newRealm(t)
	w.must("", "CreateProjectKwarantine", "projectId=shop", `{"name":"apart"}`) // a group of nothing is nothing
	w.must("", "DeleteProject", "projectId=shop", "")
	if got := w.subnets("shop"); len(got) != 0 {
		t.Errorf("the subnets were not given back: %v", got)
	}
}

func TestCascadeDeletesEverythingOfAProject(t *testing.T) {
	w := newRealm(t)
	before := w.count()
	w.full()
	w.must("b2b", "CreateProject", "", `{"name":"b2b","teams":[],"regions":["$eu"]}`)
	w.must("theirs", "CreateProjectZoneKompute", "projectId=b2b zoneId=eu-a", machine("theirs"))
	w.calls = nil
	w.must("", "DeleteProject", "projectId=shop cascade=true", "")
	after := w.count()
	for kind, n := range map[model.Kind]int{model.KindNFS: 1, model.KindVNet: 1, model.KindSubnet: 1,
		model.KindKompute: 1, model.KindInstance: 1, model.KindVolume: 1, model.KindAdapter: 1, model.KindProject: 0} {
		before[kind] += n // what b2b has, and what was declared for everybody
	}
	for kind, n := range after {
		if n != before[kind] {
			t.Errorf("%d objects of kind %s are left, want %d", n, kind, before[kind])
		}
	}
	count := map[string]int{}
	machines := 0
	for i, c := range w.calls {
		count[c.Method]++
		if c.Method == agentproto.MethodMachineDelete {
			machines = i
		}
		if c.Method == agentproto.MethodVolumeDelete && i < machines {
			t.Error("a disk is deleted before the machine that has it open")
		}
	}
	for method, n := range map[string]int{agentproto.MethodMachineDelete: 2, agentproto.MethodSeedDelete: 2, agentproto.MethodVolumeDelete: 4, agentproto.MethodShareDelete: 1} {
		if count[method] != n {
			t.Errorf("%s was asked %d times, want %d", method, count[method], n)
		}
	}
	if len(w.calls) != 9 {
		t.Errorf("%d calls: %v", len(w.calls), count)
	}
	if s := get[*model.Subnet](w, "lan-1"); s.Project != "" {
		t.Error("its subnet was not given back")
	}
	w.must("", "DeleteKompute", "komputeId=theirs", "")
	w.must("", "DeleteProject", "projectId=b2b cascade=true", "") // of an empty one as well
}

// count is how many objects of each kind there are.
func (w *realm) count() map[model.Kind]int {
	out := map[model.Kind]int{}
	for _, k := range kinds() {
		out[k] = w.view.Len(k)
	}
	return out
}

// While its contents are deleted nothing new begins in a project, and its neighbours lose the legs of
// their gateways on its subnets.
func TestAProjectThatGoesTakesNothingIn(t *testing.T) {
	w := newRealm(t)
	w.full()
	w.must("b2b", "CreateProject", "", `{"name":"b2b","teams":[],"regions":["$eu"]}`)
	w.must("peer", "CreateProjectRegionKawaii", "projectId=b2b regionId=eu", `{"vpc_peerings":[{"subnet":"$lan-1"}]}`)
	w.must("", "UpdateKawaii", "kawaiiId=gw", `{"vpc_peerings":[{"subnet":"$lan-2"}]}`)
	if legs := get[*model.Kawaii](w, "peer").Peerings[0].Legs; len(legs) != 1 {
		t.Fatalf("the peering has %v", legs)
	}
	w.hold = true
	w.must("", "DeleteProject", "projectId=shop cascade=true", "")
	if legs := get[*model.Kawaii](w, "peer").Peerings[0].Legs; len(legs) != 0 {
		t.Errorf("the peer still has %v", legs)
	}
	w.must("", "CreateZone", "regionId=eu", `{"name":"eu-b"}`) // for which it gets nothing any more
	for _, c := range []struct{ op, params, body string }{
		{"CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("late")},
		{"CreateProjectRegionVolume", "projectId=shop regionId=eu", `{"name":"late","type":"raw","size":1}`},
		{"CreateProjectRegionKylo", "projectId=shop regionId=eu", `{"name":"late"}`},
		{"CreateProjectDnsRecord", "projectId=shop", `{"name":"late"` + one},
		{"CreateProjectRegionKonvey", "projectId=shop regionId=eu", `{"name":"late","endpoints":[{"name":"http","port":80,"protocol":"tcp","backends":{"hosts":["10.1.0.9"],"port":80}}]}`},
		{"CreateAdapter", "subnetId=lan-1", `{"name":"late"}`},
		{"UpdateProject", "projectId=shop", `{"name":"late","teams":[],"regions":["$eu"]}`},
		{"DeleteKompute", "komputeId=db", ""}, {"DeleteDnsRecord", "recordId=www", ""}, {"DeleteKawaii", "kawaiiId=gw", ""}, {"StartInstance", "instanceId=vm", ""},
	} {
		if out, err := w.try(c.op, c.params, c.body); !fault.Is(err, fault.Conflict) && out.Join == "" {
			t.Errorf("%s while the project goes: %v", c.op, err)
		}
	}
	// To ask again is to wait for the same; a deletion that failed is taken up anew, with or without the word.
	out, err := w.try("DeleteProject", "projectId=shop cascade=true", "")
	if err != nil || out.Join == "" {
		t.Fatalf("%+v %v", out, err)
	}
	w.edit(func(d model.Draft) error {
		op, _ := model.Find[*operation.Operation](d, out.Join)
		op = model.Edit(op)
		op.State = operation.Failed
		return d.Put(op)
	})
	w.hold = false
	w.must("", "DeleteProject", "projectId=shop", "")
	if _, ok := model.Find[*model.Project](w.view, w.id("shop")); ok || len(w.subnets("shop")) != 0 {
		t.Error("the project is still there")
	}
	for a := range model.By[*model.Adapter](w.view, "subnet", w.id("lan-1")) {
		t.Errorf("its subnet still has adapter %s", a.Name)
	}
}

// What somebody else's operation works on is not taken from under it.
func TestCascadeWaitsForRunningOperations(t *testing.T) {
	w := newRealm(t)
	w.hold = true
	w.must("db", "CreateProjectZoneKompute", "projectId=shop zoneId=eu-a", machine("db"))
	w.refused(fault.Conflict, "", "is creating (operation", "DeleteProject", "projectId=shop cascade=true", "")
}
