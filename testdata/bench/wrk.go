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
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, fmt.Errorf("%w; install it with: apt-get install wrk", err)
	}
	b, api, err := initialised(ctx, program, "--plain-http")
	if err != nil {
		return nil, err
	}
	defer b.end()
	if _, err := b.start("kahuna", "serve", "--dir", b.kahuna()); err != nil {
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
	bare, err := b.bare(api.key, body)
	if err != nil {
		return nil, err
	}
	post := filepath.Join(b.dir, "post.lua")
	if err := os.WriteFile(post, []byte(postScript), 0o600); err != nil {
		return nil, err
	}
	run := func(connections int, url string, more ...string) (wrkResult, error) {
		return wrk(ctx, api.key, connections, url, more...)
	}
	// In turns, so that a machine that gets slower meanwhile is slower for both.
	var ours, theirs [3]wrkResult
	for i := range ours {
		if theirs[i], err = run(readers, bare); err != nil {
			return nil, err
		}
		if ours[i], err = run(readers, api.url+"/api/v1/region/"+region.ID); err != nil {
			return nil, err
		}
	}
	list, err := run(readers, api.url+"/api/v1/region")
	if err != nil {
		return nil, err
	}
	writes, err := run(writersAtOnce, api.url+"/api/v1/region", "-s", post)
	if err != nil {
		return nil, err
	}
	one, other := median(ours), median(theirs)
	return []figure{
		{name: fmt.Sprintf("wrk, %d connections, %d regions: GET one", readers, wrkRegions), value: one.rate, unit: "/s"},
		{name: "a bare handler with the same key check", value: other.rate, unit: "/s"},
		{name: "GET one beside it", value: one.rate / other.rate, unit: "times", least: 0.75},
		{name: "GET one, p99 beside its p99", value: one.p99 / other.p99, unit: "times", bound: 1.3},
		{name: "GET of the list", value: list.rate, unit: "/s", least: 10_000},
		{name: fmt.Sprintf("durable POST, %d connections", writersAtOnce), value: writes.rate, unit: "/s", least: 5_000},
	}, nil
}

// postScript makes wrk create one region after the other.
const postScript = `
local n = 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("id", threads)
end
function request()
  n = n + 1
  return wrk.format("POST", nil, nil, string.format('{"name":"w%d-%d","domain":"bench.test"}', id, n))
end
function response(status) if status ~= 201 then print("status " .. status) end end
`

type wrkResult struct{ rate, p99 float64 } // requests a second, milliseconds

var (
	wrkRate = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99  = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+)(us|ms|s)`)
)

func wrk(ctx context.Context, key string, connections int, url string, more ...string) (wrkResult, error) {
	args := append([]string{"-t", "2", "-c", strconv.Itoa(connections), "-d", "5s", "--latency", "-H", "X-API-Key: " + key}, more...)
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	text := string(out)
	if err != nil || strings.Contains(text, "Non-2xx") || strings.Contains(text, "status ") {
		return wrkResult{}, fmt.Errorf("wrk %s: %w: %.2000s", url, err, text)
	}
	rate, p99 := wrkRate.FindStringSubmatch(text), wrkP99.FindStringSubmatch(text)
	if rate == nil || p99 == nil {
		return wrkResult{}, fmt.Errorf("wrk %s said: %s", url, text)
	}
	var r wrkResult
	r.rate, _ = strconv.ParseFloat(rate[1], 64)
	r.p99, _ = strconv.ParseFloat(p99[1], 64)
	r.p99 *= map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[p99[2]]
	return r, nil
}

func median(of [3]wrkResult) wrkResult {
	lowest, highest, sum := of[0], of[0], wrkResult{}
	for _, r := range of {
		lowest.rate, lowest.p99 = min(lowest.rate, r.rate), min(lowest.p99, r.p99)
		highest.rate, highest.p99 = max(highest.rate, r.rate), max(highest.p99, r.p99)
		sum.rate, sum.p99 = sum.rate+r.rate, sum.p99+r.p99
	}
	return wrkResult{sum.rate - lowest.rate - highest.rate, sum.p99 - lowest.p99 - highest.p99}
}

// bare starts this program once more as the handler to compare with, and returns where it is.
func (b *bench) bare(key, body string) (string, error) {
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(b.ctx, self, "--bare", address)
	cmd.Env = append(os.Environ(), "BENCH_KEY="+key, "BENCH_BODY="+body)
	cmd.Stderr = os.Stderr
	p := &process{cmd: cmd, ended: make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() { p.ended <- cmd.Wait() }()
	b.running = append(b.running, p)
	for range 100 {
		if resp, err := http.Get("http://" + address); err == nil {
			resp.Body.Close()
			return "http://" + address, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("the bare handler did not start")
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
