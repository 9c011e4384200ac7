package main

import (
	"strings"
	"testing"
)

func TestRollup(t *testing.T) {
	anonymous, pss, err := rollup(strings.NewReader(`00400000-7ffd [rollup]
Rss:               31376 kB
Pss:               31115 kB
Pss_Anon:          15160 kB
Anonymous:         15160 kB
`))
	if err != nil || int(anonymous*1000) != 15523 || int(pss*1000) != 31861 {
		t.Errorf("%.3f MB anonymous, %.3f MB PSS, %v", anonymous, pss, err)
	}
	if _, _, err := rollup(strings.NewReader("Rss: 1 kB\n")); err == nil {
		t.Error("a file without the lines was read")
	}
}

func TestReadMetric(t *testing.T) {
	const text = `# HELP bytes_total Bytes.
bytes_total{way="received",what="messages"} 1e+06
bytes_total{way="sent",what="messages"} 20
bytes_total{way="sent",what="snapshot"} 300
bytes_total_more{way="sent",what="messages"} 4000
index 7
`
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
		there  bool
	}{
		{"bytes_total", []string{`what="messages"`}, 1_000_020, true},
		{"bytes_total", []string{`what="messages"`, `way="sent"`}, 20, true},
		{"bytes_total", []string{`what="letters"`}, 0, false},
		{"index", nil, 7, true},
		{"bytes", nil, 0, false},
	} {
		if got, there, err := readMetric(text, c.name, c.labels...); err != nil || got != c.want || there != c.there {
			t.Errorf("%s %v: %v %v %v", c.name, c.labels, got, there, err)
		}
	}
	if _, _, err := readMetric("index seven\n", "index"); err == nil {
		t.Error("what is no number was read")
	}
}

func TestCompare(t *testing.T) {
	seen := map[string]map[string]float64{}
	parse(`goos: linux
BenchmarkPut/16-2     	    9000	    120000 ns/op	      8000 puts/s
BenchmarkBatch/16-2   	     900	   1200000 ns/op	      1600 puts/s
BenchmarkShare        	     900	   1200 ns/op	      0.5 ratio
PASS`, seen)
	for _, c := range []struct {
		ours, other, unit string
		aim               float64
		want              string
	}{
		{"Put/16", "Batch/16", "puts/s", 4, "8000 puts/s\t1600 puts/s\t5.00\t>= 4.00 ok"},
		{"Put/16", "Batch/16", "puts/s", 6, "8000 puts/s\t1600 puts/s\t5.00\t>= 6.00 MISSED"},
		{"Share", "", "ratio", 0.75, "\t\t0.50\t>= 0.75 MISSED"},
	} {
		if got, err := compare(seen, c.ours, c.other, c.unit, c.aim); err != nil || got != c.want {
			t.Errorf("%q (%v), want %q", got, err, c.want)
		}
	}
	if _, err := compare(seen, "Put/256", "Batch/256", "puts/s", 0); err == nil {
		t.Error("a benchmark that did not run was compared")
	}
}

func TestReportCountsMissedAims(t *testing.T) {
	var out strings.Builder
	missed, err := report(&out, []figure{{name: "small", value: 10, unit: "MB", bound: 12}, {name: "large", value: 30, unit: "MB", bound: 25}, {name: "slow", value: 3, unit: "/s", least: 4}, {name: "plain", value: 3, unit: "ms"}})
	if err != nil || missed != 2 || !strings.Contains(out.String(), "1.20 MISSED") {
		t.Errorf("%d missed, %v:\n%s", missed, err, out.String())
	}
}

func TestRatioOfRounds(t *testing.T) {
	run := func(ours, other float64) round { return round{runResult{p99: ours}, runResult{p99: other}} }
	got := ratio([]round{run(6, 2), run(3, 2), run(3, 4)}, p99Of)
	if got.value != 1.5 || got.low != 0.75 || got.high != 3 {
		t.Errorf("%+v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v", got)
	}
	var out strings.Builder
	got.name, got.bound = "p99", 1.3
	if missed, err := report(&out, []figure{got}); err != nil || missed != 1 || !strings.Contains(out.String(), "1.50 times (0.75 to 3.00)") {
		t.Errorf("%d %v:\n%s", missed, err, out.String())
	}
}

func TestReadWrk(t *testing.T) {
	r, n, err := readWrk(`Running 3s test @ http://127.0.0.1:1/
    Latency     2.07ms    5.87ms 101.46ms   96.50%
     99%  812.00us
  321978 requests in 5.01s, 104.09MB read
Requests/sec:  64214.44
`)
	if err != nil || n != 321978 || r.rate != 64214.44 || r.p99 < 0.811 || r.p99 > 0.813 {
		t.Errorf("%+v %v %v", r, n, err)
	}
	if _, _, err := readWrk("unable to connect"); err == nil {
		t.Error("what is no result was read")
	}
	if got, err := ticks("12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"); err != nil || got != 2e6 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := ticks("12 (a) S 1"); err == nil {
		t.Error("a short line was read")
	}
}
