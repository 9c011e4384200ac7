package ipam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/testdata/chance"
)

// block is a private /bits subnet with room for the gateways of both zones.
func block(n, bits int) *model.Subnet {
	s := tenant(n, fmt.Sprintf("10.%d.0.0/%d", n, bits), fmt.Sprintf("10.%d.0.1", n))
	s.GwPool = []model.IPRange{{First: fmt.Sprintf("10.%d.0.2", n), Last: fmt.Sprintf("10.%d.0.4", n)}}
	return s
}

func TestProjectSubnet(t *testing.T) {
	v := world(t)
	storage := block(100, 26)
	storage.Application = "ceph"
	owned := block(101, 26)
	owned.Project = id(40)
	poor := block(102, 26)
	poor.GwPool = nil
	leaving := block(103, 26)
	leaving.Phase = model.Deleting
	squatted := block(104, 26)
	open := tenant(105, "192.0.2.0/26", "192.0.2.1")
	open.VNet = id(public)
	abroad := block(106, 26)
	abroad.VNet = id(23)
	put(t, v, &model.Project{Meta: meta(40, "shop")}, &model.VNet{Meta: meta(23, "overseas"), Region: id(otherRegion), Private: true},
		storage, owned, poor, leaving, squatted, open, abroad, block(107, 27), block(108, 24), block(109, 24), block(110, 17), block(111, 16))
	nic := card(50)
	nic.Subnet = squatted.ID
	put(t, v, nic, &model.Kaktus{Meta: meta(60, "host"), Zone: id(zoneA)},
		&model.Instance{Meta: meta(61, "stray"), Project: id(40), Zone: id(zoneA), Kaktus: id(60), Adapters: []model.ID{nic.ID}})

	take := func(size int) (string, *trace.Trace) {
		t.Helper()
		tr := &trace.Trace{Detail: true}
		s, err := ipam.ProjectSubnet(v, id(region), size, tr)
		if err != nil {
			t.Fatalf("/%d: %v", size, err)
		}
		mine := model.Edit(s)
		mine.Project = id(40)
		put(t, v, mine)
		return s.Name, tr
	}
	first, tr := take(26)
	if first != "net108" {
		t.Errorf("the next larger range than /26 is net108, got %s", first)
	}
	for n, why := range map[int]string{100: "for application ceph", 101: "owned by another project", 102: "too few free addresses",
		103: "not ready", 104: "has machines or gateways attached", 107: "too small", 111: "larger than any project gets"} {
		facts := tr.About(id(n))
		if len(facts) != 1 || facts[0].Verdict != trace.Refused || !strings.Contains(facts[0].Value, why) {
			t.Errorf("subnet %d: %v, want refused: %s", n, facts, why)
		}
	}
	if facts := tr.About(id(106)); facts != nil {
		t.Errorf("a subnet of another region was considered: %v", facts)
	}
	for _, want := range []string{"net109", "net110"} {
		if got, _ := take(26); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, _ := take(32); got != "net107" {
		t.Errorf("/32 falls back to the nearest larger, net107, got %s", got)
	}
	_, err := ipam.ProjectSubnet(v, id(region), 26, nil)
	refused(t, err, fault.Invalid, "subnetSize", "5 owned by another project")
	_, err = ipam.ProjectSubnet(v, id(otherRegion), 27, nil)
	if err != nil {
		t.Errorf("the other region has a /26: %v", err)
	}
	for _, size := range []int{0, 16, 33} {
		_, err := ipam.ProjectSubnet(v, id(region), size, nil)
		refused(t, err, fault.Invalid, "subnetSize", "17 to 32")
	}
	_, err = ipam.ProjectSubnet(v, id(999), 26, nil)
	refused(t, err, fault.NotFound, "", "no region")
}

// TestProjectsNeverShareASubnet takes subnets until none is left: all different, all for users, each the
// closest size that was free, and the same in whatever order the subnets were created.
func TestProjectsNeverShareASubnet(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		var subnets []*model.Subnet
		for n := range rapid.IntRange(1, 12).Draw(t, "subnets") {
			s := block(100+n, rapid.IntRange(22, 28).Draw(t, "bits"))
			s.Application = rapid.SampledFrom([]string{"user", "user", "ceph"}).Draw(t, "application")
			subnets = append(subnets, s)
		}
		build := func(order []*model.Subnet) model.Draft {
			v := world(t)
			put(t, v, &model.Project{Meta: meta(40, "shop")})
			for _, s := range order {
				put(t, v, s)
			}
			return v
		}
		one, other := build(subnets), build(rapid.Permutation(subnets).Draw(t, "order"))
		bits := func(s *model.Subnet) int { return int(s.CIDR[len(s.CIDR)-2]-'0')*10 + int(s.CIDR[len(s.CIDR)-1]-'0') }
		free := slices.DeleteFunc(slices.Clone(subnets), func(s *model.Subnet) bool { return s.Application != "user" })
		for {
			size := rapid.IntRange(22, 28).Draw(t, "size")
			best := 0
			for _, s := range free {
				if b := bits(s); b <= size {
					best = max(best, b)
				}
			}
			got, err := ipam.ProjectSubnet(one, id(region), size, nil)
			same, _ := ipam.ProjectSubnet(other, id(region), size, nil)
			if best == 0 {
				if !fault.Is(err, fault.Invalid) {
					t.Fatalf("nothing fits /%d, got %v, %v", size, got, err)
				}
				break
			}
			i := slices.IndexFunc(free, func(s *model.Subnet) bool { return err == nil && s.ID == got.ID })
			if err != nil || i < 0 || bits(got) != best {
				t.Fatalf("/%d: got %v, %v; a free /%d exists", size, got, err, best)
			}
			if same == nil || same.ID != got.ID {
				t.Fatalf("/%d: %v or %v, by order of creation", size, got, same)
			}
			free = slices.Delete(free, i, i+1)
			for _, v := range []model.Draft{one, other} {
				mine := model.Edit(got)
				mine.Project = id(40)
				put(t, v, mine)
			}
		}
	})
}

func gateways(t *testing.T, v model.View, s *model.Subnet, existing []model.Gateway, zones ...int) []model.Gateway {
	t.Helper()
	var ids []model.ID
	for _, z := range zones {
		ids = append(ids, id(z))
	}
	out, err := ipam.Gateways(v, s, ids, existing)
	if err != nil {
		t.Fatalf("gateways: %v", err)
	}
	return out
}

func TestGatewaysStayWhenZonesCome(t *testing.T) {
	v := world(t)
	s := block(subnetID, 24)
	s.GwPool = []model.IPRange{{First: "10.30.0.250", Last: "10.30.0.251"}, {First: "10.30.0.1", Last: "10.30.0.3"}}
	put(t, v, s)
	first := gateways(t, v, s, nil, zoneB, zoneA, zoneA)
	want := []model.Gateway{{Zone: id(zoneA), Address: "10.30.0.250"}, {Zone: id(zoneB), Address: "10.30.0.251"}}
	if !slices.Equal(first, want) {
		t.Fatalf("first: %v, want %v by name of zone", first, want)
	}
	// "eu-0" sorts before the others, which must stay where they are. The subnet's own gateway, .1, and
	// an address a machine holds are passed over.
	nic := card(50, "10.30.0.2")
	put(t, v, &model.Zone{Meta: meta(12, "eu-0"), Region: id(region)}, nic)
	second := gateways(t, v, s, first, zoneA, zoneB, 12)
	want = append(want, model.Gateway{Zone: id(12), Address: "10.30.0.3"})
	if !slices.Equal(second, want) {
		t.Fatalf("after adding a zone: %v, want %v", second, want)
	}
	if again := gateways(t, v, s, second, zoneA, zoneB, 12); !slices.Equal(again, want) {
		t.Errorf("asking again changed %v", again)
	}
	put(t, v, &model.Zone{Meta: meta(13, "eu-c"), Region: id(region)})
	_, err := ipam.Gateways(v, s, []model.ID{id(zoneA), id(zoneB), id(12), id(13)}, second)
	refused(t, err, fault.Invalid, "gw_pool", "zone \"eu-c\"")

	// A zone that is gone gives its address back.
	if err := v.Delete(model.KindZone, id(zoneA)); err != nil {
		t.Fatal(err)
	}
	third := gateways(t, v, s, second, zoneB, 12, 13)
	want = append(want[1:], model.Gateway{Zone: id(13), Address: "10.30.0.250"})
	if !slices.Equal(third, want) {
		t.Errorf("after removing a zone: %v, want %v", third, want)
	}
}

func TestGatewaysOfOtherRegionsAreKept(t *testing.T) {
	v := world(t)
	s := block(subnetID, 24)
	put(t, v, s, &model.Zone{Meta: meta(14, "us-a"), Region: id(otherRegion)})
	existing := []model.Gateway{{Zone: id(14), Address: "10.77.0.2"}, {Zone: id(zoneA), Address: "10.66.0.9"}}
	got := gateways(t, v, s, existing, zoneA, zoneB)
	want := []model.Gateway{{Zone: id(14), Address: "10.77.0.2"}, {Zone: id(zoneA), Address: "10.30.0.2"}, {Zone: id(zoneB), Address: "10.30.0.3"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: kept abroad, renumbered where the subnet was replaced", got, want)
	}
	_, err := ipam.Gateways(v, s, []model.ID{id(999)}, nil)
	refused(t, err, fault.NotFound, "", "no zone")
}
