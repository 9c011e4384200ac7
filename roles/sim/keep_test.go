package sim

import (
	"os"
	"path/filepath"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// A host that keeps what it holds is the same one after a restart, machines and consoles included.
func TestKeptHostIsTheSameAfterARestart(t *testing.T) {
	dir := t.TempDir()
	open := func() *Kaktus {
		t.Helper()
		k, err := NewKaktus(Config{URL: "https://127.0.0.1:1", ID: host, Key: "k", Keep: dir})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open()
	ref := agentproto.VolumeRef{Pool: pool, Volume: vm}
	k.mu.Lock()
	k.state = agentproto.KaktusState{Bridges: []agentproto.Bridge{{Name: "br0"}}, Pools: []agentproto.Pool{{ID: pool, Driver: "dir", Name: "p"}}}
	k.images[agentproto.ImageRef{Pool: pool, Image: host}] = agentproto.Image{ImageRef: agentproto.ImageRef{Pool: pool, Image: host}, Size: 4096, Format: "raw"}
	k.volumes[ref] = volume{Volume: agentproto.Volume{VolumeRef: ref, Size: 8192}, image: host}
	k.seeds[ref] = agentproto.Seed{VolumeRef: ref, MetaData: "{}"}
	m := &machine{Machine: agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: vm}, Name: "web-1", VCPUs: 1, Memory: 1, Run: true}, state: agentproto.StateRunning, reason: "Booted"}
	m.print("web-1 login: ")
	k.machines[vm] = m
	want := k.machines[vm].status()
	err := k.save()
	k.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}

	again := open()
	inv := again.Inventory()
	if len(inv.Machines) != 1 || inv.Machines[0] != want || len(inv.Images) != 1 || len(inv.Volumes) != 1 || len(inv.Seeds) != 1 || len(inv.Pools) != 1 {
		t.Errorf("after the restart the host holds %+v, want the machine %+v with its disk, seed, image and pool", inv, want)
	}
	if again.volumes[ref].image != host {
		t.Error("the disk is no clone of its image any more")
	}
	if said, err := Consoles(dir); err != nil || string(said["web-1"]) != "web-1 login: " {
		t.Errorf("Consoles = %q, %v", said, err)
	}

	if err := os.WriteFile(filepath.Join(dir, host+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKaktus(Config{URL: "https://127.0.0.1:1", ID: host, Key: "k", Keep: dir}); !fault.Is(err, fault.Internal) {
		t.Errorf("a damaged file = %v, want it named", err)
	}
}
