package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kowabunga/core/nodes"
	cli "kowabunga/roles/cli/client"
	"kowabunga/roles/kahuna"
)

// pairAgents are how many agents can be witnesses: each on a host of its own, in a zone of its own.
const pairAgents = 3

// couple is two Kahunas on this machine that are a pair, over TLS, and agents that know both.
type couple struct {
	*bench
	nodes [2]*node
	world *world
	key   string
}

// node is one of the two.
type node struct {
	c         *couple
	name      string
	dir, url  string
	proc      *process
	standbyOf string // of what has no directory yet: the other one's URL
}

// paired makes two Kahunas and waits until they are a pair that can take over by itself. end removes
// everything. The first one acts.
func paired(ctx context.Context, program string) (*couple, error) {
	b, api, err := initialised(ctx, program)
	if err != nil {
		return nil, err
	}
	c, err := newCouple(b, api)
	if err == nil {
		err = c.marry()
	}
	if err != nil {
		b.end()
		return nil, err
	}
	return c, nil
}

// newCouple is the Kahuna of a bench, which api speaks to, and one that becomes its standby. Neither was started.
func newCouple(b *bench, api client) (*couple, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c := &couple{bench: b, key: api.key}
	c.nodes = [2]*node{{c: c, name: "the first", dir: b.kahuna(), url: api.url}, {c: c, name: "the second", dir: filepath.Join(b.dir, "second"), url: "https://" + address, standbyOf: api.url}}
	return c, nil
}

func (c *couple) marry() (err error) {
	if err := needs("unshare", "util-linux"); err != nil {
		return err
	}
	if c.world, err = fill(c.ctx, c.nodes[0].dir, pairAgents, 0, 0); err != nil {
		return err
	}
	if err := c.nodes[0].start(); err != nil {
		return err
	}
	if err := c.nodes[1].start(); err != nil {
		return err
	}
	for i, agent := range c.world.agents {
		if err := c.agent(i, agent); err != nil {
			return err
		}
	}
	return c.await("a pair with witnesses", time.Minute, func(st *nodes.Status) bool { return together(st) && len(st.TakeOver) == 0 })
}

// agent starts a simulated agent that passes for one on a machine of its own: with the id of another boot. Only
// then can it be a witness.
func (c *couple) agent(i int, agent string) error {
	boot := filepath.Join(c.dir, fmt.Sprintf("boot-%d", i))
	if err := os.WriteFile(boot, fmt.Appendf(nil, "%08x-0000-4000-8000-%012x\n", i, os.Getpid()), 0o644); err != nil {
		return err
	}
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, "sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, boot, c.program,
		"sim", "agents", "--url", c.nodes[0].url+","+c.nodes[1].url, "--ca", filepath.Join(c.nodes[0].dir, "tls", "ca.pem"), "--keep", filepath.Join(c.dir, fmt.Sprintf("agent-%d", i)), agent)
	return c.spawn("unshare", args...)
}

// start starts the node's Kahuna and waits until its server answers, whatever its role.
func (n *node) start(more ...string) (err error) {
	args := append([]string{"kahuna", "serve", "--dir", n.dir}, more...)
	if _, err := os.Stat(n.dir); err != nil {
		args = append(args, "--listen", strings.TrimPrefix(n.url, "https://"), "--url", n.url, "--standby-of", n.standbyOf, "--pair-key-file", filepath.Join(n.c.nodes[0].dir, "secrets", "pair-key"))
	}
	n.proc, err = n.c.bench.start(args...)
	return err
}

func (n *node) api() client { return client{n.c.ctx, n.url, n.c.key} }

// status is what the node says of itself.
func (n *node) status() (st kahuna.Status, err error) {
	out, err := exec.CommandContext(n.c.ctx, n.c.program, "kahuna", "status", "--dir", n.dir, "-o", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &st)
	}
	return st, err
}

// acting is the node that acts, and the other one.
func (c *couple) acting() (acts, other *node, st kahuna.Status, err error) {
	for i, n := range c.nodes {
		if n.proc == nil || n.proc.over() {
			continue
		}
		if st, err = n.status(); err == nil && st.Pair != nil && st.Pair.Role == "primary" && st.Pair.Right {
			return n, c.nodes[1-i], st, nil
		}
	}
	return nil, nil, st, fmt.Errorf("neither of the two acts: %w", err)
}

// await waits until the one that acts says something of the pair.
func (c *couple) await(what string, limit time.Duration, is func(*nodes.Status) bool) error {
	var st kahuna.Status
	var last error
	if err := poll(c.ctx, limit, func() (bool, error) {
		_, _, st, last = c.acting()
		return last == nil && is(st.Pair), nil
	}); err != nil {
		text, _ := json.Marshal(st.Pair)
		return fmt.Errorf("%s: %w (%v): %s", what, err, last, text)
	}
	return nil
}

// together tells whether both have everything.
func together(st *nodes.Status) bool {
	in := 0
	for _, n := range st.Nodes {
		if n.InSync && n.Lag == 0 {
			in++
		}
	}
	return in == 2 && len(st.Pending) == 0
}

// client is one of the command line's, which knows both addresses.
func (c *couple) client() (*cli.Client, error) {
	pem, err := os.ReadFile(filepath.Join(c.nodes[0].dir, "tls", "ca.pem"))
	if err != nil {
		return nil, err
	}
	return cli.New(cli.Credentials{URL: c.nodes[0].url, Nodes: []string{c.nodes[0].url, c.nodes[1].url}, Key: c.key, CA: pem})
}
