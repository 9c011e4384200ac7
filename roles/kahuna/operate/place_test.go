package operate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/trace"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// another adds a host with its agent, tells the host's size, and lets it reach the disks of the first as
// hosts with shared storage do.
func (c *cloud) another(name, zone string, threads int64) {
	c.t.Helper()
	c.must("agent of "+name, "CreateAgent", nil, nil, `{"name":"`+name+`","type":"Kaktus"}`)
	c.must(name, "CreateKaktus", map[string]string{"zoneId": zone}, nil, `{"name":"`+name+`","agents":["`+string(c.ids["agent of "+name])+`"]}`)
	c.change(func(d model.Draft) error {
		host, _ := model.Find[*model.Kaktus](d, c.ids[name])
		host = model.Edit(host)
		host.Caps = model.Caps{Arch: "x86_64", Threads: threads, Cores: threads, Sockets: 1, Memory: 64 << 30}
		if err := d.Put(host); err != nil {
			return err
		}
		pool, _ := model.Find[*model.Pool](d, c.ids["pool"])
		pool = model.Edit(pool)
		pool.Agents = append(pool.Agents[:len(pool.Agents):len(pool.Agents)], c.ids["agent of "+name])
		return d.Put(pool)
	})
}

func (c *cloud) change(f func(d model.Draft) error) {
	c.t.Helper()
	if _, err := c.store.Update(context.Background(), store.Cause{Actor: "test"}, f); err != nil {
		c.t.Fatal(err)
	}
}

// on is the host of a kompute.
func (c *cloud) on(k *model.Kompute) model.ID {
	c.t.Helper()
	o, ok := model.Find[*model.Instance](c.store.View(), k.Instance)
	if !ok {
		c.t.Fatalf("kompute %s has no machine", k.Name)
	}
	return o.Kaktus
}

// Fault 13.C7: elections raced, nothing was reserved between election and creation. Of 40 creations at
// once on two hosts with room for 5 and 12, exactly 17 come to be.
func TestC7ElectionsDoNotRace(t *testing.T) {
	c := newCloud(t)
	c.another("small", "eu-a", 14) // 42 processors for machines, the first host has 96
	var results []<-chan result
	for n := range 40 {
		results = append(results, c.background("CreateProjectZoneKompute", inShop, fmt.Sprintf(`{"name":"m-%d","vcpus":8,"memory":16777216,"disk":2097152}`, n)))
	}
	created := 0
	for _, r := range results {
		switch got := <-r; {
		case got.err == nil:
			created++
		case !fault.Is(got.err, fault.Exhausted):
			t.Errorf("refused with %v", got.err)
		}
	}
	c.settled()
	if created != 12+5 {
		t.Errorf("%d machines were made, there is room for %d", created, 12+5)
	}
	for h := range model.All[*model.Kaktus](c.store.View()) {
		if room, _ := place.Survey(c.store.View(), h); room.Taken.VCPUs > room.Total.VCPUs {
			t.Errorf("host %s promised %s", h.Name, room)
		}
	}
}

// The board decides as a count on the bare draft does, at every moment of a store that many change at once:
// machines made, changed and deleted, hosts that change, changes that are given up.
func TestBoardAgreesInTheStore(t *testing.T) {
	c := newCloud(t)
	c.another("second", "eu-a", 32)
	c.another("third", "eu-a", 16)
	given := errors.New("given up")
	probe := func(n int) func(d model.Draft) error {
		return func(d model.Draft) error {
			for i := range 3 {
				r := place.Request{Shape: model.Shape{VCPUs: int64(1 + (n+i)%7), Memory: 1 << 28}, Zone: c.ids["eu-a"], Project: c.ids["shop"]}
				tr, board := &trace.Trace{Detail: true}, &trace.Trace{Detail: true}
				want, wantErr := place.Choose(d, c.world.Online, r, tr)
				got, gotErr := c.board.Choose(d, c.world.Online, r, board)
				if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || tr.String() != board.String() {
					t.Errorf("probe %d: the board says %s, %v\n%s\ncounted: %s, %v\n%s", n, got, gotErr, board, want, wantErr, tr)
				}
				if wantErr != nil {
					return wantErr
				}
				o := &model.Instance{Project: r.Project, Zone: r.Zone, Kaktus: want, VCPUs: r.VCPUs, Memory: r.Memory}
				o.ID, o.Name = model.ID(fmt.Sprintf("%023x%d", n, i)), fmt.Sprintf("probe-%d-%d", n, i)
				if err := d.Put(o); err != nil {
					return err
				}
			}
			if n%3 == 0 {
				return given
			}
			if n%3 == 1 {
				host, _ := model.Find[*model.Kaktus](d, c.ids["third"])
				host = model.Edit(host)
				host.Maintenance, host.CPUCost.Price = n%2 == 0, float64(n%5)
				return d.Put(host)
			}
			return nil
		}
	}
	var results []<-chan result
	var probes sync.WaitGroup
	for n := range 40 {
		results = append(results, c.background("CreateProjectZoneKompute", inShop, fmt.Sprintf(`{"name":"m-%d","vcpus":%d,"memory":16777216,"disk":2097152}`, n, 1+n%3)))
		probes.Go(func() {
			_, _ = c.store.Update(context.Background(), store.Cause{Actor: "test"}, probe(n))
		})
	}
	probes.Wait()
	for n, r := range results {
		if got := <-r; got.err == nil && n%2 == 0 {
			id := got.Object.Base().ID
			if _, err := c.engine.Do(context.Background(), operate.Request{Op: find("DeleteKompute"), Who: admin, Path: map[string]model.ID{"komputeId": id}, Wait: true}); err != nil {
				t.Error(err)
			}
		}
	}
	c.settled()
	_, _ = c.store.Update(context.Background(), store.Cause{Actor: "test"}, probe(999))
}

// Fault 13.D9: the scheduler kept electing dead hosts. Machines go where an agent answers; where none
// does, the refusal says so at once.
func TestD9DeadHostsAreNotElected(t *testing.T) {
	c := newCloud(t)
	c.another("second", "eu-a", 32)
	c.world.away(c.ids["agent"])
	for n := range 3 {
		if k := c.kompute(fmt.Sprintf("m-%d", n)); c.on(k) != c.ids["second"] {
			t.Errorf("machine %d went to a host nobody can talk to", n)
		}
	}
	c.world.away(c.ids["agent"], c.ids["agent of second"])
	if _, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("late")); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "2 offline") {
		t.Errorf("with all hosts offline: %v", err)
	}
}

// Fault 16.6 number 18: the scheduler was blind to liveness and capacity. A host that is the better one
// by every preference gets nothing while it is full, and its record tells what it promised.
func TestNo18CapacityIsLookedAt(t *testing.T) {
	c := newCloud(t)
	c.another("second", "eu-a", 1) // 3 processors
	c.change(func(d model.Draft) error {
		host, _ := model.Find[*model.Kaktus](d, c.ids["host"])
		host = model.Edit(host)
		host.CPUCost = model.Cost{Price: 1000, Currency: "EUR"}
		return d.Put(host)
	})
	seen := map[model.ID]int{}
	for n := range 5 {
		seen[c.on(c.kompute(fmt.Sprintf("m-%d", n)))]++
	}
	if seen[c.ids["second"]] != 3 || seen[c.ids["host"]] != 2 {
		t.Errorf("%v: the free host has room for 3", seen)
	}
	k, _ := model.One[*model.Kompute](c.store.View(), "name", "m-4")
	facts := ""
	for op := range model.By[*operation.Operation](c.store.View(), "target", k.ID) {
		facts += string(op.Trace)
	}
	if want := "2 of 96 CPUs and 2 GiB of 127 GiB taken with it, held by its record from this commit on"; !strings.Contains(facts, want) {
		t.Errorf("the trace does not show the reservation %q: %s", want, facts)
	}
}

// A host in maintenance keeps what it has and gets nothing new.
func TestMaintenance(t *testing.T) {
	c := newCloud(t)
	before := c.kompute("before")
	body := func(on bool) string {
		return fmt.Sprintf(`{"name":"host-1","agents":["%s"],"maintenance":%v}`, c.ids["agent"], on)
	}
	c.must("host", "UpdateKaktus", map[string]string{"kaktusId": "host"}, nil, body(true))
	if _, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("during")); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "1 in maintenance") {
		t.Errorf("during maintenance: %v", err)
	}
	if o, _ := model.Find[*model.Instance](c.store.View(), before.Instance); o == nil || o.Kaktus != c.ids["host"] || c.world.snapshot()["power "+string(o.ID)] != "on" {
		t.Errorf("the machine that was there: %+v", o)
	}
	c.must("before", "UpdateKompute", map[string]string{"komputeId": "before"}, nil, `{"name":"before","vcpus":2,"memory":1073741824,"disk":2147483648}`)
	c.must("host", "UpdateKaktus", map[string]string{"kaktusId": "host"}, nil, body(false))
	c.kompute("after")
}

// Members of a kwarantine are on hosts of their own, also when they are created at once; joining and
// leaving move nothing and count from the next placement on; a group that goes frees its members.
func TestKwarantine(t *testing.T) {
	c := newCloud(t)
	c.another("second", "eu-a", 32)
	c.must("apart", "CreateProjectKwarantine", map[string]string{"projectId": "shop"}, nil, `{"name":"apart"}`)
	in := func(name string) string {
		return strings.TrimSuffix(komputeBody(name), "}") + `,"kwarantine":"` + string(c.ids["apart"]) + `"}`
	}
	var results []<-chan result
	for n := range 6 {
		results = append(results, c.background("CreateProjectZoneKompute", inShop, in(fmt.Sprintf("m-%d", n))))
	}
	var made []*model.Kompute
	for _, r := range results {
		got := <-r
		if got.err == nil {
			made = append(made, got.Object.(*model.Kompute))
		} else if !fault.Is(got.err, fault.Exhausted) || !strings.Contains(got.err.Error(), `kwarantine "apart"`) {
			t.Errorf("refused with %v", got.err)
		}
	}
	c.settled()
	if len(made) != 2 || c.on(made[0]) == c.on(made[1]) {
		t.Fatalf("%d members on 2 hosts", len(made))
	}
	// One leaves: there is room for another, on the host it is still on.
	c.ids["gone"] = made[0].ID
	c.must("", "UpdateKompute", map[string]string{"komputeId": "gone"}, nil, strings.TrimSuffix(komputeBody(made[0].Name), "}")+`,"kwarantine":""}`)
	next := c.must("next", "CreateProjectZoneKompute", inShop, nil, in("next")).(*model.Kompute)
	if c.on(next) != c.on(made[0]) || c.on(next) == c.on(made[1]) {
		t.Error("it is not where the one that left was")
	}
	// It comes back, together with the new one: nothing moves.
	c.must("", "UpdateKompute", map[string]string{"komputeId": "gone"}, nil, in(made[0].Name))
	if back, _ := model.Find[*model.Kompute](c.store.View(), made[0].ID); back.Kwarantine != c.ids["apart"] || c.on(back) != c.on(next) {
		t.Errorf("%+v", back)
	}
	c.must("", "DeleteKwarantine", map[string]string{"kwarantineId": "apart"}, nil, "")
	for k := range model.All[*model.Kompute](c.store.View()) {
		if o, _ := model.Find[*model.Instance](c.store.View(), k.Instance); k.Kwarantine != "" || o.Kwarantine != "" {
			t.Errorf("%s is still in the group that went", k.Name)
		}
	}
	c.kompute("free")
}

// A project's machines cannot join the group of another.
func TestKwarantinesAreTheProjectsOwn(t *testing.T) {
	c := newCloud(t)
	c.must("other", "CreateProject", nil, nil, `{"name":"other","teams":[],"regions":[]}`)
	c.must("theirs", "CreateProjectKwarantine", map[string]string{"projectId": "other"}, nil, `{"name":"apart","policy":"zone"}`)
	c.must("ours", "CreateProjectKwarantine", map[string]string{"projectId": "shop"}, nil, `{"name":"apart","policy":"zone"}`)
	body := strings.TrimSuffix(komputeBody("m"), "}") + `,"kwarantine":"` + string(c.ids["theirs"]) + `"}`
	if _, err := c.ask("CreateProjectZoneKompute", inShop, nil, body); !fault.Is(err, fault.Invalid) || fault.From(err).Field != "kwarantine" {
		t.Errorf("%v", err)
	}
	if _, err := c.ask("CreateProjectKwarantine", map[string]string{"projectId": "shop"}, nil, `{"name":"apart"}`); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second one of the name: %v", err)
	}
}
