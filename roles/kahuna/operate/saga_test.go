package operate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/kahuna/operate"
)

// saga is one kind of operation: what must be there before it, and the request that starts it.
type saga struct {
	name    string
	prepare func(c *cloud)
	op      string
	path    map[string]string
	query   behaviour.Query
	body    func(c *cloud) string
}

func text(s string) func(*cloud) string { return func(*cloud) string { return s } }

func noBody(*cloud) string { return "" }

// volumes makes an OS disk and an adapter for an instance.
func volumes(c *cloud) {
	c.must("os", "CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, nil, `{"name":"os","type":"os","size":2147483648}`)
	c.must("extra", "CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, nil, `{"name":"extra","type":"raw","size":1048576}`)
	c.must("nic", "CreateAdapter", map[string]string{"subnetId": "lan-1"}, behaviour.Query{"assignIP": "true"}, `{"name":"nic"}`)
}

func machine(c *cloud) {
	volumes(c)
	c.must("vm", "CreateProjectZoneInstance", inShop, nil, c.instanceBody(1, "os"))
}

func (c *cloud) instanceBody(vcpus int, disks ...string) string {
	for i := range disks {
		disks[i] = `"` + string(c.id(disks[i])) + `"`
	}
	return fmt.Sprintf(`{"name":"vm","vcpus":%d,"memory":1073741824,"adapters":["%s"],"volumes":[%s]}`, vcpus, c.id("nic"), strings.Join(disks, ","))
}

func web(c *cloud) { c.kompute("web") }

var inRegion = map[string]string{"projectId": "shop", "regionId": "eu"}

// files are two shares.
func files(c *cloud) {
	c.must("files", "CreateProjectRegionKylo", inRegion, nil, `{"name":"files"}`)
	c.must("more", "CreateProjectRegionKylo", inRegion, nil, `{"name":"more","access":"RO"}`)
}

// everything is a project with machines, disks and shares.
func everything(c *cloud) {
	machine(c)
	web(c)
	files(c)
}

var sagas = []saga{
	{"template.create", func(*cloud) {}, "CreateTemplate", map[string]string{"poolId": "pool"}, nil, text(`{"name":"other","source":"https://example.net/x.img"}`)},
	{"template.delete", func(*cloud) {}, "DeleteTemplate", map[string]string{"templateId": "image"}, nil, noBody},
	{"volume.create", func(*cloud) {}, "CreateProjectRegionVolume", map[string]string{"projectId": "shop", "regionId": "eu"}, nil, text(`{"name":"d","type":"os","size":2097152}`)},
	{"volume.grow", volumes, "UpdateVolume", map[string]string{"volumeId": "extra"}, nil, text(`{"name":"extra","type":"raw","size":2097152}`)},
	{"volume.delete", volumes, "DeleteVolume", map[string]string{"volumeId": "extra"}, nil, noBody},
	{"instance.create", volumes, "CreateProjectZoneInstance", inShop, nil, func(c *cloud) string { return c.instanceBody(1, "os", "extra") }},
	{"instance.update", machine, "UpdateInstance", map[string]string{"instanceId": "vm"}, nil, func(c *cloud) string { return c.instanceBody(2, "os", "extra") }},
	{"instance.delete", machine, "DeleteInstance", map[string]string{"instanceId": "vm"}, nil, noBody},
	{"kompute.create", func(*cloud) {}, "CreateProjectZoneKompute", inShop, nil, text(komputeBody("web"))},
	{"kompute.update", web, "UpdateKompute", map[string]string{"komputeId": "web"}, nil, text(`{"name":"web","vcpus":2,"memory":2147483648,"disk":4294967296,"data_disk":2097152}`)},
	// Another firmware alone.
	{"instance.update", machine, "UpdateInstance", map[string]string{"instanceId": "vm"}, nil, func(c *cloud) string { return strings.TrimSuffix(c.instanceBody(1, "os"), "}") + `,"uefi":false}` }},
	{"kompute.update", web, "UpdateKompute", map[string]string{"komputeId": "web"}, nil, text(strings.TrimSuffix(komputeBody("web"), "}") + `,"uefi":false}`)},
	{"kylo.create", func(*cloud) {}, "CreateProjectRegionKylo", inRegion, nil, text(`{"name":"files"}`)},
	{"kylo.update", files, "UpdateKylo", map[string]string{"kyloId": "files"}, nil, text(`{"name":"files","access":"RO","protocols":[4]}`)},
	{"kylo.delete", files, "DeleteKylo", map[string]string{"kyloId": "files"}, nil, noBody},
	{"nfs.update", files, "UpdateStorageNFS", map[string]string{"nfsId": "ganesha"}, nil, text(`{"name":"ganesha","endpoint":"nfs.eu.example","backends":["192.0.2.2"]}`)},
	{"project.delete", everything, "DeleteProject", map[string]string{"projectId": "shop"}, behaviour.Query{"cascade": "true"}, noBody},
	{"kompute.delete", web, "DeleteKompute", map[string]string{"komputeId": "web"}, nil, noBody},
}

// Every action of both kinds of machine is an operation of its own.
func init() {
	for _, action := range []string{"Start", "Stop", "Shutdown", "Reboot", "Reset", "Suspend", "Resume", "Reseed"} {
		what := strings.ToLower(action)
		sagas = append(sagas,
			saga{"instance." + what, machine, action + "Instance", map[string]string{"instanceId": "vm"}, nil, noBody},
			saga{"kompute." + what, web, action + "Kompute", map[string]string{"komputeId": "web"}, nil, noBody})
	}
}

func (s saga) start(c *cloud) (operate.Answer, error) { return c.ask(s.op, s.path, s.query, s.body(c)) }

// steps runs the saga once elsewhere and returns its operation.
func (s saga) steps(t *testing.T) *operation.Operation {
	c := newCloud(t)
	s.prepare(c)
	a, err := s.start(c)
	if err != nil {
		t.Fatal(err)
	}
	op, _ := model.Find[*operation.Operation](c.store.View(), a.Operation)
	if op.What != s.name {
		t.Fatalf("the operation is %s", op.What)
	}
	return op
}

func eachSaga(t *testing.T, run func(t *testing.T, s saga, op *operation.Operation)) {
	for _, s := range sagas {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			run(t, s, s.steps(t))
		})
	}
}

// Every step may be asked for twice: the answer to the first got lost.
func TestEachStepTwice(t *testing.T) {
	eachSaga(t, func(t *testing.T, s saga, _ *operation.Operation) {
		c := newCloud(t)
		s.prepare(c)
		seen := map[string]bool{}
		c.world.after = func(_ context.Context, call operate.Call) error {
			if seen[call.Request] {
				return nil
			}
			seen[call.Request] = true
			delete(c.world.answers, call.Request) // an agent that restarted: only the effect is there
			return operate.Lost{Err: fault.New(fault.Unavailable, "the connection was lost")}
		}
		if _, err := s.start(c); err != nil {
			t.Fatal(err)
		}
		c.settled()
	})
}

// A failure at any step leaves nothing: neither in the store nor in the world.
func TestFailAtEachStepAndUnwind(t *testing.T) {
	failAndUnwind(t, false)
}

// Undoing may be asked for twice as well.
func TestUnwindTwice(t *testing.T) {
	failAndUnwind(t, true)
}

func failAndUnwind(t *testing.T, twice bool) {
	eachSaga(t, func(t *testing.T, s saga, op *operation.Operation) {
		for i, step := range op.Steps {
			for _, late := range []bool{false, true} { // before the effect, or after it
				c := newCloud(t)
				s.prepare(c)
				things, objects := c.world.snapshot(), c.count()
				before := c.describe()
				failed := false
				seen := map[string]bool{}
				fail := func(_ context.Context, call operate.Call) error {
					direction := strings.Split(call.Request, "/")
					if !failed && direction[1] == fmt.Sprint(i) && direction[2] == "do" {
						failed = true
						return fault.New(fault.Exhausted, "the disk is full")
					}
					return nil
				}
				lose := func(_ context.Context, call operate.Call) error {
					if twice && strings.Contains(call.Request, "/undo/") && !seen[call.Request] {
						seen[call.Request] = true
						delete(c.world.answers, call.Request)
						return operate.Lost{Err: fault.New(fault.Unavailable, "the connection was lost")}
					}
					return nil
				}
				c.world.before, c.world.after = fail, lose
				if late {
					c.world.before, c.world.after = nil, func(ctx context.Context, call operate.Call) error {
						if err := fail(ctx, call); err != nil {
							return err
						}
						return lose(ctx, call)
					}
				}
				_, err := s.start(c)
				if !failed {
					t.Fatalf("step %d was never reached", i)
				}
				if !fault.Is(err, fault.Exhausted) {
					t.Fatalf("step %q: answered %v", step.Name, err)
				}
				c.world.before, c.world.after = nil, nil
				if op.Forward {
					// Asking again goes on from there.
					if _, err := s.start(c); err != nil {
						t.Fatalf("step %q: asking again: %v", step.Name, err)
					}
					c.settled()
					continue
				}
				c.settled()
				if now := c.count(); !maps.Equal(now, objects) {
					t.Errorf("step %q: objects were %v, are %v", step.Name, objects, now)
				}
				now := c.world.snapshot()
				// A disk that was grown and a machine that was switched stay so; the store then says so.
				restored := !strings.HasSuffix(s.name, ".update") || strings.HasPrefix(s.name, "kylo") || strings.HasPrefix(s.name, "nfs")
				if stays := late && (strings.HasPrefix(step.Name, "grow") || step.Undo != nil && step.Undo.Method == agentproto.MethodMachineState); !stays && restored && !maps.Equal(now, things) {
					t.Errorf("step %q: the world had %v, has %v", step.Name, things, now)
				}
				if after := c.describe(); restored && !strings.HasSuffix(s.name, ".grow") && !maps.Equal(before, after) {
					t.Errorf("step %q: objects changed:\n%v\n%v", step.Name, before, after)
				}
				c.consistent()
			}
		}
	})
}

// describe is the wire form of every tenant's object.
func (c *cloud) describe() map[model.ID]string {
	out := map[model.ID]string{}
	v := c.store.View()
	for _, kind := range worked {
		for o := range v.All(kind) {
			if l, ok := o.(*model.Letter); ok {
				out[l.ID] = l.Name
				continue
			}
			out[o.Base().ID] = string(catalogueOf(kind).Append(nil, v, o, readAll))
		}
	}
	return out
}

// settled waits for all operations and checks that nothing is left in between.
func (c *cloud) settled() {
	c.t.Helper()
	for op := range model.All[*operation.Operation](c.store.View()) {
		if _, err := c.engine.Wait(context.Background(), op.ID); err != nil {
			c.t.Fatalf("%s: %v", op.Name, err)
		}
	}
	v := c.store.View()
	for _, kind := range worked {
		for o := range v.All(kind) {
			if m := o.Base(); m.Phase != model.Ready || m.Operation != "" {
				c.t.Errorf("%s %s is still %q by operation %s", kind, m.Name, m.Phase, m.Operation)
			}
		}
	}
	for o := range model.All[*model.Instance](v) {
		if o.Reserved != (model.Shape{}) {
			c.t.Errorf("instance %s still reserves %v", o.Name, o.Reserved)
		}
	}
}

// consistent checks that store and world agree on machines and disks.
func (c *cloud) consistent() {
	c.t.Helper()
	v, things := c.store.View(), c.world.snapshot()
	want := map[string]bool{}
	for o := range model.All[*model.Instance](v) {
		want["machine "+string(o.ID)] = true
		want["seed "+string(o.ID)] = true
		if o.Run {
			want["power "+string(o.ID)] = true
		}
	}
	for o := range model.All[*model.Volume](v) {
		want["volume "+string(o.ID)] = true
		if size := things["volume "+string(o.ID)]; size != fmt.Sprint(o.Size) {
			c.t.Errorf("volume %s is %d bytes, on the host %s", o.Name, o.Size, size)
		}
	}
	for o := range model.All[*model.Template](v) {
		want["image "+string(o.ID)] = true
	}
	for o := range model.All[*model.Kylo](v) {
		want["share "+string(o.ID)] = true
		n, _ := model.Find[*model.NFS](v, o.NFS)
		var is agentproto.Share
		if json.Unmarshal([]byte(things["share "+string(o.ID)]), &is) != nil || is.Access != o.Access || is.Export != o.ExportID ||
			!slices.Equal(is.Protocols, o.Protocols) || !slices.Equal(is.Backends, n.Backends) || is.Port != n.Port {
			c.t.Errorf("kylo %s is exported as %s, should be %+v at %v", o.Name, things["share "+string(o.ID)], o, n.Backends)
		}
	}
	for name := range things {
		if !want[name] {
			c.t.Errorf("left over on the host: %s", name)
		}
		delete(want, name)
	}
	for name := range want {
		c.t.Errorf("missing on the host: %s", name)
	}
}
