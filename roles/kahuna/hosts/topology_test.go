package hosts

import (
	"bytes"
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"kowabunga/core/access/credential"
	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/netplan"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/sim"
	"kowabunga/store"
	"kowabunga/testdata/topology"
)

// The eleven servers of the documentation, and the two far away, hold exactly what is planned for them;
// after a change those that it concerns hold the new plan, and the others are not written to.
func TestElevenServersHoldTheirStates(t *testing.T) {
	s := open(t)
	keys := map[model.ID]string{}
	if _, err := s.Update(t.Context(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		if err := topology.Load(d); err != nil {
			return err
		}
		n := 9_000_000
		for a := range model.All[*model.Agent](d) {
			n++
			draw := model.NewDraw([32]byte{byte(n), byte(n >> 8)}, time.Unix(0, 0))
			keys[a.ID] = credential.NewAgentKey(draw)
			token := &model.Token{Meta: model.Meta{ID: topology.ID(n), Name: a.Name}, Agent: a.ID}
			credential.NewProof(draw, keys[a.ID]).Keep(token)
			if err := d.Put(token); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, store: s, keeper: New(s, time.Now, quiet())}
	r.fleet = fleet.New(fleet.Config{Credentials: identity.Agents{Views: s}, Epoch: s.Epoch, Secret: []byte("0123456789abcdef0123456789abcdef"), Release: "test", Log: quiet(),
		OnConnect: r.keeper.OnConnect, OnDisconnect: r.keeper.OnDisconnect, OnEvent: r.keeper.OnEvent, OnStatus: r.keeper.OnStatus})
	r.keeper.Attach(r.fleet)
	server := httptest.NewServer(r.fleet)
	ctx, stop := context.WithCancel(context.Background())
	ends := make(chan struct{}, len(keys)+1)
	go func() { _ = r.keeper.Run(ctx); ends <- struct{}{} }()
	agents := map[model.ID]*sim.Kaktus{}
	for a := range model.All[*model.Agent](s.View()) {
		k, err := sim.NewKaktus(sim.Config{URL: server.URL, ID: string(a.ID), Key: keys[a.ID], Kind: agentproto.Kind(a.Type)})
		if err != nil {
			t.Fatal(err)
		}
		agents[a.ID] = k
		go func() { _ = k.Run(ctx); ends <- struct{}{} }()
	}
	t.Cleanup(func() {
		stop()
		for range cap(ends) {
			<-ends
		}
		if err := r.fleet.Close(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	if len(agents) != 13 {
		t.Fatalf("%d agents, want eleven and two", len(agents))
	}
	settled := func() bool {
		v := s.View()
		plan := netplan.New(v)
		for id, k := range agents {
			if region := netplan.RegionOf(v, id); region != "" {
				if held, _ := k.Kiwi(); held == nil || !bytes.Equal(held.Encode(), plan.Kiwi(region)) {
					return false
				}
			} else if held, _ := k.Services(); held == nil || !bytes.Equal(held.Encode(), plan.Services(netplan.HostOf(v, id))) {
				return false
			}
		}
		return true
	}
	r.until("every agent holds what is planned", settled)
	r.until("nothing is on its way", func() bool {
		r.keeper.mu.Lock()
		defer r.keeper.mu.Unlock()
		return len(r.keeper.applied) == 2*10+3 // two states of each host, one of each router
	})

	pushes := r.fleet.Counters().Pushes
	if _, err := s.Update(t.Context(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		o, _ := model.Find[*model.Record](d, topology.Record)
		o = model.Edit(o)
		o.Addresses = []string{"10.50.201.99"}
		return d.Put(o)
	}); err != nil {
		t.Fatal(err)
	}
	r.until("every agent holds the new plan", settled)
	r.until("both routers were told", func() bool { return r.fleet.Counters().Pushes >= pushes+2 })
	if n := r.fleet.Counters().Pushes - pushes; n != 2 {
		t.Errorf("%d states were sent for one record, want one to each router of its region", n)
	}
}
