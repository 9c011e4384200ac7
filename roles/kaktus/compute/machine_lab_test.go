//go:build lab

package compute

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/cloudinit"
	"kowabunga/core/fault"
	"kowabunga/roles/sandbox/hypervisor"
	"kowabunga/testdata/lab"
)

// A machine's whole life with a real guest: it gets its name and address from the configuration disk,
// shuts down when asked (W-KAK-15), takes a new definition at its next start, sees its disk grow, and
// leaves nothing when deleted.
func TestMachineLife(t *testing.T) {
	b := newBench(t)
	image := agentproto.ImageRef{Pool: b.pool, Image: newID()}
	got, err := b.store.ImportImage(t.Context(), agentproto.ImageImport{ImageRef: image, Source: "file://" + lab.GuestImage(t).Path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, disk := newID(), agentproto.VolumeRef{Pool: b.pool, Volume: newID()}
	if _, err := b.store.Create(t.Context(), agentproto.VolumeCreate{VolumeRef: disk, Size: got.Size, Image: image.Image}); err != nil {
		t.Fatal(err)
	}
	const mac = "da:1e:70:00:00:2a"
	docs, err := cloudinit.Render(cloudinit.Machine{
		InstanceID: id, Hostname: "life-1", NICs: []cloudinit.NIC{{MAC: mac, Addresses: []netip.Prefix{netip.MustParsePrefix("10.99.0.5/24")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	seed := agentproto.VolumeRef{Pool: b.pool, Volume: id}
	if _, err := b.store.WriteSeed(t.Context(), agentproto.Seed{VolumeRef: seed, UserData: docs.UserData, MetaData: docs.MetaData, NetworkConfig: docs.NetworkConfig}); err != nil {
		t.Fatal(err)
	}
	m := agentproto.Machine{
		MachineRef: agentproto.MachineRef{Machine: id}, Name: "Life & <co>", Project: newID(), OS: "linux", VCPUs: 1, Memory: 160 << 20,
		Disks: []agentproto.Disk{{VolumeRef: disk}}, Seed: &seed, NICs: []agentproto.NIC{{Adapter: newID(), MAC: mac, Bridge: b.bridge}}, Run: true,
	}
	for range 2 {
		if st, err := b.host.Define(t.Context(), m); err != nil || st.State != agentproto.StateShutoff || !st.Run {
			t.Fatalf("%+v, %v", st, err)
		}
	}
	for range 2 { // the second is already done
		if st := b.power(id, agentproto.PowerStart, 0); st.State != agentproto.StateRunning || !st.Run {
			t.Fatalf("%+v", st)
		}
	}
	b.hear(id, agentproto.StateRunning, "booted")
	text, end := b.console(id, "kowabunga-guest: ready", 0)
	for _, want := range []string{"kowabunga-guest: host life-1", "kowabunga-guest: address 10.99.0.5/24", mac, "kowabunga-guest: cpus 1 "} {
		if !strings.Contains(text, want) {
			t.Errorf("the guest did not say %q:\n%s", want, text)
		}
	}

	// Its disk is in use: it can neither be deleted nor grown behind its back, but through it.
	if err := b.store.Delete(t.Context(), disk); !fault.Is(err, fault.Conflict) {
		t.Errorf("deleting the disk of a running machine: %v", err)
	}
	grown := got.Size + 64<<20
	if v, err := b.store.Resize(t.Context(), agentproto.VolumeResize{VolumeRef: disk, Size: grown, Machine: id}); err != nil || v.Size != grown {
		t.Errorf("growing it under the guest: %+v, %v", v, err)
	}

	for range 2 {
		if st := b.power(id, agentproto.PowerSuspend, 0); st.State != agentproto.StatePaused || !st.Run {
			t.Fatalf("%+v", st)
		}
	}
	b.hear(id, agentproto.StatePaused, "by request")
	if st := b.power(id, agentproto.PowerResume, 0); st.State != agentproto.StateRunning {
		t.Fatalf("%+v", st)
	}

	// A new definition of a running machine counts from its next start; a reboot is one.
	m.VCPUs = 2
	if st, err := b.host.Define(t.Context(), m); err != nil || st.State != agentproto.StateRunning {
		t.Fatalf("%+v, %v", st, err)
	}
	began := time.Now()
	if st := b.power(id, agentproto.PowerReboot, time.Minute); st.State != agentproto.StateRunning || !st.Run {
		t.Fatalf("%+v", st)
	}
	t.Logf("rebooted in %v", time.Since(began))
	b.hear(id, agentproto.StateShutoff, "shut down") // it was not forced
	text, _ = b.console(id, "kowabunga-guest: ready", end)
	if !strings.Contains(text, "kowabunga-guest: cpus 2 ") || !strings.Contains(text, fmt.Sprintf("disk-bytes %d boots 2", grown)) {
		t.Errorf("the new definition is not there:\n%s", text)
	}

	b.forget()
	for range 2 {
		if st := b.power(id, agentproto.PowerShutdown, time.Minute); st.State != agentproto.StateShutoff || st.Reason != "shut down" || st.Run {
			t.Fatalf("%+v", st)
		}
	}
	b.hear(id, agentproto.StateShutoff, "shut down")
	for range 2 {
		if err := b.host.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := b.host.State(t.Context(), id); err != nil || st.Known {
		t.Errorf("%+v, %v", st, err)
	}
	for _, dir := range []string{"console", "state/machines"} {
		if entries, err := os.ReadDir(filepath.Join(b.dir, dir)); err != nil || len(entries) != 0 {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
	}
	if _, err := b.store.Stat(disk); err != nil {
		t.Errorf("the disk went with the machine: %v", err)
	}
}

// A guest that does not hear is forced after its grace, not before.
func TestWKAK15GraceThenForce(t *testing.T) {
	b := newBench(t)
	m := b.blank()
	b.power(m.Machine, agentproto.PowerStart, 0)
	began := time.Now()
	st := b.power(m.Machine, agentproto.PowerShutdown, 2*time.Second)
	if took := time.Since(began); st.Reason != "forced off" || took < 2*time.Second {
		t.Errorf("%+v after %v", st, took)
	}
	// What makes no sense is said.
	for _, action := range []agentproto.Power{agentproto.PowerSuspend, agentproto.PowerResume} {
		if _, err := b.host.Power(t.Context(), agentproto.MachinePower{MachineRef: m.MachineRef, Action: action}); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s of a machine that is off: %v", action, err)
		}
	}
	if _, err := b.host.Power(t.Context(), agentproto.MachinePower{MachineRef: m.MachineRef, Action: "explode"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	if _, err := b.host.Power(t.Context(), agentproto.MachinePower{MachineRef: agentproto.MachineRef{Machine: newID()}, Action: agentproto.PowerStart}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	if st := b.power(m.Machine, agentproto.PowerReset, 0); st.State != agentproto.StateRunning {
		t.Errorf("reset of a machine that is off: %+v", st)
	}
	if st := b.power(m.Machine, agentproto.PowerReset, 0); st.State != agentproto.StateRunning {
		t.Errorf("reset: %+v", st)
	}
	// Deleting a running machine takes its power first.
	if err := b.host.Delete(t.Context(), m.Machine); err != nil {
		t.Error(err)
	}
	if err := b.store.Delete(t.Context(), m.Disks[0].VolumeRef); err != nil {
		t.Errorf("its disk is still in use: %v", err)
	}
}

// libvirt's daemon is restarted under the agent: calls wait for it, the machine runs on, and events
// come again.
func TestLibvirtRestart(t *testing.T) {
	b := newBench(t)
	m := b.blank()
	b.power(m.Machine, agentproto.PowerStart, 0)
	b.hear(m.Machine, agentproto.StateRunning, "")
	d := hypervisor.Daemon{Dir: lab.Dir("v")}
	pid := d.Status().PID
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		for unix.Kill(pid, 0) == nil {
			time.Sleep(time.Millisecond) // until its socket is certainly dead
		}
		var st agentproto.MachineStatus
		var err error
		for range 100 { // the call in which the loss is noticed may fail, none may hang
			if st, err = b.host.State(context.Background(), m.Machine); err == nil {
				break
			}
		}
		if err == nil && st.State != agentproto.StateRunning {
			err = fmt.Errorf("%+v", st)
		}
		asked <- err
	}()
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Errorf("asked while libvirt was away: %v", err)
	}
	// Working on the machine waits until libvirt has found its QEMU again.
	b.power(m.Machine, agentproto.PowerSuspend, 0)
	b.hear(m.Machine, agentproto.StatePaused, "by request")
	b.power(m.Machine, agentproto.PowerResume, 0)
	b.forget()
	if err := direct(t).DomainDestroy(b.domain(m.Machine)); err != nil {
		t.Fatal(err)
	}
	if st := b.hear(m.Machine, agentproto.StateShutoff, "forced off"); st.Run {
		t.Errorf("an operator forced it off, and it should run: %+v", st)
	}
}

// W-KAK-5: libvirt starts nothing by itself. The agent starts what should run when the host comes up
// again, and only that.
func TestWKAK5OnlyTheAgentStartsMachines(t *testing.T) {
	b := newBench(t)
	runs, stopped, never := b.blank(), b.blank(), b.blank()
	byOperator, signaled := b.blank(), b.blank()
	lv := direct(t)
	if err := lv.DomainSetAutostart(b.domain(runs.Machine), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := b.host.Define(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	if auto, err := lv.DomainGetAutostart(b.domain(runs.Machine)); err != nil || auto != 0 {
		t.Errorf("autostart is %d, %v", auto, err)
	}
	for _, m := range []agentproto.Machine{runs, stopped, byOperator, signaled} {
		b.power(m.Machine, agentproto.PowerStart, 0)
	}
	b.power(stopped.Machine, agentproto.PowerStop, 0)
	// A host that goes down ends its guests; that is nobody's decision about them.
	if err := unix.Kill(b.qemu(signaled.Machine), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st := b.hear(signaled.Machine, agentproto.StateShutoff, "shut down"); !st.Run {
		t.Errorf("the host ended it, and it should not run: %+v", st)
	}
	// The agent is away while an operator turns one off: that is a decision too.
	b.down()
	if err := lv.DomainDestroy(b.domain(byOperator.Machine)); err != nil {
		t.Fatal(err)
	}
	b.up(lab.Libvirt(t))
	b.hear(byOperator.Machine, agentproto.StateShutoff, "forced off")
	b.down()

	// The host boots: all guests are gone, libvirt knows no reason.
	d := hypervisor.Daemon{Dir: lab.Dir("v")}
	if err := d.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.forget()
	b.up(lab.Libvirt(t))
	b.hear(runs.Machine, agentproto.StateRunning, "booted")
	b.hear(signaled.Machine, agentproto.StateRunning, "booted")
	for name, m := range map[string]agentproto.Machine{"a stopped one": stopped, "one never started": never, "one an operator turned off": byOperator} {
		if st, err := b.host.State(t.Context(), m.Machine); err != nil || st.State != agentproto.StateShutoff {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
}

func TestForeignDomainsAreOnlyCounted(t *testing.T) {
	b := newBench(t)
	lv := direct(t)
	m := b.blank()
	define := func(name, uuid string) libvirt.Domain {
		t.Helper()
		d, err := lv.DomainDefineXML("<domain type='qemu'><name>" + name + "</name><uuid>" + uuid + "</uuid><memory unit='MiB'>32</memory><os><type>hvm</type></os></domain>")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lv.DomainUndefineFlags(d, 0) })
		return d
	}
	define("web-1", "f47ac10b-58cc-4372-a567-0e02b2c3d479")
	taken := newID()
	uuid, err := agentproto.MachineUUID(taken)
	if err != nil {
		t.Fatal(err)
	}
	define("somebody", uuid)
	machines, foreign, err := b.host.Inventory(t.Context())
	if err != nil || foreign != 2 || len(machines) != 1 || machines[0].Machine != m.Machine {
		t.Errorf("%d foreign, machines %+v, %v", foreign, machines, err)
	}
	// Not even a domain with the UUID of a machine is taken for it.
	m.Machine = taken
	if _, err := b.host.Define(t.Context(), m); !fault.Is(err, fault.Conflict) {
		t.Errorf("defining: %v", err)
	}
	if err := b.host.Delete(t.Context(), taken); !fault.Is(err, fault.Conflict) {
		t.Errorf("deleting: %v", err)
	}
	if _, err := lv.DomainLookupByName("somebody"); err != nil {
		t.Errorf("the foreign domain is gone: %v", err)
	}
}

func TestDefinitionsNeedTheirDisks(t *testing.T) {
	b := newBench(t)
	m := b.blank()
	other := m
	other.Machine = newID()
	other.Disks = []agentproto.Disk{{VolumeRef: agentproto.VolumeRef{Pool: b.pool, Volume: newID()}}}
	if _, err := b.host.Define(t.Context(), other); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, ok := b.host.book.get(other.Machine); ok {
		t.Error("a machine that was refused is on record")
	}
	// libvirt takes what cannot start; starting says so and leaves it off.
	m.NICs = []agentproto.NIC{{Adapter: newID(), MAC: "da:1e:70:00:00:01", Bridge: "kb-absent"}}
	if _, err := b.host.Define(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := b.host.Power(t.Context(), agentproto.MachinePower{MachineRef: m.MachineRef, Action: agentproto.PowerStart}); err == nil {
		t.Error("it started without its bridge")
	}
	if st, err := b.host.State(t.Context(), m.Machine); err != nil || st.State != agentproto.StateShutoff {
		t.Errorf("%+v, %v", st, err)
	}
}

// Two machines are worked on at once; one's grace holds up nobody else.
func TestMachinesSideBySide(t *testing.T) {
	b := newBench(t)
	slow, quick := b.blank(), b.blank()
	b.power(slow.Machine, agentproto.PowerStart, 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := b.host.Power(ctx, agentproto.MachinePower{MachineRef: slow.MachineRef, Action: agentproto.PowerShutdown, Grace: time.Hour.Milliseconds()})
		ended <- err
	}()
	b.power(quick.Machine, agentproto.PowerStart, 0)
	b.power(quick.Machine, agentproto.PowerStop, 0)
	select {
	case err := <-ended:
		t.Errorf("the other ended early: %v", err)
	default:
	}
	cancel()
	if err := <-ended; !fault.Is(err, fault.Cancelled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestProbeEnds(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	got, err := Probe(t.Context(), AccelAuto, dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil || got.Kind != AccelKVM && got.Reason == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	t.Logf("%+v after %v", got, time.Since(began))
	if again, err := Probe(t.Context(), AccelAuto, dir, slog.New(slog.DiscardHandler)); err != nil || again != got {
		t.Errorf("again: %+v, %v", again, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}
