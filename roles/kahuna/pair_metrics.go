package kahuna

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// pairMetrics are figures of this Kahuna as a node of a pair.
type pairMetrics struct {
	s *Server
	role, right, epoch, published, end, behind, silent, sync, nodes,
	witnesses, connected, async, lost, notes, bytes *prometheus.Desc
}

func newPairMetrics(s *Server) *pairMetrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("kowabunga_pair_"+name, help, labels, nil)
	}
	return &pairMetrics{s: s,
		role:      d("role", "1 for the role this Kahuna has, 0 for the others.", "role"),
		right:     d("right", "1 while this Kahuna may act."),
		epoch:     d("epoch", "Counter of the epoch."),
		published: d("published_index", "Index of the last record that everybody may see."),
		end:       d("end_index", "Index of the last record in the journal."),
		behind:    d("lag_records", "Published records that a Kahuna does not have: of the other one as the one that acts knows, of this one elsewhere.", "address"),
		silent:    d("lag_seconds", "Seconds since a Kahuna was heard: the other one by the one that acts, the one that acts elsewhere.", "address"),
		sync:      d("sync_set", "Kahunas that have every acknowledged write, as far as this one knows."),
		nodes:     d("nodes", "Kahunas that are named in the record, one or two."),
		witnesses: d("witnesses", "Agents that are witnesses."),
		connected: d("witnesses_connected", "Witnesses that are connected to this Kahuna."),
		async:     d("async", "1 in async mode."),
		lost:      d("records_lost", "1 while records may be lost and not all agents reported since."),
		notes:     d("events_total", "What happened to this Kahuna as a node, since it started: elections, changes of the sync set and the like.", "what"),
		bytes:     d("bytes_total", "Bytes between this Kahuna and others since it started: of messages, which carry records, and of snapshots. Without what WebSocket and TLS add.", "what", "way"),
	}
}

// Describe implements prometheus.Collector.
func (m *pairMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.role, m.right, m.epoch, m.published, m.end, m.behind, m.silent, m.sync, m.nodes, m.witnesses, m.connected, m.async, m.lost, m.notes, m.bytes} {
		out <- d
	}
}

// expected are events that are counted from 0 on, so that their first one is a change.
var expected = []string{"elected", "sync set grows", "sync set shrinks", "handoff", "promoted", "serves", "stops", "log parts", "log renamed", "snapshot sent", "cannot write", "record chosen"}

// Collect implements prometheus.Collector. A restored copy has none of them.
func (m *pairMetrics) Collect(out chan<- prometheus.Metric) {
	if m.s.pair == nil {
		return
	}
	p, st := m.s.pairStatus(), m.s.pair.driver.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	is := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	for _, role := range []string{"primary", "standby", "candidate", "restored"} {
		gauge(m.role, is(p.Role == role), role)
	}
	gauge(m.right, is(p.Right))
	gauge(m.epoch, float64(st.Epoch.Counter))
	gauge(m.published, float64(p.Published))
	gauge(m.end, float64(p.End))
	if p.Role == "primary" {
		for _, peer := range st.Peers {
			at := m.s.addressOf(st, peer.Node)
			if peer.Log != "" && at != "" {
				gauge(m.behind, float64(st.Published.Index-min(st.Published.Index, peer.Acked)), at)
			}
			if at != "" {
				gauge(m.silent, peer.Silent.Seconds(), at)
			}
		}
	} else {
		gauge(m.behind, float64(p.Behind), m.s.pair.self.Address)
		gauge(m.silent, st.Silent.Seconds(), m.s.pair.self.Address)
	}
	if st.Record != nil {
		gauge(m.sync, float64(len(st.Record.Sync)))
		gauge(m.nodes, float64(len(st.Record.Nodes)))
	}
	connected := 0
	for _, w := range p.Witnesses {
		if w.Connected {
			connected++
		}
	}
	gauge(m.witnesses, float64(len(p.Witnesses)))
	gauge(m.connected, float64(connected))
	gauge(m.async, is(p.Mode == "async"))
	gauge(m.lost, is(p.Lost))
	totals := m.s.notes.totals()
	names := slices.Clone(expected)
	for what := range totals {
		if !slices.Contains(names, what) {
			names = append(names, what)
		}
	}
	m.s.pair.transport.Traffic(func(what string, received, sent uint64) {
		out <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(received), what, "received")
		out <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(sent), what, "sent")
	})
	for _, what := range names {
		out <- prometheus.MustNewConstMetric(m.notes, prometheus.CounterValue, float64(totals[what]), what)
	}
}
