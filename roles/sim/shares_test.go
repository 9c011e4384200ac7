package sim

import (
	"context"
	"slices"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// A simulated host holds shares as a real one would: doing twice is doing once, an export id is one
// share's at a server, and what the files take is told and survives a restart.
func TestSharesOfASimulatedHost(t *testing.T) {
	c := Config{URL: "ws://127.0.0.1:1", ID: host, Key: "k", Keep: t.TempDir()}
	k, err := NewKaktus(c)
	if err != nil {
		t.Fatal(err)
	}
	k.state.Pools = []agentproto.Pool{{ID: pool, Driver: "dir"}}
	want := agentproto.Share{ShareRef: agentproto.ShareRef{Pool: pool, FS: "nfs", Share: vm}, Export: 100, Access: "RW", Protocols: []int64{4},
		Clients: []string{"10.0.0.0/24"}, Backends: []string{"a", "b"}, Port: 54934}
	ctx := context.Background()
	for range 2 {
		if _, err := k.createShare(ctx, nil, want); err != nil {
			t.Fatal(err)
		}
	}
	for field, change := range map[string]func(*agentproto.Share){
		"access": func(s *agentproto.Share) { s.Access = "" }, "protocols": func(s *agentproto.Share) { s.Protocols = []int64{2} },
		"clients": func(s *agentproto.Share) { s.Clients = []string{"*"} }, "backends": func(s *agentproto.Share) { s.Backends = nil },
		"export": func(s *agentproto.Share) { s.Export = 0 },
	} {
		bad := want
		change(&bad)
		if _, err := k.updateShare(ctx, nil, bad); !fault.Is(err, fault.Invalid) || fault.From(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	other := want
	other.Share, other.Backends = host, []string{"b", "c"}
	if _, err := k.createShare(ctx, nil, other); !fault.Is(err, fault.Conflict) {
		t.Errorf("two shares under one export id: %v", err)
	}
	if _, err := k.updateShare(ctx, nil, other); !fault.Is(err, fault.NotFound) {
		t.Errorf("a share that is not there: %v", err)
	}
	moved := want
	moved.Access, moved.Former = "RO", &agentproto.Servers{Backends: []string{"z"}}
	if _, err := k.updateShare(ctx, nil, moved); err != nil {
		t.Fatal(err)
	}
	if err := k.Fill(vm, 5000); err != nil {
		t.Fatal(err)
	}
	again, err := NewKaktus(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Exports(); len(got) != 1 || got[0].Access != "RO" || !slices.Equal(got[0].Backends, want.Backends) || got[0].Former != nil {
		t.Errorf("after a restart: %+v", got)
	}
	if s, err := again.shareUsage(ctx, nil, want.ShareRef); err != nil || s.Size != 5000 {
		t.Errorf("%+v %v", s, err)
	}
	if got := again.Inventory().Shares; len(got) != 1 || got[0].Size != 5000 {
		t.Errorf("the inventory has %v", got)
	}
	for range 2 {
		if _, err := again.deleteShare(ctx, nil, want); err != nil {
			t.Fatal(err)
		}
	}
	if len(again.Exports()) != 0 {
		t.Error("the share is still there")
	}
}
