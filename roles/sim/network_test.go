package sim

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/wire"
	"kowabunga/roles/kahuna/fleet"
)

// A simulated router holds what it can carry out, refuses another schema in words and keeps what it had,
// over a restart without Kahuna as well; the file that it is in is for its owner alone.
func TestNetworkStates(t *testing.T) {
	const router = "bbbbbbbbbbbbbbbbbbbbbbbb"
	statuses := make(chan agentproto.Status, 100)
	f, url, ca := kahuna(t, fleet.Config{OnStatus: func(_ string, st agentproto.Status) { statuses <- st }})
	dir := t.TempDir()
	open := func() *Kaktus {
		t.Helper()
		k, err := NewKaktus(Config{URL: url, CAFile: ca, Kind: agentproto.Kiwi, ID: router, Key: "k", StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	run := func(k *Kaktus) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = k.Run(ctx) }()
		return func() { cancel(); <-done }
	}
	told := func(ok func(agentproto.Status) bool) {
		t.Helper()
		for {
			select {
			case st := <-statuses:
				if ok(st) {
					return
				}
			case <-time.After(patience):
				t.Fatal("no such status")
			}
		}
	}
	state := wire.KiwiState{Schema: wire.KiwiSchema, Region: "eu", Interfaces: []wire.Interface{{Name: "br0"}}}
	k := open()
	stop := run(k)
	f.Push(router, agentproto.State{Name: agentproto.StateKiwi, Generation: 7, Body: state.Encode()})
	told(func(st agentproto.Status) bool { return st.Applied && st.Generation == 7 })
	if s, _ := k.Kiwi(); s == nil || s.Region != "eu" {
		t.Fatalf("it holds %+v", s)
	}
	f.Push(router, agentproto.State{Name: agentproto.StateKiwi, Generation: 8, Body: json.RawMessage(`{"schema":99}`)})
	told(func(st agentproto.Status) bool {
		return !st.Applied && len(st.Problems) == 1 && strings.Contains(st.Problems[0], "schema 99")
	})
	if s, _ := k.Kiwi(); s.Region != "eu" {
		t.Errorf("it gave up %+v for what it cannot read", s)
	}
	stop()
	info, err := os.Stat(filepath.Join(dir, "states", "kiwi"))
	if err != nil {
		if files, _ := filepath.Glob(filepath.Join(dir, "states", "*")); len(files) == 1 {
			info, err = os.Stat(files[0])
		}
	}
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept state is %v %v, want mode 0600", info, err)
	}
	k = open()
	_, fresh := k.Kiwi()
	stop = run(k)
	defer stop()
	<-fresh
	if s, _ := k.Kiwi(); s == nil || s.Region != "eu" {
		t.Errorf("after the restart it holds %+v", s)
	}
}
