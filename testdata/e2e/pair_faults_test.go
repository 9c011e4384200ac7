//go:build lab

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kowabunga/roles/kahuna"
)

// trusting is a client that trusts a CA alone and does not wait for long.
func trusting(pem string) (*http.Client, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("no certificate yet")
	}
	return &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}, nil
}

// crash kills the process; the way back starts it again.
func (n *node) crash() (undo func()) {
	n.proc.kill()
	return func() { n.start() }
}

// handOver has the other one act, by the command that a person gives.
func (n *node) handOver() (done kahuna.HandedOver) {
	n.p.t.Helper()
	if err := json.Unmarshal([]byte(must(n.p.t, "kahuna", "handoff", "--dir", n.dir, "-o", "json")), &done); err != nil {
		n.p.t.Fatal(err)
	}
	return done
}

// pause stops the process where it stands, resume lets it go on.
func (n *node) pause()  { _ = n.proc.cmd.Process.Signal(syscall.SIGSTOP) }
func (n *node) resume() { _ = n.proc.cmd.Process.Signal(syscall.SIGCONT) }

// late has what the node sends to agents be under way, for as long as it takes another one to act, and then
// arrive, while the node itself stands still. It goes on afterwards.
func (n *node) late() (undo func()) {
	p, t := n.p, n.p.t
	t.Helper()
	p.deafen("g", n.address)
	onTheWay := func() (bytes int) {
		for line := range strings.Lines(p.do(append(in(p.inside(n.name)), "ss", "-Htn", "state", "established", "dst", network+"20")...)) {
			var got, sent int
			if _, err := fmt.Sscan(line, &got, &sent); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			bytes += sent
		}
		return bytes
	}
	before := onTheWay() // that may have arrived, without the answer to it
	// The other node makes up for the agents, so that this one acts on.
	eventually(t, "orders are on their way to agents", func() error {
		st, err := n.status()
		if err != nil {
			return err
		}
		if run, bytes := st.Operations["running"], onTheWay(); run == 0 || bytes <= before {
			return fmt.Errorf("%d operations run, %d bytes are on their way, %d at first", run, bytes, before)
		}
		return nil
	})
	n.pause()
	sent := onTheWay()
	return func() {
		p.hear("g")
		eventually(t, "orders arrive", func() error {
			if left := onTheWay(); left > 0 {
				return fmt.Errorf("%d of %d bytes are on their way", left, sent)
			}
			return nil
		})
		t.Logf("%d bytes arrived late", sent)
		n.resume()
	}
}

// unplug takes the node's only cable, plug puts it back.
func (n *node) unplug() { n.p.do("ip", "link", "set", n.p.cable(n.name), "down") }
func (n *node) plug()   { n.p.do("ip", "link", "set", n.p.cable(n.name), "up") }

// deafen loses whatever comes from some addresses on its way into a namespace; hear undoes that.
func (p *pair) deafen(ns string, from ...string) {
	p.t.Helper()
	rules := "add table ip cut\nadd chain ip cut input { type filter hook input priority 0; }\n"
	for _, address := range from {
		rules += "add rule ip cut input ip saddr " + address + " drop\n"
	}
	p.do(append(in(p.inside(ns)), "nft", rules)...)
}

func (p *pair) hear(ns string) {
	p.t.Helper()
	p.do(append(in(p.inside(ns)), "nft", "delete table ip cut")...)
}

// deafTo loses whatever comes from some addresses, hears ends that.
func (n *node) deafTo(from ...string) { n.p.t.Helper(); n.p.deafen(n.name, from...) }
func (n *node) hears()                { n.p.t.Helper(); n.p.hear(n.name) }

// freeze makes whatever writes to the node's disk wait until thaw.
func (n *node) freeze() {
	n.p.t.Helper()
	n.p.t.Cleanup(n.thaw) // before any process is waited for: one that writes there cannot be killed
	n.frozen = true
	n.p.do("fsfreeze", "-f", n.disk)
}

func (n *node) thaw() {
	if n.frozen {
		_ = exec.Command("fsfreeze", "-u", n.disk).Run()
		n.frozen = false
	}
}

// fill leaves no room on the node's disk.
func (n *node) fill() {
	n.p.t.Helper()
	f, err := os.OpenFile(filepath.Join(n.disk, "ballast"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		n.p.t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for step := int64(64 << 20); step >= 4096; {
		if err := unix.Fallocate(int(f.Fd()), 0, size, step); err != nil {
			step /= 2
			continue
		}
		size += step
	}
}

// cleared makes room, and starts the node again if it ended for want of that, as a service manager does.
func (n *node) cleared() {
	n.p.t.Helper()
	if err := os.Remove(filepath.Join(n.disk, "ballast")); err != nil {
		n.p.t.Fatal(err)
	}
	if !n.proc.alive() {
		n.p.t.Logf("%s had ended", n.name)
		n.start()
	}
}
