package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The clients of a pair, and the objects that they write again and again.
const (
	pairWriters = 16
	pairTeams   = 200
)

// writes measures synchronous writes of the pair beside those of a single Kahuna with the same settings, in turns.
func (c *couple) writes() ([]figure, error) {
	if err := needs("wrk", "wrk"); err != nil {
		return nil, err
	}
	lone, api, err := initialised(c.ctx, c.program)
	if err != nil {
		return nil, err
	}
	defer lone.end()
	single, err := lone.start("kahuna", "serve", "--dir", lone.kahuna())
	if err != nil {
		return nil, err
	}
	acts, other, _, err := c.acting()
	if err != nil {
		return nil, err
	}
	var ours, theirs writing
	if ours, err = c.writing(acts.api(), acts.proc, other.proc); err != nil {
		return nil, err
	}
	if theirs, err = c.writing(api, single); err != nil {
		return nil, err
	}
	moved, err := acts.moved("messages", "")
	if err != nil {
		return nil, err
	}
	_, _, before, err := c.acting()
	if err != nil {
		return nil, err
	}
	say("%d writers in turns at the pair and at a single Kahuna, %d times %s each", pairWriters, rounds, roundFor)
	all, err := turns(ours.run, theirs.run)
	if err != nil {
		return nil, err
	}
	still, _, after, err := c.acting()
	if err != nil {
		return nil, err
	}
	if still != acts || !together(after.Pair) {
		return nil, errors.New("the pair did not stay together under load, so that its rate says nothing")
	}
	now, err := acts.moved("messages", "")
	if err != nil {
		return nil, err
	}
	changes := float64(after.Store.Index - before.Store.Index)
	rate, p99, cpu := ratio(all, rateOf), ratio(all, p99Of), ratio(all, cpuOf)
	rate.name, rate.least = "the pair beside it", 0.8
	p99.name = "p99 of a write of the pair beside its"
	cpu.name = "processor time of a write, of both of the pair beside its"
	return []figure{
		medianOf(all, oursOf, rateOf, fmt.Sprintf("durable PUT over TLS, %d connections, median of %d runs: a pair in sync", pairWriters, rounds), "/s"),
		medianOf(all, otherOf, rateOf, "a single Kahuna", "/s"),
		rate, p99,
		medianOf(all, oursOf, cpuOf, "processor time of a write, both of the pair", "us"),
		medianOf(all, otherOf, cpuOf, "of a single Kahuna", "us"),
		cpu,
		{name: "bytes between the two for an acknowledged change, both ways", value: (now - moved) / changes, unit: "octets"},
		{name: "bytes of the journal for a change", value: float64(after.Store.JournalBytes-before.Store.JournalBytes) / changes, unit: "octets"},
	}, nil
}

// writing is how wrk changes the teams of a server.
type writing struct {
	ctx       context.Context
	script    string
	url, key  string
	processes []*process
}

// writing makes the teams that are changed and the script that does.
func (c *couple) writing(api client, processes ...*process) (writing, error) {
	for i := range pairTeams {
		var made struct{ ID string }
		if err := api.do("POST", "/api/v2/teams", fmt.Sprintf(`{"name":"team-%d","description":"new","users":[]}`, i), &made); err != nil {
			return writing{}, err
		}
	}
	path := filepath.Join(c.dir, "put.lua")
	return writing{c.ctx, path, api.url, api.key, processes}, os.WriteFile(path, []byte(fmt.Sprintf("local teams = %d\n", pairTeams)+putScript), 0o600)
}

// putScript makes wrk change one team after the other.
const putScript = countScript + `
function request()
  n = n + 1
  return wrk.format("PUT", "/api/v2/teams/team-" .. (n * 7 + id * 101) % teams, nil, string.format('{"description":"change %d of %d","users":[]}', n, id))
end
function response(status, headers, body) if status ~= 200 then print("status " .. status .. ": " .. body) end end
`

// run lets wrk write for a while. The processor time is that of all processes.
func (w writing) run(d string) (runResult, error) {
	return askedBy(func() (string, error) {
		return wrk(w.ctx, w.key, pairWriters, d, w.url, "-H", "Content-Type: application/json", "-s", w.script)
	}, w.processes...)
}

// moved are the bytes that the node sent to the other one and got from it, of messages or of a snapshot; one way only
// if that is named.
func (n *node) moved(what, way string) (sum float64, err error) {
	labels := []string{fmt.Sprintf("what=%q", what)}
	if way != "" {
		labels = append(labels, fmt.Sprintf("way=%q", way))
	}
	sum, found, err := n.api().metric("kowabunga_pair_bytes_total", labels...)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, errors.New("the figure pair_bytes_total is missing")
	}
	return sum, nil
}
