//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"kowabunga/roles/cli/client"
)

// host is a machine with simulated agents.
type host struct {
	p    *pair
	name string
	args []string // KIND:ID:KEYFILE of each agent
	runs *build   // its program
	proc *process
}

// agents declares so many agents in three zones and connects them: one each on so many hosts, the rest
// together on one more.
func (p *pair) agents(hosts, together int) {
	t := p.t
	t.Helper()
	c := p.client()
	defer c.Close()
	p.region = declared(t, c, "regions", nil, `{"name":"lab","domain":"lab.internal"}`)
	var zones []string
	for i := range 3 {
		zones = append(zones, declared(t, c, "zones", url.Values{"region": {p.region}}, fmt.Sprintf(`{"name":"lab-%d"}`, i)))
	}
	var agents []string
	for i := range hosts + together {
		name := fmt.Sprintf("host-%d", i)
		agent := declared(t, c, "agents", nil, fmt.Sprintf(`{"name":%q,"type":"Kaktus"}`, name))
		agents = append(agents, agent)
		declared(t, c, "kaktuses", url.Values{"zone": {zones[i%3]}}, fmt.Sprintf(`{"name":%q,"agents":[%q]}`, name, agent))
		answer, err := c.Do(context.Background(), client.Request{Op: "draw a key", Method: "PATCH", Path: "/agent/" + agent + "/token"})
		if err != nil {
			t.Fatal(err)
		}
		var drawn struct{ Key string }
		if err := answer.Decode("draw a key", &drawn); err != nil {
			t.Fatal(err)
		}
		if i <= hosts {
			p.hosts = append(p.hosts, &host{p: p, name: name, runs: present})
		}
		h := p.hosts[len(p.hosts)-1]
		key := filepath.Join(p.dir, name+".key")
		if err := os.WriteFile(key, []byte(drawn.Key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.args = append(h.args, "Kaktus:"+agent+":"+key)
	}
	for _, h := range p.hosts {
		h.start()
	}
	if len(p.hosts) >= safe+pools {
		p.prepare(c, zones[(safe+pools-1)%3], agents)
	}
}

// declared creates an object through the command line's client and returns its id.
func declared(t testing.TB, c *client.Client, kind string, parent url.Values, body string) string {
	t.Helper()
	answer, err := c.Do(context.Background(), client.Request{Op: "create " + kind, Method: "POST", Path: "/" + kind, Query: parent, Body: []byte(body), Once: true})
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ ID string }
	if err := json.Unmarshal(answer.Body, &o); err != nil || o.ID == "" {
		t.Fatalf("create %s: %s %v", kind, answer.Body, err)
	}
	return o.ID
}

func (h *host) start() {
	h.p.t.Helper()
	url := h.p.nodes[0].url + "," + h.p.nodes[1].url
	args := append([]string{"sim", "agents", "--url", url, "--ca", filepath.Join(h.p.dir, "ca.pem"), "--keep", h.state(), "--obeyed", h.p.orders}, h.args...)
	if err := os.MkdirAll(h.state(), 0o700); err != nil {
		h.p.t.Fatal(err)
	}
	h.proc = launchBuild(h.p.t, h.runs, h.p.boot("g", h.name), h.name, filepath.Join(h.p.dir, h.name+".log"), nil, args...)
}

func (h *host) state() string { return filepath.Join(h.p.dir, "state-"+h.name) }

func (h *host) kill() {
	if h.proc != nil {
		h.proc.kill()
	}
}

// reimage makes the host a new one with the same agents.
func (h *host) reimage() {
	h.p.t.Helper()
	h.kill()
	if err := os.RemoveAll(h.state()); err != nil {
		h.p.t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(h.p.dir, "boot-"+h.name))
	h.start()
}
