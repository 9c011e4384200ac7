package operate_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
)

// gate holds calls of one method until it is opened, and tells when the first arrived.
type gate struct {
	reached, open chan struct{}
	once          sync.Once
}

func (c *cloud) hold(method string) *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.before = func(ctx context.Context, call operate.Call) error {
		if call.Method != method {
			return nil
		}
		g.once.Do(func() { close(g.reached) })
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return operate.Lost{Err: fault.From(ctx.Err())}
		}
	}
	return g
}

type result struct {
	operate.Answer
	err error
}

func (c *cloud) background(id string, path map[string]string, body string) <-chan result {
	out := make(chan result, 1)
	engine := c.engine
	go func() {
		r := operate.Request{Op: find(id), Who: admin, Path: map[string]model.ID{}, Body: []byte(body), Wait: true}
		for param, name := range path {
			r.Path[param] = c.id(name)
		}
		a, err := engine.Do(context.Background(), r)
		out <- result{a, err}
	}()
	return out
}

// A repeat of a POST while it runs joins it: one machine, the same answer.
func TestRepeatJoinsTheRunningOne(t *testing.T) {
	c := newCloud(t)
	g := c.hold("machine.define")
	first := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
	<-g.reached
	second := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
	other, err := c.ask("CreateProjectZoneKompute", inShop, nil, strings.Replace(komputeBody("web"), `"vcpus":1`, `"vcpus":2`, 1))
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("another request for the same name: %v %v", other, err)
	}
	close(g.open)
	a, b := <-first, <-second
	if a.err != nil || b.err != nil {
		t.Fatal(a.err, b.err)
	}
	if a.Object.Base().ID != b.Object.Base().ID || c.store.View().Len(model.KindKompute) != 1 {
		t.Errorf("%s and %s", a.Object.Base().ID, b.Object.Base().ID)
	}
}

// An answer that never got out is given to the repeat; one that did makes the repeat a new request.
func TestRepeatAfterALostAnswer(t *testing.T) {
	c := newCloud(t)
	g := c.hold("machine.define")
	ctx, hangUp := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	request := operate.Request{Op: find("CreateProjectZoneKompute"), Who: admin, Body: []byte(komputeBody("web")), Wait: true,
		Path: map[string]model.ID{"projectId": c.id("shop"), "zoneId": c.id("eu-a")}}
	go func() {
		_, err := c.engine.Do(ctx, request)
		gone <- err
	}()
	<-g.reached
	hangUp()
	if err := <-gone; !fault.Is(err, fault.Cancelled) {
		t.Fatalf("the client that hung up: %v", err)
	}
	close(g.open)
	c.settled()
	a, err := c.engine.Do(context.Background(), request)
	if err != nil || !a.Joined || a.Object == nil {
		t.Fatalf("the repeat: %+v %v", a, err)
	}
	c.engine.Answered(context.Background(), a.Operation)
	if _, err := c.engine.Do(context.Background(), request); !fault.Is(err, fault.Conflict) {
		t.Fatalf("the repeat after the answer: %v", err)
	}
}

// Deleting what is being created calls the creation off and leaves nothing.
func TestDeleteCancels(t *testing.T) {
	c := newCloud(t)
	things := c.world.snapshot()
	g := c.hold("machine.define")
	creation := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
	<-g.reached
	var k *model.Kompute
	for k = range model.All[*model.Kompute](c.store.View()) {
	}
	c.ids["web"] = k.ID
	if _, err := c.ask("DeleteKompute", map[string]string{"komputeId": "web"}, nil, ""); err != nil {
		t.Fatal(err)
	}
	if r := <-creation; !fault.Is(r.err, fault.Cancelled) {
		t.Errorf("the creation answered %v", r.err)
	}
	if n := c.store.View().Len(model.KindKompute) + c.store.View().Len(model.KindAdapter); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	if now := c.world.snapshot(); len(now) != len(things) {
		t.Errorf("left over: %v", now)
	}
}

// Stopping sends waiting callers away with the operation's id; the next start resumes the operation
// under the same request id and the repeat gets its answer.
func TestStopAndResume(t *testing.T) {
	for _, method := range []string{"volume.create", "seed.write", "machine.define", "machine.power"} {
		t.Run(method, func(t *testing.T) {
			c := newCloud(t)
			g := c.hold(method)
			waiting := c.background("CreateProjectZoneKompute", inShop, komputeBody("web"))
			<-g.reached
			c.stop()
			r := <-waiting
			if !fault.Is(r.err, fault.Unavailable) || !strings.Contains(r.err.Error(), string(r.Operation)) {
				t.Fatalf("the waiting caller got %v", r.err)
			}
			close(g.open)
			c.run()
			a, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("web"))
			if err != nil || !a.Joined {
				t.Fatalf("the repeat: %+v %v", a, err)
			}
			c.settled()
			c.consistent()
			attempts := map[string]int{}
			for _, call := range c.world.calls {
				if strings.HasPrefix(call.Request, string(a.Operation)) && call.Method == method {
					attempts[call.Request]++
				}
			}
			for request, n := range attempts {
				if !strings.HasSuffix(request, "/do/1") {
					t.Errorf("resumed under a new id: %s (%d times)", request, n)
				}
			}
		})
	}
}

// When a host is lost half-way, the operation fails, but nothing is released until the host is back and
// has undone its part.
func TestNothingIsReleasedWhileAHostIsAway(t *testing.T) {
	c := newCloud(t)
	undoing := make(chan struct{})
	var once sync.Once
	c.world.before = func(_ context.Context, call operate.Call) error {
		if strings.Contains(call.Request, "/undo/") {
			once.Do(func() { close(undoing) })
		}
		if call.Method == "machine.define" || strings.Contains(call.Request, "/undo/") {
			return operate.Lost{Err: fault.New(fault.Unavailable, "not connected")}
		}
		return nil
	}
	_, err := c.ask("CreateProjectZoneKompute", inShop, nil, komputeBody("web"))
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("answered %v", err)
	}
	<-undoing
	if n := c.store.View().Len(model.KindAdapter); n != 1 {
		t.Fatalf("%d adapters while the host still holds one", n)
	}
	c.world.mu.Lock()
	c.world.before = nil
	c.world.mu.Unlock()
	for op := range model.All[*operation.Operation](c.store.View()) {
		for !op.State.Final() {
			_, _ = c.engine.Wait(context.Background(), op.ID)
			op, _ = model.Find[*operation.Operation](c.store.View(), op.ID)
		}
	}
	if n := c.store.View().Len(model.KindAdapter); n != 0 {
		t.Errorf("%d adapters are left", n)
	}
	c.consistent()
}
