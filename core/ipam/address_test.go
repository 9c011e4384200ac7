package ipam_test

import (
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

func TestCheckAddresses(t *testing.T) {
	v := world(t)
	s := tenant(subnetID, "10.1.0.0/24", "10.1.0.1")
	s.Project = id(40)
	s.Reserved = []model.IPRange{{First: "10.1.0.100", Last: "10.1.0.109"}}
	s.GwPool = []model.IPRange{{First: "10.1.0.250", Last: "10.1.0.254"}}
	put(t, v, &model.Project{Meta: meta(40, "shop"), Gateways: []model.Gateway{{Zone: id(zoneA), Address: "10.1.0.200"}}}, s,
		tenant(31, "10.2.0.0/24", "10.2.0.1"), card(50, "10.1.0.7", "10.1.0.105"))
	for _, fine := range [][]string{nil, {"10.1.0.2"}, {"10.1.0.9", "10.1.0.8"}} {
		if err := ipam.CheckAddresses(v, s, id(51), fine); err != nil {
			t.Errorf("%v was refused: %v", fine, err)
		}
	}
	// Its own addresses stay fine, also where a range was reserved around them since.
	if err := ipam.CheckAddresses(v, s, id(50), []string{"10.1.0.105", "10.1.0.7", "10.1.0.8"}); err != nil {
		t.Errorf("an adapter's own addresses: %v", err)
	}
	for _, c := range []struct {
		addresses   []string
		code        fault.Code
		field, says string
	}{
		{[]string{"10.1.0.2", "ten"}, fault.Invalid, "addresses[1]", "no IPv4 address"},
		{[]string{"::1"}, fault.Invalid, "addresses[0]", "IPv6"},
		{[]string{"10.2.0.2"}, fault.Invalid, "addresses[0]", "outside 10.1.0.0/24"},
		{[]string{"10.1.0.0"}, fault.Invalid, "addresses[0]", "network address"},
		{[]string{"10.1.0.255"}, fault.Invalid, "addresses[0]", "broadcast address"},
		{[]string{"10.1.0.1"}, fault.Invalid, "addresses[0]", "the gateway"},
		{[]string{"10.1.0.105"}, fault.Invalid, "addresses[0]", "reserved range"},
		{[]string{"10.1.0.250"}, fault.Invalid, "addresses[0]", "gateway pool"},
		{[]string{"10.1.0.8", "10.1.0.8"}, fault.Invalid, "addresses[1]", "already addresses[0]"},
		{[]string{"10.1.0.7"}, fault.Conflict, "addresses[0]", "\"card50\""},
		{[]string{"10.1.0.200"}, fault.Conflict, "addresses[0]", "gateway of a zone"},
	} {
		refused(t, ipam.CheckAddresses(v, s, id(51), c.addresses), c.code, c.field, c.says)
	}
}

func TestDrawnMACsAreUnique(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		v := world(t)
		put(t, v, tenant(subnetID, "10.1.0.0/24", "10.1.0.1"))
		held := map[string]bool{}
		for n := range rapid.IntRange(2, 20).Draw(t, "adapters") {
			// The same seed again and again draws the same addresses, the worst chance there is.
			mac, err := ipam.MAC(v, model.NewDraw([32]byte{7}, time.Unix(0, 0)))
			if err != nil {
				t.Fatalf("draw: %v", err)
			}
			if held[mac] || mac[:9] != "da:1e:70:" {
				t.Fatalf("drew %s, held are %v", mac, held)
			}
			held[mac] = true
			a := card(100 + n)
			a.MAC, a.Reserved = mac, rapid.Bool().Draw(t, "reserved")
			put(t, v, a)
			if err := ipam.CheckMAC(v, a); err != nil {
				t.Fatalf("its own address: %v", err)
			}
			second := card(99)
			second.MAC = mac
			if err := ipam.CheckMAC(v, second); a.Reserved == fault.Is(err, fault.Conflict) {
				t.Fatalf("a second adapter with %s: %v", mac, err)
			}
			second.Reserved = true
			if err := ipam.CheckMAC(v, second); err != nil {
				t.Fatalf("a sharing adapter: %v", err)
			}
		}
	})
}

func TestCheckMAC(t *testing.T) {
	v := world(t)
	for mac, says := range map[string]string{
		"":                  "no MAC address",
		"da:1e:70:00:00":    "no MAC address",
		"da:1e:70:00:00:0g": "no MAC address",
		"DA:1E:70:00:00:01": "da:1e:70:00:00:01",
		"da-1e-70-00-00-01": "da:1e:70:00:00:01",
		"01:00:5e:00:00:01": "group address",
		"ff:ff:ff:ff:ff:ff": "group address",
		"00:00:00:00:00:00": "no card",
	} {
		a := card(50)
		a.MAC, a.Reserved = mac, true
		refused(t, ipam.CheckMAC(v, a), fault.Invalid, "mac", says)
	}
	for _, mac := range []string{"da:1e:70:00:00:01", "00:00:5e:00:01:01", "52:54:00:ab:cd:ef"} {
		a := card(50)
		a.MAC = mac
		if err := ipam.CheckMAC(v, a); err != nil {
			t.Errorf("%s was refused: %v", mac, err)
		}
	}
}

// FuzzCanonicalMAC holds that the reader agrees with net.ParseMAC on 48-bit addresses and refuses all else.
func FuzzCanonicalMAC(f *testing.F) {
	for _, seed := range []string{"da:1e:70:00:00:01", "DA-1E-70-00-00-01", "da1e.7000.0001", "da:1e:70:00:00:01:02:03", "da:1e-70:00:00:01", "", "::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ipam.CanonicalMAC(text)
		want, netErr := net.ParseMAC(text)
		if fine := netErr == nil && len(want) == 6; fine != (err == nil) {
			t.Fatalf("%q: %v, net says %v %v", text, err, want, netErr)
		} else if fine && got != want.String() {
			t.Fatalf("%q read as %s, net says %s", text, got, want)
		}
	})
}
