package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What wrk is told: how many objects the list has, and how many connections ask at once. So many readers
// keep both cores busy, which wrk has as well: with few, the slowest answers tell of the scheduler.
const (
	wrkRegions    = 100
	readers       = 64
	writersAtOnce = 32
)

// beside measures Kahuna over plain HTTP with wrk beside a bare handler that does nothing but check the
// same key, on the cores that the client has as well.
func beside(ctx context.Context, program string) ([]figure, error) {
	if err := needs("wrk", "wrk"); err != nil {
		return nil, err
	}
	b, api, err := initialised(ctx, program, "--plain-http")
	if err != nil {
		return nil, err
	}
	defer b.end()
	kahuna, err := b.start("kahuna", "serve", "--dir", b.kahuna())
	if err != nil {
		return nil, err
	}
	var region struct{ ID string }
	for i := range wrkRegions {
		if err := api.do("POST", "/api/v1/region", fmt.Sprintf(`{"name":"region-%d","description":"a place","domain":"r%d.bench.test"}`, i, i), &region); err != nil {
			return nil, err
		}
	}
	var body string
	if err := api.do("GET", "/api/v1/region/"+region.ID, "", &body); err != nil {
		return nil, err
	}
	bare, address, err := b.bare(api.key, body)
	if err != nil {
		return nil, err
	}
	post := filepath.Join(b.dir, "post.lua")
	if err := os.WriteFile(post, []byte(postScript), 0o600); err != nil {
		return nil, err
	}
	all, err := turns(func(d string) (runResult, error) {
		return kahuna.wrk(ctx, api.key, readers, d, api.url+"/api/v1/region/"+region.ID)
	}, func(d string) (runResult, error) {
		return bare.wrk(ctx, api.key, readers, d, address)
	})
	if err != nil {
		return nil, err
	}
	list, err := kahuna.wrk(ctx, api.key, readers, "5s", api.url+"/api/v1/region")
	if err != nil {
		return nil, err
	}
	writes, err := kahuna.wrk(ctx, api.key, writersAtOnce, "5s", api.url+"/api/v1/region", "-s", post)
	if err != nil {
		return nil, err
	}
	rate, p99, cpu := ratio(all, rateOf), ratio(all, p99Of), ratio(all, cpuOf)
	rate.name, rate.least = "GET one beside it", 0.75
	p99.name, p99.bound = "GET one, p99 beside its p99", 1.3
	cpu.name = "GET one, processor time beside its"
	return []figure{
		medianOf(all, oursOf, rateOf, fmt.Sprintf("wrk, %d connections, %d regions, median of %d runs: GET one", readers, wrkRegions, rounds), "/s"),
		medianOf(all, otherOf, rateOf, "a bare handler with the same key check", "/s"),
		rate, p99, cpu,
		{name: "GET of the list", value: list.rate, unit: "/s", least: 10_000},
		{name: fmt.Sprintf("durable POST, %d connections", writersAtOnce), value: writes.rate, unit: "/s", least: 5_000},
	}, nil
}

// countScript has each thread of wrk know which it is, and count its requests.
const countScript = `
local n = 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("id", threads)
end
`

// postScript makes wrk create one region after the other.
const postScript = countScript + `
function request()
  n = n + 1
  return wrk.format("POST", nil, nil, string.format('{"name":"w%d-%d","domain":"bench.test"}', id, n))
end
function response(status) if status ~= 201 then print("status " .. status) end end
`

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s+(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99      = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+)(us|ms|s)`)
)

// wrk lets it ask a server for a while over so many connections.
func (p *process) wrk(ctx context.Context, key string, connections int, d, url string, more ...string) (runResult, error) {
	return askedBy(func() (string, error) { return wrk(ctx, key, connections, d, url, more...) }, p)
}

// askedBy is a run of wrk, with the processor time of the processes that answered it.
func askedBy(run func() (string, error), servers ...*process) (r runResult, err error) {
	used := func() (sum float64, err error) {
		for _, p := range servers {
			t, err := onCPU(p.cmd.Process.Pid)
			if err != nil {
				return 0, err
			}
			sum += t
		}
		return sum, nil
	}
	before, err := used()
	if err != nil {
		return r, err
	}
	text, err := run()
	if err != nil {
		return r, err
	}
	after, err := used()
	if err != nil {
		return r, err
	}
	r, requests, err := readWrk(text)
	r.cpu = (after - before) / requests
	return r, err
}

// wrk is what it printed.
func wrk(ctx context.Context, key string, connections int, d, url string, more ...string) (string, error) {
	args := append([]string{"-t", "2", "-c", strconv.Itoa(connections), "-d", d, "--latency", "-H", "X-API-Key: " + key}, more...)
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	text := string(out)
	if err != nil || strings.Contains(text, "Non-2xx") || strings.Contains(text, "status ") {
		return "", fmt.Errorf("wrk %s: %w: %.2000s", url, err, text)
	}
	return text, nil
}

// readWrk reads what wrk printed.
func readWrk(text string) (r runResult, requests float64, err error) {
	n, rate, p99 := wrkRequests.FindStringSubmatch(text), wrkRate.FindStringSubmatch(text), wrkP99.FindStringSubmatch(text)
	if n == nil || rate == nil || p99 == nil {
		return r, 1, fmt.Errorf("wrk said: %s", text)
	}
	requests, _ = strconv.ParseFloat(n[1], 64)
	r.rate, _ = strconv.ParseFloat(rate[1], 64)
	r.p99, _ = strconv.ParseFloat(p99[1], 64)
	r.p99 *= map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[p99[2]]
	return r, requests, nil
}

// bare starts this program once more as the handler to compare with, and returns it with where it is.
func (b *bench) bare(key, body string) (*process, string, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(b.ctx, self, "--bare", address)
	cmd.Env = append(os.Environ(), "BENCH_KEY="+key, "BENCH_BODY="+body)
	cmd.Stderr = os.Stderr
	p := &process{cmd: cmd, ended: make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	go func() { p.ended <- cmd.Wait() }()
	b.running = append(b.running, p)
	if err := poll(b.ctx, 5*time.Second, func() (bool, error) {
		resp, err := http.Get("http://" + address)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil, nil
	}); err != nil {
		return nil, "", fmt.Errorf("the bare handler: %w", err)
	}
	return p, "http://" + address, nil
}

// serveBare is a handler that checks the key as Kahuna does and answers the same bytes, in a server with
// the limits that any server on a network needs.
func serveBare(address string) error {
	sum, body := sha256.Sum256([]byte(os.Getenv("BENCH_KEY"))), []byte(os.Getenv("BENCH_BODY"))
	server := &http.Server{Addr: address, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := sha256.Sum256([]byte(r.Header.Get("X-API-Key")))
		if subtle.ConstantTimeCompare(given[:], sum[:]) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	return server.ListenAndServe()
}
