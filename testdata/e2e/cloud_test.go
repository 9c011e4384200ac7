//go:build lab

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	sdk "github.com/kowabunga-cloud/kowabunga-go"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"kowabunga/roles/sandbox/guest"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// One machine's life, by the official SDK: it boots with the address Kahuna gave it, is reached over
// the bridge, goes off and on, grows, and goes without a trace.
func TestCloud(t *testing.T) {
	begin := time.Now()
	lap := func(what string) {
		t.Helper()
		t.Logf("%6.1f s  %s", time.Since(begin).Seconds(), what)
	}
	c := newCloud(t)
	ctx := context.Background()
	lap("topology made, template imported")

	want := sdk.NewKompute("web-1", 256*mib, 1, gib)
	k := made[sdk.Kompute](t, "kompute")(c.api.ProjectAPI.CreateProjectZoneKompute(ctx, c.project, c.zone).Kompute(*want).Execute())
	lap("kompute created with " + k.GetIp())
	if got := c.state(k.GetId()); got != "Running" {
		t.Fatalf("a created kompute is %s, want Running", got)
	}
	if adapters, _, err := c.api.AdapterAPI.ListAdapters(ctx).Execute(); err != nil || len(adapters) != 1 {
		t.Fatalf("adapters: %v %v, want the private one", adapters, err)
	}
	c.console(k.Name, "kowabunga-guest: address "+k.GetIp()+"/26")
	c.console(k.Name, "login:")
	lap("the console shows the address and asks for a login")
	if err := ping(k.GetIp()); err != nil {
		t.Errorf("ping %s: %v", k.GetIp(), err)
	}
	first := c.guest(k.GetIp(), 1)
	if first.Hostname != "web-1" || first.CPUs != 1 || first.DiskBytes != gib {
		t.Errorf("the guest reports %+v, want web-1 with 1 processor and a disk of 1 GiB", first)
	}
	lap("reached over the bridge")
	c.screen()
	lap("its screen answers a ticket, once")

	if _, err := c.api.KomputeAPI.ShutdownKompute(ctx, k.GetId()).Execute(); err != nil {
		t.Fatalf("shut down: %v%s", err, reason(err))
	}
	if got := c.state(k.GetId()); got != "Shutoff" {
		t.Fatalf("after the shutdown it is %s, want Shutoff", got)
	}
	if c.domains()[c.domain(k.Name)] {
		t.Fatal("Kahuna says it is off, libvirt says it runs")
	}
	lap("off")
	if _, err := c.api.KomputeAPI.StartKompute(ctx, k.GetId()).Execute(); err != nil {
		t.Fatalf("start: %v%s", err, reason(err))
	}
	c.guest(k.GetIp(), 2)
	lap("on again, same disk")

	larger := sdk.NewKompute("web-1", 384*mib, 2, 2*gib)
	changed, _, err := c.api.KomputeAPI.UpdateKompute(ctx, k.GetId()).Kompute(*larger).Execute()
	if err != nil {
		t.Fatalf("resize: %v%s", err, reason(err))
	}
	if changed.Memory != 384*mib || changed.Vcpus != 2 || changed.Disk != 2*gib || changed.GetIp() != k.GetIp() {
		t.Fatalf("the resized kompute is %+v", changed)
	}
	grown := c.guest(k.GetIp(), 3)
	if grown.CPUs != 2 || grown.DiskBytes != 2*gib || grown.MemoryKB < 300<<10 || grown.MemoryKB <= first.MemoryKB {
		t.Errorf("the guest reports %+v, want 2 processors, 384 MiB and a disk of 2 GiB", grown)
	}
	lap("resized: processors, memory, disk")

	if _, err := c.api.KomputeAPI.DeleteKompute(ctx, k.GetId()).Execute(); err != nil {
		t.Fatalf("delete: %v%s", err, reason(err))
	}
	c.clean(c.template)
	if ping(k.GetIp()) == nil {
		t.Error("the deleted machine still answers")
	}
	// The address is free again: the next machine gets it, and a failure leaves as little.
	again := made[sdk.Kompute](t, "kompute")(c.api.ProjectAPI.CreateProjectZoneKompute(ctx, c.project, c.zone).Kompute(*want).Execute())
	if again.GetIp() != k.GetIp() {
		t.Errorf("the next machine has %s, want %s, the lowest free address", again.GetIp(), k.GetIp())
	}
	if _, err := c.api.KomputeAPI.DeleteKompute(ctx, again.GetId()).Execute(); err != nil {
		t.Fatalf("delete: %v%s", err, reason(err))
	}
	c.clean(c.template)
	if _, err := c.api.TemplateAPI.DeleteTemplate(ctx, c.template).Execute(); err != nil {
		t.Fatalf("delete the template: %v%s", err, reason(err))
	}
	c.clean()
	lap("deleted without a trace")
	c.kaktus.stop(t)
	c.proc.stop(t)
}

// state is the kompute's state by the SDK, once its host can be asked: it may be about to reconnect.
func (c *cloud) state(id string) (state string) {
	c.t.Helper()
	eventually(c.t, "the state of the machine can be read", func() error {
		st, _, err := c.api.KomputeAPI.ReadKomputeState(context.Background(), id).Execute()
		if err != nil {
			return fmt.Errorf("%w%s", err, reason(err))
		}
		state = st.GetState()
		return nil
	})
	return state
}

// domain is the libvirt domain of the instance of this name.
func (c *cloud) domain(name string) string {
	c.t.Helper()
	ctx := context.Background()
	ids, _, err := c.api.InstanceAPI.ListInstances(ctx).Execute()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, id := range ids {
		if i, _, err := c.api.InstanceAPI.ReadInstance(ctx, id).Execute(); err == nil && i.Name == name {
			return "kb-" + id
		}
	}
	c.t.Fatalf("there is no instance %q among %v", name, ids)
	return ""
}

// console waits until a machine's serial console said something.
func (c *cloud) console(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, "kaktus", "console", c.domain(name)+".log")
	eventually(c.t, fmt.Sprintf("the console says %q", text), func() error {
		said, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(said, []byte(text)) {
			err = fmt.Errorf("it says %q", said[max(0, len(said)-400):])
		}
		return err
	})
}

// guest waits until the machine at an address has booted that many times, and answers what it reports.
func (c *cloud) guest(address string, boots int) guest.Status {
	c.t.Helper()
	var st guest.Status
	eventually(c.t, fmt.Sprintf("boot %d of the guest at %s", boots, address), func() error {
		if err := get("http://"+address+"/status", &st); err != nil {
			return err
		}
		if st.Boots != boots {
			return fmt.Errorf("it booted %d times", st.Boots)
		}
		return nil
	})
	return st
}

// ping sends echo requests (RFC 792) until one is answered, for five seconds.
func ping(address string) error {
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer conn.Close()
	to := &net.IPAddr{IP: net.ParseIP(address)}
	id := os.Getpid() & 0xffff
	reply := make([]byte, 1500)
	for seq := range 5 {
		request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte("kowabunga")}}).Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(request, to); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		for {
			n, from, err := conn.ReadFrom(reply)
			if err != nil {
				break
			}
			m, err := icmp.ParseMessage(1, reply[:n])
			if err != nil || from.String() != address || m.Type != ipv4.ICMPTypeEchoReply {
				continue
			}
			if echo, ok := m.Body.(*icmp.Echo); ok && echo.ID == id {
				return nil
			}
		}
	}
	return errors.New("no answer")
}

// screen opens the screen of the only machine by a ticket: the host's port speaks the protocol of screens
// (RFC 6143 section 7.1.1) to one client, then it is closed.
func (c *cloud) screen() {
	c.t.Helper()
	instances, _, err := c.api.InstanceAPI.ListInstances(context.Background()).Execute()
	if err != nil || len(instances) != 1 {
		c.t.Fatalf("instances: %v %v", instances, err)
	}
	ticket, _, err := c.api.InstanceAPI.ReadInstanceRemoteConnection(context.Background(), instances[0]).Execute()
	if err != nil {
		c.t.Fatalf("connect: %v%s", err, reason(err))
	}
	u, err := url.Parse(ticket.Url)
	if err != nil || u.Scheme != "vnc" || u.Query().Get("VncPassword") == "" {
		c.t.Fatalf("the ticket is %q (%v)", ticket.Url, err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	hello := make([]byte, 12)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "RFB 003.008\n" {
		c.t.Errorf("the screen says %q (%v)", hello, err)
	}
	if again, err := net.Dial("tcp", u.Host); err == nil {
		again.Close()
		c.t.Error("the port is open to a second client")
	}
}
