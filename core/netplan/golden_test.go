package netplan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/core/wire"
	"kowabunga/testdata/topology"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	got = append(bytes.Clone(got), '\n')
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from %s:\n%s", name, path, difference(want, got))
	}
}

// difference lists the lines that only one of two texts has.
func difference(want, got []byte) string {
	var b bytes.Buffer
	count := map[string]int{}
	for _, line := range bytes.Split(want, []byte("\n")) {
		count[string(bytes.TrimSuffix(line, []byte(",")))]++
	}
	for _, line := range bytes.Split(got, []byte("\n")) {
		count[string(bytes.TrimSuffix(line, []byte(",")))]--
	}
	for line, n := range count {
		for ; n > 0; n-- {
			b.WriteString("- " + line + "\n")
		}
		for ; n < 0; n++ {
			b.WriteString("+ " + line + "\n")
		}
	}
	return b.String()
}

// Every router and every host of the documentation's topology gets exactly this.
func TestTopology(t *testing.T) {
	v := topology.View()
	p := netplan.New(v)
	for _, region := range []model.ID{topology.Region, topology.Abroad} {
		o, _ := model.Find[*model.Region](v, region)
		body := p.Kiwi(region)
		golden(t, "kiwi-"+o.Name, body)
		s, err := wire.DecodeKiwi(body)
		if err != nil {
			t.Fatalf("the routers of %s cannot carry their state out: %v", o.Name, err)
		}
		if again := s.Encode(); !bytes.Equal(again, body) {
			t.Errorf("not in canonical form:\n%s", difference(again, body))
		}
		for _, host := range topology.Hosts(region) {
			o, _ := model.Find[*model.Kaktus](v, host)
			body := p.Services(host)
			golden(t, o.Name+"-services", body)
			s, err := wire.DecodeServices(body)
			if err != nil {
				t.Fatalf("%s cannot carry its services out: %v", o.Name, err)
			}
			if again := s.Encode(); !bytes.Equal(again, body) {
				t.Errorf("not in canonical form:\n%s", difference(again, body))
			}
			state, ok := netplan.Kaktus(v, topology.AgentOf(host))
			if !ok {
				t.Fatalf("the agent of %s serves no host", o.Name)
			}
			text, err := json.MarshalIndent(state, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, o.Name+"-kaktus", text)
		}
	}
}
