//go:build lab

package kaktus

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"kowabunga/core/agentproto"
	"kowabunga/roles/kaktus/compute"
	"kowabunga/roles/kaktus/guard"
)

// ownAddressAlone shows on a guest that runs at 10.98.0.5 that it is heard under the address it was given
// alone: its tap has the name that rules go by, and what it sends is kept back and counted as soon as that
// address is another's, until it moves to its project.
func ownAddressAlone(t *testing.T, k *kahuna, agent string, bridge netlink.Link, m agentproto.Machine) {
	tap, err := netlink.LinkByName(compute.Tap(m.Machine, 0))
	if err != nil || tap.Attrs().MasterIndex != bridge.Attrs().Index {
		t.Fatalf("tap %s: %+v, %v", compute.Tap(m.Machine, 0), tap, err)
	}
	rules, err := guard.New(agent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // runs before the machine goes
		must[agentproto.MachineStatus](k, agentproto.MethodMachineDefine, m)
	})
	dropped := func() uint64 {
		t.Helper()
		n, err := rules.Dropped()
		if err != nil {
			t.Fatal(err)
		}
		return n[guard.Address] + n[guard.ARP] + n[guard.MAC]
	}
	if n := dropped(); n != 0 {
		t.Errorf("%d frames of a guest that does nothing wrong were kept back", n)
	}
	other := m
	other.NICs = slices.Clone(m.NICs)
	other.NICs[0].Addresses = []string{"10.98.0.6"}
	must[agentproto.MachineStatus](k, agentproto.MethodMachineDefine, other)
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(time.Minute); dropped() == 0; {
		if resp, err := client.Get("http://10.98.0.5/status"); err == nil {
			resp.Body.Close()
			t.Fatal("the guest answers under an address that is not its own")
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was kept back")
		}
	}
	// The address becomes one that moves between the project's machines.
	state := agentproto.KaktusState{Pools: []agentproto.Pool{local}, Bridges: []agentproto.Bridge{{Name: bridge.Attrs().Name, MTU: 1400}},
		Cards: []agentproto.Card{{Adapter: m.NICs[0].Adapter, MACs: []string{"00:00:5e:00:01:0a"}, Addresses: []string{"10.98.0.5"}}}}
	if status := k.push(2, state); !status.Applied || len(status.Problems) != 0 {
		t.Fatalf("%+v", status)
	}
	reach(t, "http://10.98.0.5/status")
}
