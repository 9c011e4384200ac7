package figures

import (
	"math"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// maxLabels is how many labels a family has at most.
const maxLabels = 4

// gauges is one family.
type gauges struct {
	desc   *prometheus.Desc
	labels []*string // names
}

var families []*gauges

// family declares a family of gauges; its labels stand in order of name.
func family(name, help string, labels ...string) *gauges {
	f := &gauges{desc: prometheus.NewDesc("kowabunga_"+name, help, labels, nil)}
	for _, l := range labels {
		f.labels = append(f.labels, &l)
	}
	families = append(families, f)
	return f
}

// series is one value with its labels. It is one allocation, where the library's own metrics are one for
// every label, name and value; there may be tens of thousands a scrape.
type series struct {
	of     *gauges
	value  float64
	gauge  dto.Gauge
	words  [maxLabels]string
	pairs  [maxLabels]dto.LabelPair
	labels [maxLabels]*dto.LabelPair
}

// Desc implements prometheus.Metric.
func (s *series) Desc() *prometheus.Desc { return s.of.desc }

// Write implements prometheus.Metric.
func (s *series) Write(m *dto.Metric) error {
	m.Label, m.Gauge = s.labels[:len(s.of.labels)], &s.gauge
	return nil
}

// sink takes series.
type sink struct{ out chan<- prometheus.Metric }

// put gives a value. What is no number is none of ours: it would spoil every sum it came into.
func (s *sink) put(f *gauges, value float64, words ...string) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	m := &series{of: f, value: value}
	m.gauge.Value = &m.value
	for i, w := range words {
		m.words[i] = strings.ToValidUTF8(w, "\ufffd")
		m.pairs[i].Name, m.pairs[i].Value = f.labels[i], &m.words[i]
		m.labels[i] = &m.pairs[i]
	}
	s.out <- m
}

// sums are values added up by a word, in order of first appearance.
type sums []sum

type sum struct {
	key   string
	value float64
}

func (s *sums) add(key string, value float64) {
	for i := range *s {
		if (*s)[i].key == key {
			(*s)[i].value += value
			return
		}
	}
	*s = append(*s, sum{key, value})
}
