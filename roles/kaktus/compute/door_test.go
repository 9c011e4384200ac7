package compute

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt.org/go/libvirtxml"
)

// desk is a socket of a screen that answers what it is told.
func desk(t *testing.T) (path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "door") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "vnc.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return path
}

func freeDoors(t *testing.T) *doors {
	t.Helper()
	d := newDoors(Doors{}, slog.New(slog.DiscardHandler))
	t.Cleanup(d.close)
	return d
}

func echoes(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, 5)
	if _, err := io.ReadFull(c, back); err != nil || string(back) != "hello" {
		t.Fatalf("%q, %v", back, err)
	}
}

// closed tells that nobody listens on a port.
func closed(t *testing.T, a net.Addr) {
	t.Helper()
	if c, err := net.Dial("tcp", a.String()); err == nil {
		c.Close()
		t.Error("the port is open")
	}
}

func TestDoorLetsOneThrough(t *testing.T) {
	d := freeDoors(t)
	a, err := d.open("m", desk(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !a.IP.IsLoopback() {
		t.Errorf("it listens on %s", a.IP)
	}
	first, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	echoes(t, first)
	closed(t, a)
	echoes(t, first) // the second try changed nothing for the first
	d.close()
	if _, err := io.ReadAll(first); err != nil {
		t.Logf("the end: %v", err)
	}
	if _, err := d.open("m", "", time.Minute); err == nil {
		t.Error("a door was opened after the end")
	}
}

func TestNewTicketEndsTheOld(t *testing.T) {
	d := freeDoors(t)
	path := desk(t)
	old, err := d.open("m", path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.open("n", path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := d.open("m", path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	closed(t, old)
	for _, a := range []net.Addr{other, fresh} {
		c, err := net.Dial("tcp", a.String())
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c)
		c.Close()
	}
}

func TestTicketEndsByItself(t *testing.T) {
	d := freeDoors(t)
	a, err := d.open("m", desk(t), time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	d.tasks.Wait()
	closed(t, a)
}

func TestNoPortIsFree(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	d := newDoors(Doors{First: port, Last: port}, slog.New(slog.DiscardHandler))
	defer d.close()
	if _, err := d.open("m", "", time.Minute); err == nil || !strings.Contains(err.Error(), "display.ports") {
		t.Errorf("%v", err)
	}
}

// The screen of a domain takes nobody's password before there is a ticket, and never listens on a network.
func TestAdmit(t *testing.T) {
	const live = `<domain type="kvm"><devices><graphics type="vnc" socket="/run/vnc.sock" sharePolicy="ignore"><listen type="socket" socket="/run/vnc.sock"/></graphics></devices></domain>`
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	update, socket, err := admit(live, "secret", until)
	if err != nil || socket != "/run/vnc.sock" {
		t.Fatalf("%q, %v", socket, err)
	}
	var g libvirtxml.DomainGraphic
	if err := g.Unmarshal(update); err != nil || g.VNC == nil || g.VNC.Passwd != "secret" || g.VNC.PasswdValidTo != "2030-01-02T02:04:05" || g.VNC.Connected != "keep" || g.VNC.SharePolicy != "ignore" {
		t.Errorf("%v: %s", err, update)
	}
	for name, text := range map[string]string{
		"no devices": `<domain/>`, "no screen": `<domain><devices/></domain>`,
		"another's": `<domain><devices><graphics type="vnc" port="5900"><listen type="address" address="0.0.0.0"/></graphics><graphics type="spice" port="1"/></devices></domain>`,
	} {
		if update, socket, err := admit(text, "secret", until); update != "" || socket != "" || err != nil {
			t.Errorf("%s: %q %q %v", name, update, socket, err)
		}
	}
	if _, _, err := admit("<domain", "secret", until); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func FuzzAdmit(f *testing.F) {
	f.Add(`<domain><devices><graphics type="vnc"><listen type="socket" socket="/x"/></graphics></devices></domain>`)
	f.Fuzz(func(t *testing.T, text string) {
		update, socket, err := admit(text, "secret", time.Unix(0, 0))
		if (update == "") != (socket == "") || err != nil && update != "" {
			t.Fatalf("%q %q %v", update, socket, err)
		}
	})
}
