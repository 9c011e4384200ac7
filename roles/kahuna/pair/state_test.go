package pair

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/store/durable"
)

func TestStateSurvivesAndIsAnotherNodesWhenLost(t *testing.T) {
	dir := t.TempDir()
	first, found, err := LoadState(dir, false)
	if err != nil || found != Fresh || first.Node == "" || first.Log == "" {
		t.Fatalf("a new directory gives %+v, %v, %v", first, found, err)
	}
	first.Voter.Promised = lease.Certificate{Kind: lease.Promised, Epoch: lease.Epoch{Counter: 9, Node: "b"}, Sig: []byte("s")}
	first.Voter.Record = &lease.Record{Epoch: lease.Epoch{Counter: 8, Node: "a"}, Seq: 3, Primary: "a", Nodes: []lease.Node{{ID: "a"}}, Sync: []lease.LogID{"x"}, Timers: lease.DefaultTimers(), Mode: lease.Sync}
	first.Sole, first.Boot = true, "boot"
	if err := SaveState(dir, first); err != nil {
		t.Fatal(err)
	}
	again, found, err := LoadState(dir, true)
	if err != nil || found != Kept || !reflect.DeepEqual(again, first) {
		t.Fatalf("read back %+v, %v, %v; want %+v", again, found, err, first)
	}
	path := filepath.Join(dir, voterFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	nameless, _ := durable.Seal(format, lease.Durable{Log: "x"})
	for what, content := range map[string][]byte{"half": whole[:len(whole)/2], "nothing": {}, "no node": nameless} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		lost, found, err := LoadState(dir, true)
		if err != nil || found != Lost || lost.Node == first.Node || lost.Log == first.Log || lost.Voter.Record != nil {
			t.Errorf("a file with %s gives %+v, %v, %v", what, lost, found, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if lost, found, _ := LoadState(dir, true); found != Lost || lost.Node == first.Node {
		t.Errorf("a file that is missing gives %+v, %v", lost, found)
	}
}

// What a newer release wrote is not taken for lost.
func TestStateOfANewerRelease(t *testing.T) {
	dir := t.TempDir()
	raw, err := durable.Seal(format+1, lease.Durable{Node: "a", Log: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, voterFile), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadState(dir, true); !fault.Is(err, fault.Conflict) {
		t.Errorf("it is read: %v", err)
	}
}

func FuzzLoadState(f *testing.F) {
	f.Add([]byte(`{"node":"a","log":"b","voter":{},"sole":true}`))
	f.Add([]byte(`{"node":"a"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, voterFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		d, _, err := LoadState(dir, true)
		if err == nil && (d.Node == "" || d.Log == "") {
			t.Errorf("%q gives %+v, %v", raw, d, err)
		}
	})
}
