//go:build lab

package kaktus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"kowabunga/core/agentproto"
	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/testdata/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

func newID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Everything a Kompute needs, through the real protocol, libvirt, QEMU and bridge: the guest answers
// at the address it was given, events come as things happen, and nothing is left in the end.
func TestMachineThroughTheProtocol(t *testing.T) {
	k := newKahuna(t)
	cfg := k.settings(t)
	cfg.Socket = lab.Libvirt(t)
	image := lab.GuestImage(t)
	cfg.Import.Dirs = []string{filepath.Dir(image.Path)}
	end := run(t, cfg)

	bridge := fmt.Sprintf("kbk%d", os.Getpid())
	t.Cleanup(func() {
		if link, err := netlink.LinkByName(bridge); err == nil {
			netlink.LinkDel(link)
		}
	})
	status := k.push(1, agentproto.KaktusState{Pools: []agentproto.Pool{local}, Bridges: []agentproto.Bridge{{Name: bridge, MTU: 1400}}})
	if !status.Applied || len(status.Problems) != 0 {
		t.Fatalf("%+v", status)
	}
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 98, 0, 1), Mask: net.CIDRMask(24, 32)}}); err != nil {
		t.Fatal(err)
	}

	template := agentproto.ImageRef{Pool: poolID, Image: newID()}
	got := must[agentproto.Image](k, agentproto.MethodImageImport, agentproto.ImageImport{ImageRef: template, Source: "file://" + image.Path, SHA256: image.SHA256})
	disk := agentproto.VolumeRef{Pool: poolID, Volume: newID()}
	must[agentproto.Volume](k, agentproto.MethodVolumeCreate, agentproto.VolumeCreate{VolumeRef: disk, Size: got.Size + 1<<20, Image: template.Image})
	id, mac := newID(), "da:1e:70:00:00:62"
	docs, err := cloudinit.Render(cloudinit.Machine{
		InstanceID: id, Hostname: "protocol", Domain: "lab.example", User: "ops", Keys: []string{"ssh-ed25519 AAAA ops"},
		RootHash: cloudinit.HashPassword("secret", "abcdefgh"),
		NICs:     []cloudinit.NIC{{MAC: mac, Addresses: []netip.Prefix{netip.MustParsePrefix("10.98.0.5/24")}, Gateway: netip.MustParseAddr("10.98.0.1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	seed := agentproto.VolumeRef{Pool: poolID, Volume: id}
	must[agentproto.Volume](k, agentproto.MethodSeedWrite, agentproto.Seed{VolumeRef: seed, UserData: docs.UserData, MetaData: docs.MetaData, NetworkConfig: docs.NetworkConfig})
	machine := agentproto.MachineRef{Machine: id}
	definition := agentproto.Machine{
		MachineRef: machine, Name: "protocol", OS: "linux", VCPUs: 1, Memory: 160 << 20, Run: true,
		Disks: []agentproto.Disk{{VolumeRef: disk}}, Seed: &seed, NICs: []agentproto.NIC{{Adapter: newID(), MAC: mac, Bridge: bridge, Addresses: []string{"10.98.0.5"}}},
	}
	must[agentproto.MachineStatus](k, agentproto.MethodMachineDefine, definition)
	defer func() {
		if t.Failed() {
			out, err := ask[agentproto.MachineOutput](k, agentproto.MethodMachineConsole, agentproto.MachineConsole{MachineRef: machine, Offset: -8192})
			t.Logf("console, %v:\n%s", err, out.Data)
		}
		ask[agentproto.Empty](k, agentproto.MethodMachineDelete, machine)
	}()
	st := must[agentproto.MachineStatus](k, agentproto.MethodMachinePower, agentproto.MachinePower{MachineRef: machine, Action: agentproto.PowerStart})
	if st.State != agentproto.StateRunning || st.Accel != "tcg" || !st.Run {
		t.Errorf("%+v", st)
	}
	k.hear("the machine runs", stateIs(id, agentproto.StateRunning))

	page := reach(t, "http://10.98.0.5/status")
	if !strings.Contains(page, "protocol") || !strings.Contains(page, "10.98.0.5") {
		t.Errorf("the guest says of itself:\n%s", page)
	}

	t.Run("A21", func(t *testing.T) { ownAddressAlone(t, k, cfg.ID, link, definition) })

	inv := must[agentproto.Inventory](k, agentproto.MethodInventory, agentproto.Empty{})
	if len(inv.Machines) != 1 || inv.Machines[0].Machine != id || len(inv.Images) != 1 || len(inv.Volumes) != 1 || len(inv.Seeds) != 1 ||
		!strings.Contains(fmt.Sprint(inv.Bridges), bridge) || inv.Caps.Cores < 1 || inv.Caps.Memory < 1<<28 || inv.Caps.Accel != "tcg" {
		t.Errorf("%+v", inv)
	}
	// What is in use is not deleted, whatever the order Kahuna asks in (W-KAK-6).
	for method, args := range map[string]any{agentproto.MethodVolumeDelete: disk, agentproto.MethodSeedDelete: seed, agentproto.MethodImageDelete: template} {
		if _, err := ask[agentproto.Empty](k, method, args); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s while the machine runs: %v", method, err)
		}
	}

	// The agent goes and comes; the machine does not notice.
	end()
	k.mu.Lock()
	k.conn, k.events = nil, nil
	k.mu.Unlock()
	run(t, cfg)
	if st := must[agentproto.MachineStatus](k, agentproto.MethodMachineState, machine); st.State != agentproto.StateRunning {
		t.Errorf("after the agent's restart: %+v", st)
	}
	reach(t, "http://10.98.0.5/status")
	if st := must[agentproto.MachineStatus](k, agentproto.MethodMachinePower, agentproto.MachinePower{MachineRef: machine, Action: agentproto.PowerShutdown, Grace: 60_000}); st.State != agentproto.StateShutoff || st.Reason != "shut down" {
		t.Errorf("%+v", st)
	}
	k.hear("the machine is off", stateIs(id, agentproto.StateShutoff))

	for _, step := range []struct {
		method string
		args   any
	}{
		{agentproto.MethodMachineDelete, machine}, {agentproto.MethodSeedDelete, seed}, {agentproto.MethodVolumeDelete, disk}, {agentproto.MethodImageDelete, template},
	} {
		for range 2 { // and each once more
			must[agentproto.Empty](k, step.method, step.args)
		}
	}
	inv = must[agentproto.Inventory](k, agentproto.MethodInventory, agentproto.Empty{})
	if len(inv.Machines)+len(inv.Images)+len(inv.Volumes)+len(inv.Seeds) != 0 {
		t.Errorf("left: %+v", inv)
	}
	for _, dir := range []string{"images", "volumes", "seeds", "tmp"} {
		if entries, err := os.ReadDir(filepath.Join(cfg.Pools["local"], dir)); err != nil || len(entries) != 0 {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
	}
}

func stateIs(id, state string) func(agentproto.Event) bool {
	return func(e agentproto.Event) bool {
		var st agentproto.MachineStatus
		return e.Type == agentproto.EventMachine && e.Subject == id && json.Unmarshal(e.Body, &st) == nil && st.State == state
	}
}

// reach asks a guest until it answers.
func reach(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			text, failed := io.ReadAll(resp.Body)
			resp.Body.Close()
			if failed == nil && resp.StatusCode == http.StatusOK {
				return string(text)
			}
			err = errors.Join(failed, errors.New(resp.Status))
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the guest does not answer at %s: %v", url, last)
		}
	}
}
