package kaktus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kowabunga/core/fault"
)

// listen serves /metrics, /healthz and /readyz on the loopback address.
func (k *kaktus) listen() (stop func(), err error) {
	listener, err := net.Listen("tcp", k.cfg.Listen)
	if err != nil {
		return nil, &fault.Error{Code: fault.Unavailable, Op: "listen", Field: "listen", Message: k.cfg.Listen + " cannot be listened on; choose another", Err: err}
	}
	server := &http.Server{Handler: k.observed(), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			k.log.Error("metrics are not served any more", "error", err)
		}
	}()
	k.log.Info("serving metrics", "address", listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-done
	}, nil
}

func (k *kaktus) observed() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), k)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		connected, reachable := k.agent.Connected(), k.host.Reachable()
		if !connected || !reachable {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "kahuna %s\nlibvirt %s\n", yes(connected), yes(reachable))
	})
	return mux
}

func yes(connected bool) string {
	if connected {
		return "connected"
	}
	return "not connected"
}

var (
	describeConnected = prometheus.NewDesc("kowabunga_kaktus_connected", "1 while the peer is connected.", []string{"peer"}, nil)
	describeCalls     = prometheus.NewDesc("kowabunga_kaktus_calls_total", "Calls of Kahuna, by outcome counted.", []string{"kind"}, nil)
	describeRunning   = prometheus.NewDesc("kowabunga_kaktus_calls_running", "Calls running now.", nil, nil)
	describeEvents    = prometheus.NewDesc("kowabunga_kaktus_events_total", "Events sent and dropped.", []string{"kind"}, nil)
	describeMachines  = prometheus.NewDesc("kowabunga_kaktus_machines", "Machines by the state last told.", []string{"state"}, nil)
	describeReady     = prometheus.NewDesc("kowabunga_kaktus_pool_ready", "1 while the pool is usable.", []string{"pool"}, nil)
	describeCapacity  = prometheus.NewDesc("kowabunga_kaktus_pool_bytes", "Size of the pool.", []string{"pool"}, nil)
	describeAvailable = prometheus.NewDesc("kowabunga_kaktus_pool_available_bytes", "What can still be written to the pool.", []string{"pool"}, nil)
	describeDropped   = prometheus.NewDesc("kowabunga_kaktus_frames_dropped_total", "Frames of machines that were kept back, by what was wrong with them.", []string{"reason"}, nil)
	describeProblems  = prometheus.NewDesc("kowabunga_kaktus_problems", "Ways in which the host differs from its desired state.", nil, nil)
)

// Describe and Collect make the agent a prometheus.Collector.
func (k *kaktus) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(k, ch) }

// Collect asks nobody: it shows what the agent knows, so that a scrape cannot hang on libvirt.
func (k *kaktus) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	c := k.agent.Counters()
	gauge(describeConnected, one(k.agent.Connected()), "kahuna")
	gauge(describeConnected, one(k.host.Reachable()), "libvirt")
	gauge(describeRunning, float64(c.Running))
	for kind, n := range map[string]uint64{"all": c.Calls, "repeated": c.Repeats, "failed": c.Failures, "panicked": c.Panics, "fenced": c.Fenced} {
		count(describeCalls, n, kind)
	}
	count(describeEvents, c.Events, "sent")
	count(describeEvents, c.EventsDropped, "dropped")
	for state, n := range k.host.Tally() {
		gauge(describeMachines, float64(n), state)
	}
	for _, p := range k.store.Status() {
		gauge(describeReady, one(p.Ready), p.ID)
		gauge(describeCapacity, float64(p.Capacity), p.ID)
		gauge(describeAvailable, float64(p.Available), p.ID)
	}
	if dropped, err := k.guard.Dropped(); err == nil { // without rules there is nothing to tell
		for reason, n := range dropped {
			count(describeDropped, n, string(reason))
		}
	}
	k.desired.mu.Lock()
	problems := len(k.desired.problems)
	k.desired.mu.Unlock()
	gauge(describeProblems, float64(problems))
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
