package trace_test

import (
	"encoding/json"
	"math"
	"testing"

	"kowabunga/core/trace"
)

func TestTraceTellsFactsInOrder(t *testing.T) {
	tr := &trace.Trace{}
	tr.Add("machine", "", trace.Given, "%d CPUs", 4)
	tr.Add("host", "aaaaaaaaaaaaaaaaaaaaaaaa", trace.Refused, "offline")
	tr.Add("host", "bbbbbbbbbbbbbbbbbbbbbbbb", trace.Chosen, "100%% free")
	want := "machine: 4 CPUs\n" +
		"host aaaaaaaaaaaaaaaaaaaaaaaa: offline [refused]\n" +
		"host bbbbbbbbbbbbbbbbbbbbbbbb: 100% free [chosen]"
	if got := tr.String(); got != want {
		t.Errorf("String:\n%s\nwant:\n%s", got, want)
	}
	if got := tr.About("bbbbbbbbbbbbbbbbbbbbbbbb"); len(got) != 1 || got[0].Verdict != trace.Chosen {
		t.Errorf("About the second host: %v", got)
	}
	raw, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	var back trace.Trace
	if err := json.Unmarshal(raw, &back); err != nil || back.String() != want {
		t.Errorf("after JSON (%v):\n%s", err, back.String())
	}
	if got := tr.LogValue().String(); len(got) == 0 || got[0] == '\n' {
		t.Errorf("log value %q", got)
	}
}

func TestNobodyListening(t *testing.T) {
	var tr *trace.Trace
	tr.Add("host", "", trace.Chosen, "%d", 1)
	if tr.Detailed() || tr.String() != "" || tr.About("") != nil {
		t.Error("a nil trace must be empty")
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1 << 30: "1 GiB", 3 << 29: "1.5 GiB",
		1<<40 - 1: "1023.9 GiB", 8 << 30: "8 GiB", math.MaxInt64: "7.9 EiB", -1 << 20: "-1 MiB",
		math.MinInt64: "-7.9 EiB",
	} {
		if got := trace.Size(bytes); got != want {
			t.Errorf("Size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
