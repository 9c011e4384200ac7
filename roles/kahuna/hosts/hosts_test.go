package hosts

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/access/credential"
	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/sim"
	"kowabunga/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func id(n byte) model.ID { return model.MakeID(time.Unix(0, 0), [8]byte{7: n}) }

func named(n byte, name string) model.Meta { return model.Meta{ID: id(n), Name: name} }

func open(t *testing.T) *store.Store {
	t.Helper()
	opts := store.Options{Dir: t.TempDir(), Tables: append(catalogue.Tables(), operation.Table)}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s *store.Store, objects ...model.Object) {
	t.Helper()
	if _, err := s.Update(context.Background(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		for _, o := range objects {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// host is a region with one host, its agent and its directory pool.
func host() []model.Object {
	return []model.Object{
		&model.Region{Meta: named(1, "eu")}, &model.Zone{Meta: named(2, "eu-a"), Region: id(1)},
		&model.Agent{Meta: named(3, "agent"), Type: "Kaktus"},
		&model.Kaktus{Meta: named(4, "host"), Zone: id(2), Agents: []model.ID{id(3)}},
		&model.Pool{Meta: named(5, "disks"), Region: id(1), Pool: "dir:disks", Agents: []model.ID{id(3)}},
		&model.Project{Meta: named(6, "shop")},
	}
}

func disk(n byte, name string, phase model.Phase) *model.Volume {
	v := &model.Volume{Meta: named(n, name), Project: id(6), Region: id(1), Pool: id(5), Type: "raw", Size: 1}
	v.Phase = phase
	return v
}

// What came, went or was worked on while the inventory was taken is no drift; what differs before and
// after is.
func TestCompareAroundAnInventory(t *testing.T) {
	s := open(t)
	put(t, s, host()...)
	put(t, s, disk(20, "stays", ""), disk(21, "lost", ""), disk(22, "goes", ""), disk(23, "grows", model.Updating), disk(24, "half made", model.Creating))
	before := s.View()
	if _, err := s.Update(context.Background(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		if err := d.Delete(model.KindVolume, id(22)); err != nil {
			return err
		}
		return d.Put(disk(25, "comes", ""))
	}); err != nil {
		t.Fatal(err)
	}
	after := s.View()
	held := func(ids ...byte) agentproto.Inventory {
		var inv agentproto.Inventory
		for _, n := range ids {
			inv.Volumes = append(inv.Volumes, agentproto.Volume{VolumeRef: agentproto.VolumeRef{Pool: string(id(5)), Volume: string(id(n))}})
		}
		return inv
	}
	missing := []string{"volume " + string(id(21))}
	orphans := []string{"volume " + string(id(99))}
	// Early, when 22 was still there and 25 not yet, and late.
	for _, inv := range []agentproto.Inventory{held(20, 22, 99), held(20, 24, 25, 99), held(20, 23, 99)} {
		d := Compare(before, after, id(3), inv)
		if !slices.Equal(d.Missing, missing) || !slices.Equal(d.Orphans, orphans) {
			t.Errorf("missing %v, orphans %v", d.Missing, d.Orphans)
		}
	}
}

// rig is a keeper at work, with a fleet that one simulated agent is connected to.
type rig struct {
	*testing.T
	store  *store.Store
	fleet  *fleet.Fleet
	keeper *Keeper
}

func newRig(t *testing.T, ahead time.Duration, change ...func(*fleet.Config)) *rig {
	r := &rig{T: t, store: open(t)}
	seed := [32]byte{1}
	draw := model.NewDraw(seed, time.Unix(0, 0))
	key := credential.NewAgentKey(draw)
	token := &model.Token{Meta: named(9, "key"), Agent: id(3)}
	credential.NewProof(draw, key).Keep(token)
	put(t, r.store, append(host(), token)...)
	r.keeper = New(r.store, time.Now, quiet())
	config := fleet.Config{Credentials: identity.Agents{Views: r.store}, Epoch: r.store.Epoch, Secret: []byte("0123456789abcdef0123456789abcdef"),
		Release: "test", Log: quiet(), Now: func() time.Time { return time.Now().Add(ahead) },
		OnConnect: r.keeper.OnConnect, OnDisconnect: r.keeper.OnDisconnect, OnEvent: r.keeper.OnEvent, OnStatus: r.keeper.OnStatus}
	for _, f := range change {
		f(&config)
	}
	r.fleet = fleet.New(config)
	r.keeper.Attach(r.fleet)
	server := httptest.NewServer(r.fleet)
	agent, err := sim.NewKaktus(sim.Config{URL: server.URL, ID: string(id(3)), Key: key, Threads: 8, Memory: 8 << 30})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ends := make(chan struct{}, 2)
	go func() { _ = r.keeper.Run(ctx); ends <- struct{}{} }()
	go func() { _ = agent.Run(ctx); ends <- struct{}{} }()
	t.Cleanup(func() {
		stop()
		<-ends
		<-ends
		if err := r.fleet.Close(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	r.until("the agent is connected", func() bool { m, _ := r.fleet.Live().Get(string(id(3))); return m.Connected })
	return r
}

func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			r.Fatalf("not within 20 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// A replaced key ends the session although the clock went back since it began.
func TestRevocationWhenTheClockWentBack(t *testing.T) {
	r := newRig(t, time.Hour)
	other := &model.Token{Meta: named(9, "key"), Agent: id(3)}
	draw := model.NewDraw([32]byte{2}, time.Unix(0, 0))
	credential.NewProof(draw, credential.NewAgentKey(draw)).Keep(other)
	r.until("the agent is there", func() bool { return r.fleet.Live().Online(string(id(3))) })
	r.fleet.Recheck()
	if !r.fleet.Live().Online(string(id(3))) {
		t.Error("an agent was disconnected whose key is good")
	}
	put(t, r.store, other)
	r.fleet.Recheck()
	if r.fleet.Live().Online(string(id(3))) {
		t.Error("the agent is still there")
	}
}

// A host's size is recorded and survives an agent that does not know it for a while; an agent that is
// deleted leaves no trace in the status.
func TestSizeAndForgetting(t *testing.T) {
	r := newRig(t, 0)
	size := func() int64 { o, _ := model.Find[*model.Kaktus](r.store.View(), id(4)); return o.Caps.Threads }
	r.until("the size is known", func() bool { return size() == 8 })
	r.keeper.recordCaps(id(3), agentproto.Caps{})
	if size() != 8 {
		t.Error("the size was forgotten")
	}
	r.until("the host was compared", func() bool { return len(r.keeper.Drifts()) == 1 })
	if _, err := r.store.Update(context.Background(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		for _, gone := range []struct {
			kind model.Kind
			n    byte
		}{{model.KindKaktus, 4}, {model.KindPool, 5}, {model.KindAgent, 3}} {
			if err := d.Delete(gone.kind, id(gone.n)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.until("nothing is known of it", func() bool {
		_, known := r.fleet.Live().Get(string(id(3)))
		return len(r.keeper.Drifts()) == 0 && !known
	})
}

// Desired states follow changes of the region, and what only reports sizes changes none.
func TestDesiredStateFollows(t *testing.T) {
	r := newRig(t, 0)
	generation := func() uint64 {
		r.keeper.mu.Lock()
		defer r.keeper.mu.Unlock()
		st := r.keeper.applied[held{id(3), agentproto.StateKaktus}]
		if !st.Applied {
			return 0
		}
		return st.Generation
	}
	r.until("a first state", func() bool { return generation() > 0 })
	put(t, r.store, &model.VNet{Meta: named(10, "lan"), Region: id(1), Interface: "br0", Private: true})
	lan := r.store.View().Index()
	r.until("the state with the segment", func() bool { return generation() >= lan })
	pushes := r.fleet.Counters().Pushes
	pool, _ := model.Find[*model.Pool](r.store.View(), id(5))
	pool = model.Edit(pool)
	pool.Available++
	put(t, r.store, pool)
	put(t, r.store, &model.VNet{Meta: named(11, "wan"), Region: id(1), Interface: "br1"})
	wan := r.store.View().Index()
	r.until("the state with both segments", func() bool { return generation() >= wan })
	if n := r.fleet.Counters().Pushes - pushes; n != 1 {
		t.Errorf("%d states were sent for one change", n)
	}
}

// A share is as large as an agent of its storage says; others are not believed.
func TestSharesTellTheirSize(t *testing.T) {
	r := newRig(t, 0)
	put(t, r.store, &model.NFS{Meta: named(12, "nfs"), Region: id(1), Pool: id(5)}, &model.Agent{Meta: named(13, "stranger"), Type: "Kaktus"},
		&model.Kylo{Meta: named(14, "files"), Project: id(6), Region: id(1), NFS: id(12), ExportID: 100})
	tell := func(agent byte, size int64) int64 {
		body, _ := json.Marshal(agentproto.ShareStatus{ShareRef: agentproto.ShareRef{Pool: string(id(5)), Share: string(id(14))}, Size: size})
		r.keeper.OnEvent(string(id(agent)), agentproto.Event{Type: agentproto.EventShare, Body: body})
		o, _ := model.Find[*model.Kylo](r.store.View(), id(14))
		return o.Size
	}
	if got := tell(3, 4096); got != 4096 {
		t.Errorf("the size is %d", got)
	}
	if got := tell(13, 1); got != 4096 {
		t.Errorf("a stranger made it %d", got)
	}
	if got := tell(3, -1); got != 4096 {
		t.Errorf("nonsense made it %d", got)
	}
	ref := func(n byte) agentproto.ShareStatus {
		return agentproto.ShareStatus{ShareRef: agentproto.ShareRef{Pool: string(id(5)), Share: string(id(n))}}
	}
	v := r.store.View()
	if d := Compare(v, v, id(3), agentproto.Inventory{Shares: []agentproto.ShareStatus{ref(99)}}); !slices.Equal(d.Missing, []string{"kylo " + string(id(14))}) || !slices.Equal(d.Orphans, []string{"kylo " + string(id(99))}) {
		t.Errorf("drift %+v", d)
	}
}
