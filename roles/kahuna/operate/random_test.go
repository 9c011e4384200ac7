package operate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/quota"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/testdata/chance"
)

// Whatever is asked in whatever order, with steps that fail, answers that get lost, operations called off
// and the server restarted in between: no two adapters share an address or a MAC, no quota is exceeded,
// nothing is being worked on without an operation that does, and in the end store and hosts agree.
func TestRandomLife(t *testing.T) {
	n := 0
	chance.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(drawMove), 6, 24).Draw(rt, "script")
		seed := rapid.Uint64().Draw(rt, "seed")
		n++
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { live(t, script, seed) }) {
			rt.Fatalf("see above; the script was %v", script)
		}
	})
}

// move is one thing that happens.
type move struct {
	what string
	name string // of a machine or disk
	to   string // its new name
	size int64
	wait bool
	odds int // of 100 calls how many go wrong from now on
}

func drawMove(t *rapid.T) move {
	names := rapid.SampledFrom([]string{"a", "b", "c"})
	return move{
		what: rapid.SampledFrom([]string{"create", "create", "update", "update", "delete", "power", "vm power", "disk", "grow", "vm", "attach", "delete vm", "delete disk", "cancel", "restart", "odds"}).Draw(t, "what"),
		name: names.Draw(t, "name"), to: names.Draw(t, "to"), size: rapid.Int64Range(1, 4).Draw(t, "size"),
		wait: rapid.Bool().Draw(t, "wait"), odds: rapid.SampledFrom([]int{0, 10, 40}).Draw(t, "odds"),
	}
}

const randomQuota = `"quotas":{"instances":3,"vcpus":8,"storage":34359738368}`

func live(t *testing.T, script []move, seed uint64) {
	c := newCloud(t)
	c.must("shop", "UpdateProject", map[string]string{"projectId": "shop"}, nil,
		fmt.Sprintf(`{"name":"shop","teams":[],"regions":["%s"],%s}`, c.ids["eu"], randomQuota))
	for _, disk := range []string{"os-a", "os-b", "raw-a"} {
		c.must(disk, "CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, nil, fmt.Sprintf(`{"name":"%s","type":"%s","size":2097152}`, disk, disk[:len(disk)-2]))
	}
	dice := rand.New(rand.NewPCG(seed, 1))
	odds := 0
	c.world.before = func(_ context.Context, call operate.Call) error { return c.mishap(dice, &odds, call, false) }
	c.world.after = func(_ context.Context, call operate.Call) error { return c.mishap(dice, &odds, call, true) }
	for _, m := range script {
		if m.what == "odds" {
			c.world.mu.Lock()
			odds = m.odds
			c.world.mu.Unlock()
			continue
		}
		c.move(m)
		c.invariants()
	}
	c.world.mu.Lock()
	odds = 0
	c.world.mu.Unlock()
	for range 2 { // what failed to be deleted is deleted again
		c.end()
		for k := range model.All[*model.Kompute](c.store.View()) {
			if k.Phase == model.Deleting {
				c.must("", "DeleteKompute", map[string]string{"komputeId": string(k.ID)}, nil, "")
			}
		}
		for o := range model.All[*model.Instance](c.store.View()) {
			if o.Phase == model.Deleting && o.Kompute == "" {
				c.must("", "DeleteInstance", map[string]string{"instanceId": string(o.ID)}, nil, "")
			}
		}
		for o := range model.All[*model.Volume](c.store.View()) {
			if o.Phase == model.Deleting && o.Kompute == "" {
				c.must("", "DeleteVolume", map[string]string{"volumeId": string(o.ID)}, nil, "")
			}
		}
	}
	c.settled()
	c.invariants()
	c.consistent()
	c.shapes()
	if report, err := c.store.Check(context.Background()); err != nil || !report.OK() {
		t.Errorf("the store: %+v %v", report, err)
	}
}

// mishap decides whether a call goes wrong, before it has its effect or after.
func (c *cloud) mishap(dice *rand.Rand, odds *int, call operate.Call, done bool) error {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	if dice.IntN(100) >= *odds {
		return nil
	}
	if done {
		delete(c.world.answers, call.Request)
	}
	if dice.IntN(2) == 0 {
		return operate.Lost{Err: fault.New(fault.Unavailable, "the connection was lost")}
	}
	return fault.New(fault.Exhausted, "the disk is full")
}

// end waits until every operation has ended.
func (c *cloud) end() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	for op := range model.All[*operation.Operation](c.store.View()) {
		for !op.State.Final() {
			_, _ = c.engine.Wait(ctx, op.ID)
			if ctx.Err() != nil {
				c.t.Fatalf("%s does not end", op.Name)
			}
			op, _ = model.Find[*operation.Operation](c.store.View(), op.ID)
		}
	}
}

// move does one thing; refusals are as good as success.
func (c *cloud) move(m move) {
	c.t.Helper()
	v := c.store.View()
	find := func(kind model.Kind, name string) string {
		if o, ok := v.One(kind, "name", name); ok {
			return string(o.Base().ID)
		}
		for o := range v.All(kind) { // any rather than none
			if kind != model.KindVolume || strings.HasPrefix(o.Base().Name, "raw-") {
				return string(o.Base().ID)
			}
		}
		return "0123456789abcdef01234567"
	}
	ask := func(op string, path map[string]string, query behaviour.Query, format string, args ...any) {
		c.t.Helper()
		_, err := c.as(admin, op, path, fmt.Sprintf(format, args...), func(r *operate.Request) { r.Wait, r.Query = m.wait, query })
		if fault.Is(err, fault.Internal) || fault.Is(err, fault.Malformed) {
			c.t.Errorf("%+v: %v", m, err)
		}
	}
	disks := func(names ...string) string {
		var out []string
		for _, name := range names {
			if o, ok := v.One(model.KindVolume, "name", name); ok {
				out = append(out, `"`+string(o.Base().ID)+`"`)
			}
		}
		return strings.Join(out, ",")
	}
	body := fmt.Sprintf(`{"name":"%s","vcpus":%d,"memory":1073741824,"disk":%d,"data_disk":%d}`, m.to, m.size, m.size<<30, m.size/2<<20)
	kompute := map[string]string{"komputeId": find(model.KindKompute, m.name)}
	instance := map[string]string{"instanceId": find(model.KindInstance, m.name)}
	diskOf := map[string]string{"projectId": "shop", "regionId": "eu"}
	actions := []string{"Start", "Stop", "Shutdown", "Reboot"}
	switch m.what {
	case "create":
		ask("CreateProjectZoneKompute", inShop, nil, "%s", body)
	case "update":
		ask("UpdateKompute", kompute, nil, "%s", body)
	case "delete":
		ask("DeleteKompute", kompute, nil, "")
	case "power":
		ask(actions[m.size-1]+"Kompute", kompute, nil, "")
	case "vm power":
		ask(actions[m.size-1]+"Instance", instance, nil, "")
	case "disk":
		typ := []string{"os", "raw"}[m.size%2]
		ask("CreateProjectRegionVolume", diskOf, nil, `{"name":"%s-%s","type":"%s","size":%d}`, typ, m.name, typ, m.size<<21)
	case "grow":
		ask("UpdateVolume", map[string]string{"volumeId": find(model.KindVolume, "raw-"+m.name)}, nil, `{"name":"raw-%s","type":"raw","size":%d}`, m.name, m.size<<21)
	case "vm":
		ask("CreateProjectZoneInstance", inShop, nil, `{"name":"%s","vcpus":%d,"memory":1073741824,"volumes":[%s]}`, m.name, m.size, disks("raw-"+m.to, "os-"+m.name))
	case "attach":
		system := "os-" + m.name
		if o, ok := model.Find[*model.Instance](v, model.ID(instance["instanceId"])); ok && len(o.Volumes) > 0 {
			if d, ok := model.Find[*model.Volume](v, o.Volumes[len(o.Volumes)-1]); ok {
				system = d.Name
			}
		}
		ask("UpdateInstance", instance, nil, `{"name":"%s","vcpus":%d,"memory":1073741824,"volumes":[%s]}`, m.to, m.size, disks("raw-"+m.to, system))
	case "delete vm":
		ask("DeleteInstance", instance, nil, "")
	case "delete disk":
		ask("DeleteVolume", map[string]string{"volumeId": find(model.KindVolume, "raw-"+m.name)}, nil, "")
	case "cancel":
		for op := range model.By[*operation.Operation](v, "state", operation.Running) {
			_ = c.engine.Cancel(context.Background(), operate.By{Who: admin}, op.ID)
			break
		}
	case "restart":
		c.stop()
		c.run()
	}
}

// invariants checks what holds at every moment.
func (c *cloud) invariants() {
	c.t.Helper()
	v := c.store.View()
	seen := map[string]bool{}
	once := func(what string) {
		if seen[what] {
			c.t.Errorf("twice: %s", what)
		}
		seen[what] = true
	}
	for a := range model.All[*model.Adapter](v) {
		once(a.MAC)
		for _, address := range a.Addresses {
			once(string(a.Subnet) + " " + address)
		}
	}
	for o := range model.All[*model.Instance](v) {
		for _, id := range o.Volumes {
			once("attached " + string(id))
		}
		for _, id := range o.Adapters {
			once("plugged " + string(id))
		}
	}
	for p := range model.All[*model.Project](v) {
		used := quota.Usage(v, p.ID)
		if p.Quotas.Instances > 0 && (used.Instances > p.Quotas.Instances || used.VCPUs > p.Quotas.VCPUs || used.Storage > p.Quotas.Storage) {
			c.t.Errorf("%+v of %+v used", used, p.Quotas)
		}
	}
	for _, kind := range []model.Kind{model.KindTemplate, model.KindVolume, model.KindAdapter, model.KindInstance, model.KindKompute} {
		for o := range v.All(kind) {
			m := o.Base()
			if m.Phase == model.Ready {
				continue
			}
			op, ok := model.Find[*operation.Operation](v, m.Operation)
			if !ok || op.State.Final() && !(m.Phase == model.Deleting && op.Forward && op.State == operation.Failed) {
				c.t.Errorf("%s %s is %s, but its operation is %+v", kind, m.Name, m.Phase, op)
			}
		}
	}
}

// shapes checks that Komputes, their parts and what the host was told of them agree.
func (c *cloud) shapes() {
	c.t.Helper()
	v := c.store.View()
	for k := range model.All[*model.Kompute](v) {
		o, ok := model.Find[*model.Instance](v, k.Instance)
		if !ok || o.VCPUs != k.VCPUs || o.Memory != k.Memory || o.Name != k.Name {
			c.t.Errorf("kompute %+v has the machine %+v", k, o)
		}
		sizes := map[string]int64{}
		for d := range model.By[*model.Volume](v, "kompute", k.ID) {
			sizes[d.Type] += d.Size
		}
		if sizes["os"] != k.Disk || sizes["raw"] != k.DataDisk {
			c.t.Errorf("kompute %s has disks of %d and %d bytes, its parts %v", k.Name, k.Disk, k.DataDisk, sizes)
		}
	}
	for _, m := range c.world.machines() {
		o, ok := model.Find[*model.Instance](v, model.ID(m.Machine))
		if ok && (m.VCPUs != o.VCPUs || m.Memory != o.Memory || len(m.Disks) != len(o.Volumes) || len(m.NICs) != len(o.Adapters)) {
			c.t.Errorf("the host has %+v, declared is %+v", m, o)
		}
	}
}
