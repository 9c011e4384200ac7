package kahuna

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"kowabunga/core/model"
	"kowabunga/core/operation"
)

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// health answers /healthz (the process lives), /readyz (it serves and can write) and /metrics, the last
// for superAdmins only unless the listener is open to this machine alone.
func (s *Server) health(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answerText(w, 200, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case !s.ready.Load():
			answerText(w, 503, "starting or stopping\n")
		case s.store.Err() != nil:
			answerText(w, 503, "the store cannot write\n")
		case s.pair != nil && !s.acts() && s.pair.driver.Status().Primary == "":
			answerText(w, 503, "no Kahuna commands at present\n")
		default:
			answerText(w, 200, "ready\n")
		}
	})
	// A scrape of ten thousand machines takes a tenth of a second and some memory; a few at a time are enough.
	metrics := promhttp.HandlerFor(prometheus.GathererFunc(s.gather), promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError)})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		if !local {
			who, err := s.role.Load().accounts.Authenticate(r)
			switch {
			case err != nil || !who.Known():
				answerText(w, 401, "metrics need the API key of a superAdmin, or metrics-listen\n")
				return
			case !who.SuperAdmin():
				answerText(w, 403, "metrics are for superAdmins: they name every project and machine\n")
				return
			}
		}
		metrics.ServeHTTP(w, r)
	})
	return mux
}

// gather collects the figures of every role and those of the present one.
func (s *Server) gather() ([]*dto.MetricFamily, error) {
	return prometheus.Gatherers{s.registry, s.role.Load().registry}.Gather()
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// metrics are figures read from the present view when somebody asks.
type metrics struct {
	s                                     *Server
	objects, operations, agents, position *prometheus.Desc
	certificate                           *prometheus.Desc
}

func newMetrics(s *Server) *metrics {
	return &metrics{s: s,
		objects:     prometheus.NewDesc("kowabunga_objects", "Objects by kind.", []string{"kind"}, nil),
		operations:  prometheus.NewDesc("kowabunga_operations", "Operations by state.", []string{"state"}, nil),
		agents:      prometheus.NewDesc("kowabunga_agents_connected", "Connected agents by kind.", []string{"kind"}, nil),
		certificate: prometheus.NewDesc("kowabunga_certificate_not_after_seconds", "When the server's certificate ends, seconds since 1970; 0 while there is none.", nil, nil),
		position:    prometheus.NewDesc("kowabunga_journal_index", "Index of the last commit.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.objects, m.operations, m.agents, m.position, m.certificate} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	v := m.s.store.View()
	for _, t := range tables() {
		if t.Kind != operation.Kind {
			out <- prometheus.MustNewConstMetric(m.objects, prometheus.GaugeValue, float64(v.Len(t.Kind)), string(t.Kind))
		}
	}
	states := map[operation.State]int{operation.Running: 0, operation.Unwinding: 0}
	for op := range model.All[*operation.Operation](v) {
		states[op.State]++
	}
	for state, n := range states {
		out <- prometheus.MustNewConstMetric(m.operations, prometheus.GaugeValue, float64(n), string(state))
	}
	kinds := map[string]int{}
	for _, member := range m.s.fleet.Live().All() {
		if member.Connected {
			kinds[string(member.Hello.Kind)]++
		}
	}
	for kind, n := range kinds {
		out <- prometheus.MustNewConstMetric(m.agents, prometheus.GaugeValue, float64(n), kind)
	}
	if m.s.tls != nil && (m.s.cfg.ACME.Name == "" || m.s.ready.Load()) {
		end := 0.0
		if leaf := m.s.tls.leaf(); leaf != nil {
			end = float64(leaf.NotAfter.Unix())
		}
		out <- prometheus.MustNewConstMetric(m.certificate, prometheus.GaugeValue, end)
	}
	out <- prometheus.MustNewConstMetric(m.position, prometheus.CounterValue, float64(v.Index()))
}
