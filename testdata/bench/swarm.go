package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

const swarmAgents = 2000

// swarm measures a Kahuna with many connected agents over TLS: its memory, how long they take to come
// back after it was killed, and how it answers meanwhile.
func swarm(ctx context.Context, program string) ([]figure, error) {
	b, api, err := initialised(ctx, program)
	if err != nil {
		return nil, err
	}
	defer b.end()
	w, err := fill(ctx, b.kahuna(), swarmAgents, 0, 0)
	if err != nil {
		return nil, err
	}
	server, err := b.start("kahuna", "serve", "--dir", b.kahuna())
	if err != nil {
		return nil, err
	}
	if err := b.background(append([]string{"sim", "agents", "--url", api.url, "--ca", filepath.Join(b.kahuna(), "tls", "ca.pem")}, w.agents...)...); err != nil {
		return nil, err
	}
	first, err := api.await(swarmAgents, 2*time.Minute)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(idleFor):
	}
	anonymous, pss, err := memory(server.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	about := fmt.Sprintf("%d agents over TLS: ", swarmAgents)
	figures := []figure{{name: about + "all connected after", value: first.Seconds(), unit: "s"},
		{name: "anonymous memory of Kahuna", value: anonymous, unit: "MB", bound: 150},
		{name: "its proportional set size (PSS)", value: pss, unit: "MB"}}

	server.kill()
	if server, err = b.start("kahuna", "serve", "--dir", b.kahuna()); err != nil {
		return nil, err
	}
	attacked := meanwhile(func() (float64, error) { return attack(ctx, 100, 10*time.Second, api.key, api.url+"/api/v1/region") })
	back, err := api.await(swarmAgents, 2*time.Minute)
	if err != nil {
		return nil, err
	}
	p99, err := attacked()
	if err != nil {
		return nil, err
	}
	return append(figures, figure{name: "killed and started again, all back after", value: (server.ready + back).Seconds(), unit: "s", bound: 15},
		figure{name: "GET at 100 requests/s meanwhile, p99", value: p99, unit: "ms", bound: 250}), nil
}
