package bridge

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

func TestImpossibleBridgesAreRefused(t *testing.T) {
	for field, want := range map[string]agentproto.Bridge{
		"name":   {Name: "a/../b"},
		"uplink": {Name: "kb0", Uplink: "eth0; reboot"},
		"vlan":   {Name: "kb0", Uplink: "eth0", VLAN: 4095},
		"mtu":    {Name: "kb0", MTU: 100},
	} {
		if f := fault.From(check(want)); f == nil || f.Code != fault.Invalid || f.Field != field {
			t.Errorf("%s: got %v", field, f)
		}
	}
	for _, good := range []agentproto.Bridge{{Name: "br0"}, {Name: "kb-1.2_3"}, {Name: "kb0", Uplink: "enp1s0f0np0", VLAN: 4094, MTU: 65535}} {
		if err := check(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestNamesOfVLANsFit(t *testing.T) {
	for uplink, want := range map[string]string{"eth0": "eth0.4094", "a-long-name": "vl7.4094"} {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: uplink, Index: 7}}
		if got := vlanName(link, 4094); got != want || len(got) > maxName {
			t.Errorf("%s: %s", uplink, got)
		}
	}
}

func TestSeveralFaultsAreOneSentence(t *testing.T) {
	err := errors.Join(fault.New(fault.NotFound, "its uplink is gone"), fault.Bad("mtu", "is odd"))
	if got := describe(err); got != "its uplink is gone; mtu: is odd" {
		t.Errorf("%q", got)
	}
}
