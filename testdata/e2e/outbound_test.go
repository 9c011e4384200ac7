//go:build lab

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
)

// The two sides of the firewall, addresses for documentation (RFC 5737).
const (
	outside = "192.0.2.1" // Kahuna
	inside  = "192.0.2.2" // the agent
)

// onlyOutbound443 lets out what goes to Kahuna's port 443 and in what answers it, and counts the rest.
const onlyOutbound443 = `
table ip wall {
	chain input {
		type filter hook input priority 0; policy drop;
		iif lo accept
		ct state established tcp sport 443 accept
		counter drop
	}
	chain output {
		type filter hook output priority 0; policy drop;
		oif lo accept
		ip daddr ` + outside + ` tcp dport 443 accept
		counter drop
	}
}
`

// namespaces are two network namespaces joined by a cable.
type namespaces struct {
	t             testing.TB
	kahuna, agent string
}

func newNamespaces(t testing.TB) *namespaces {
	t.Helper()
	for _, tool := range []string{"ip", "nft", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v\n(everything this needs: apt-get install --no-install-recommends iproute2 nftables procps)", err)
		}
	}
	n := &namespaces{t: t, kahuna: fmt.Sprintf("kbk%d", os.Getpid()), agent: fmt.Sprintf("kba%d", os.Getpid())}
	t.Cleanup(func() {
		for _, ns := range []string{n.agent, n.kahuna} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	n.do("", "ip", "netns", "add", n.kahuna)
	n.do("", "ip", "netns", "add", n.agent)
	n.do("", "ip", "-n", n.kahuna, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", n.agent)
	for ns, address := range map[string]string{n.kahuna: outside, n.agent: inside} {
		n.do(ns, "sysctl", "-q", "net.ipv6.conf.all.disable_ipv6=1") // its own chatter is nobody's here
		n.do("", "ip", "-n", ns, "addr", "add", address+"/24", "dev", "cable")
		n.do("", "ip", "-n", ns, "link", "set", "lo", "up")
		n.do("", "ip", "-n", ns, "link", "set", "cable", "up")
	}
	n.do(n.agent, "nft", onlyOutbound443)
	return n
}

// in is how to run a command in a namespace.
func in(ns string) []string { return []string{"ip", "netns", "exec", ns} }

func (n *namespaces) do(ns string, args ...string) string {
	n.t.Helper()
	if ns != "" {
		args = append(in(ns), args...)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// stopped is how many packets the firewall of the agent kept from passing.
func (n *namespaces) stopped() (packets int) {
	n.t.Helper()
	var rules struct {
		NFTables []struct {
			Rule struct {
				Expr []struct {
					Counter struct {
						Packets int `json:"packets"`
					} `json:"counter"`
				} `json:"expr"`
			} `json:"rule"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(n.do(n.agent, "nft", "-j", "list", "ruleset")), &rules); err != nil {
		n.t.Fatal(err)
	}
	for _, o := range rules.NFTables {
		for _, e := range o.Rule.Expr {
			packets += e.Counter.Packets
		}
	}
	return packets
}

// An agent whose firewall lets nothing in, and out nothing but port 443 of Kahuna, joins, gets its desired
// states, is commanded and comes back after Kahuna was away; and it never tries anything else.
func TestAgentBehindOutbound443(t *testing.T) {
	n := newNamespaces(t)
	dir := t.TempDir()
	s := &server{t: t, dir: filepath.Join(dir, "kahuna"), url: "https://" + outside}
	must(t, "kahuna", "init", "--dir", s.dir, "--listen", outside+":443", "--url", s.url, "--mail", "file:"+filepath.Join(dir, "mail"))
	serve := func() *process {
		t.Helper()
		p := launchIn(t, in(n.kahuna), "kahuna", s.dir+".log", nil, "kahuna", "serve", "--dir", s.dir)
		eventually(t, "kahuna answers", func() error {
			_, err := run(t, "region", "list", "--dir", s.dir)
			return err
		})
		return p
	}
	kahuna := serve()
	make := func(args ...string) string { t.Helper(); return must(t, append(args, "--dir", s.dir)...) }
	make("region", "create", "eu", "--domain", "eu.test")
	make("zone", "create", "eu-a", "--region", "eu")
	make("agent", "create", "host", "--type", "Kaktus")
	make("kaktus", "create", "host", "--zone", "eu-a", "--agents", "host")
	make("vnet", "create", "lan", "--region", "eu", "--interface", "br201", "--vlan", "201")
	make("subnet", "create", "lan", "--vnet", "lan", "--cidr", "10.9.0.0/24", "--gateway", "10.9.0.1", "--gw-pool", "10.9.0.2-10.9.0.5")
	make("pool", "create", "disks", "--region", "eu", "--pool", "dir:disks", "--agents", "host")
	make("project", "create", "shop", "--regions", "eu", "--teams", "")
	key := filepath.Join(dir, "host.key")
	make("agent", "token", "host", "--key-file", key)
	var agent struct{ ID string }
	if err := json.Unmarshal([]byte(make("agent", "get", "host", "-o", "json")), &agent); err != nil {
		t.Fatal(err)
	}

	// It joins: the handshake of a real Kaktus, both sides proved.
	n.do(n.agent, program(t), "kaktus", "join", "--url", s.url, "--id", agent.ID, "--key-file", key, "--ca-file", s.ca(), "--dry-run")

	// It gets its states.
	log := filepath.Join(dir, "agent.log")
	host := launchIn(t, in(n.agent), "agent", log, nil, "sim", "agents", "--url", s.url, "--ca", s.ca(), "--keep", filepath.Join(dir, "host"),
		"Kaktus:"+agent.ID+":"+key)
	runs := func() error {
		var st agentproto.Standing
		if err := json.Unmarshal([]byte(make("agent", "status", "host", "-o", "json")), &st); err != nil {
			return err
		}
		for _, held := range st.States {
			if !held.Online || !held.Applied {
				return fmt.Errorf("it stands %+v", held)
			}
		}
		if len(st.States) != 2 {
			return errors.New("nothing is wanted of it")
		}
		return nil
	}
	eventually(t, "the agent runs what is wanted", runs)

	// It is commanded.
	eventually(t, "the template is imported", func() error {
		_, err := run(t, "template", "create", "tiny", "--pool", "disks", "--source", "file:///images/tiny.img", "--dir", s.dir)
		return err
	})
	eventually(t, "a machine is made", func() error {
		_, err := run(t, "kompute", "create", "web-1", "--project", "shop", "--zone", "eu-a", "--vcpus", "1", "--memory", "1GiB", "--disk", "1GiB", "--dir", s.dir)
		return err
	})

	// Kahuna goes without a word and comes back.
	kahuna.kill()
	kahuna = serve()
	eventually(t, "the agent is back", runs)
	make("kompute", "create", "web-2", "--project", "shop", "--zone", "eu-a", "--vcpus", "1", "--memory", "1GiB", "--disk", "1GiB")
	make("kompute", "stop", "web-1")
	if !host.alive() {
		t.Error("the agent ended")
	}
	if packets := n.stopped(); packets > 0 {
		t.Errorf("the firewall kept %d packets from passing: the agent needs more than it may", packets)
	}

	// The firewall is one: what it should stop, it stops.
	if out, err := exec.Command("ip", append(in(n.agent)[1:], "timeout", "2", program(t), "kaktus", "join", "--url", s.url+":8443", "--id", agent.ID, "--key-file", key, "--ca-file", s.ca(), "--dry-run")...).CombinedOutput(); err == nil {
		t.Errorf("port 8443 was reached:\n%s", out)
	}
	if n.stopped() == 0 {
		t.Error("the firewall stops nothing, so that this test says nothing")
	}
	host.stop(t)
	kahuna.stop(t)
}
