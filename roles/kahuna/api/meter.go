package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts requests by operation.
type meter struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge
}

func newMeter(r prometheus.Registerer) (*meter, error) {
	m := &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kowabunga_api_requests_total",
			Help: "Requests answered, by operation and HTTP status; 499 is a client that went away."}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kowabunga_api_request_seconds",
			Help: "Time to answer a request, by operation.", Buckets: []float64{.0005, .001, .005, .025, .1, .5, 2.5, 10, 60, 600}}, []string{"operation"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kowabunga_api_event_streams", Help: "Event streams being served."}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.streams} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// bind looks up the counters of a method once; the others of its statuses are rare.
func (m *meter) bind(to *method) {
	to.good = m.requests.WithLabelValues(to.name, strconv.Itoa(to.status))
	to.seconds = m.seconds.WithLabelValues(to.name)
}

func (m *meter) observe(c *call, took time.Duration) {
	if c.method != nil && c.status == c.method.status {
		c.method.good.Inc()
		c.method.seconds.Observe(took.Seconds())
		return
	}
	m.requests.WithLabelValues(c.method.label(), strconv.Itoa(c.status)).Inc()
	if c.method != nil {
		c.method.seconds.Observe(took.Seconds())
	}
}
