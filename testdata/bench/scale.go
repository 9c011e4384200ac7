package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// The size at which Kahuna is measured.
const (
	scaleHosts    = 500
	scaleProjects = 200
	scaleMachines = 10_000
)

// scale measures a Kahuna that knows many things: how long it takes to start, to answer and to accept.
func scale(ctx context.Context, program string) ([]figure, error) {
	b, api, err := initialised(ctx, program, "--plain-http")
	if err != nil {
		return nil, err
	}
	defer b.end()
	w, err := fill(ctx, b.kahuna(), scaleHosts, scaleProjects, scaleMachines)
	if err != nil {
		return nil, err
	}
	server, err := b.start("kahuna", "serve", "--dir", b.kahuna())
	if err != nil {
		return nil, err
	}
	about := fmt.Sprintf("%d machines, %d hosts, %d projects: ", scaleMachines, scaleHosts, scaleProjects)
	figures := []figure{{name: about + "cold start until ready", value: float64(server.ready.Microseconds()) / 1000, unit: "ms", bound: 2000}}

	url := api.url
	var ones []string
	for i := range 500 {
		ones = append(ones, url+"/api/v1/instance/"+string(w.instances[i*len(w.instances)/500]))
	}
	p99, err := attack(ctx, 500, 10*time.Second, api.key, ones...)
	if err != nil {
		return nil, err
	}
	figures = append(figures, figure{name: "GET one at 500 requests/s, p99", value: p99, unit: "ms", bound: 5})

	// Lists of 1,000 whole objects while the 500 requests/s go on.
	attacked := meanwhile(func() (float64, error) { return attack(ctx, 490, 10*time.Second, api.key, ones...) })
	p99, err = attack(ctx, 10, 9*time.Second, api.key, url+"/api/v2/instances?limit=1000")
	if err != nil {
		return nil, err
	}
	if _, err := attacked(); err != nil {
		return nil, err
	}
	figures = append(figures, figure{name: "list of 1,000 objects, 10 of 500 requests/s, p99", value: p99, unit: "ms", bound: 60})

	var serial atomic.Int64
	p99, rate, err := writers(16, 10*time.Second, func(writer, _ int) error {
		n := serial.Add(1)
		var made struct{ ID string }
		return api.do("POST", "/api/v1/subnet/"+string(w.subnets[int(n)%len(w.subnets)])+"/adapter?assignIP=true", fmt.Sprintf(`{"name":"bench-%d"}`, n), &made)
	})
	if err != nil {
		return nil, err
	}
	figures = append(figures, figure{name: "adapter created with an address, 16 writers, p99", value: p99, unit: "ms", bound: 50},
		figure{name: "the same, rate", value: rate, unit: "/s"})
	resident, err := held(server.cmd.Process.Pid, "VmRSS")
	if err != nil {
		return nil, err
	}
	return append(figures, figure{name: "resident memory after all that", value: resident, unit: "MB", bound: 200}), nil
}

func masterKey(dir string) (string, error) {
	key, err := os.ReadFile(filepath.Join(dir, "secrets", "master-key"))
	return strings.TrimSpace(string(key)), err
}
