package ipam_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/testdata/chance"
)

// routers puts a gateway on both segments and a load balancer on the private one.
func routers(t fatal, d model.Draft, gateway, balancer []int64) {
	t.Helper()
	put(t, d, &model.Project{Meta: meta(40, "shop"), Regions: []model.ID{id(region)}},
		tenant(subnetID, "10.1.0.0/24", "10.1.0.1"), &model.Subnet{Meta: meta(31, "internet"), VNet: id(public), CIDR: "203.0.113.0/24", Gateway: "203.0.113.1"})
	k := &model.Kawaii{Meta: meta(41, "gateway"), Project: id(40), Region: id(region), PublicSubnet: id(31), PrivateSubnet: id(subnetID)}
	for _, vrid := range gateway {
		k.VIPs = append(k.VIPs, model.GatewayVIP{VRID: vrid})
	}
	put(t, d, k)
	for i, vrid := range balancer {
		put(t, d, &model.Konvey{Meta: meta(50+i, "balancer"+string(rune('a'+i))), Project: id(40), Region: id(region), Subnet: id(subnetID), VRID: vrid})
	}
}

func TestVRIDsAreTheLowestFreeOnEverySegment(t *testing.T) {
	d := world(t)
	routers(t, d, []int64{1, 4}, []int64{2})
	for _, x := range []struct {
		segments []model.ID
		want     []int64
	}{{[]model.ID{id(public)}, []int64{2, 3}}, {[]model.ID{id(private)}, []int64{3, 5}}, {[]model.ID{id(public), id(private)}, []int64{3, 5}}} {
		got, err := ipam.VRIDs(d, x.segments, 2, &trace.Trace{})
		if err != nil || !slices.Equal(got, x.want) {
			t.Errorf("on %v: %v %v, want %v", x.segments, got, err, x.want)
		}
	}
	if _, err := ipam.VRIDs(d, []model.ID{id(99)}, 1, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown segment: %v", err)
	}
	_, err := ipam.VRIDs(d, []model.ID{id(public), id(private)}, ipam.LastVRID, nil)
	refused(t, err, fault.Exhausted, "", `vnet "tenants" has too few free VRRP ids: 239 are needed and 3 of 239 are in use`)
}

// Whatever is in use: what is given is free on the segments, and as low as it can be.
func TestVRIDsNeverMeet(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 30), 0, 20, rapid.ID)
		gateway, balancer := ids.Draw(t, "gateway"), ids.Draw(t, "balancer")
		d := world(t)
		routers(t, d, gateway, balancer)
		n := rapid.IntRange(1, 5).Draw(t, "wanted")
		got, err := ipam.VRIDs(d, []model.ID{id(public), id(private)}, n, nil)
		if err != nil || len(got) != n {
			t.Fatalf("%v %v", got, err)
		}
		for vrid := int64(1); vrid <= got[n-1]; vrid++ {
			if taken := slices.Contains(gateway, vrid) || slices.Contains(balancer, vrid); taken == slices.Contains(got, vrid) {
				t.Fatalf("gateway %v, balancers %v: given %v", gateway, balancer, got)
			}
		}
	})
}
