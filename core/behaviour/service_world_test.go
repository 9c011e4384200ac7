package behaviour_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/behaviour"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
	"kowabunga/store/tree"
)

// cloud is a state that requests change one after the other, each as one commit, without a store: what is
// refused leaves no trace, as it would there.
type cloud struct {
	t       testing.TB
	root    *tree.Root
	n       uint64
	offline map[model.ID]bool // agents
	trace   *trace.Trace      // of the last request
}

// root is the caller who may do everything.
var root = access.Identity{Name: "master key", Role: model.RoleSuperAdmin}

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func emptyCloud(t testing.TB) *cloud {
	return &cloud{t: t, root: tree.New(append(catalogue.Tables(), operation.Table)), offline: map[model.ID]bool{}}
}

// newCloud has a region with two zones of two hosts each, a public network and tenants' subnets.
func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := emptyCloud(t)
	c.region("eu", 2, 2)
	return c
}

// region makes a region with so many zones, of so many hosts each.
func (c *cloud) region(name string, zones, hosts int) {
	c.t.Helper()
	c.must("CreateRegion", nil, fmt.Sprintf(`{"name":%q,"domain":"%s.example"}`, name, name))
	number := c.root.Len(model.KindRegion)
	path := map[string]string{"regionId": name}
	c.must("CreateVNet", path, fmt.Sprintf(`{"name":"%s-public","interface":"br%d","private":false}`, name, 2*number))
	c.must("CreateSubnet", map[string]string{"vnetId": name + "-public"}, fmt.Sprintf(`{"name":"%s-internet","cidr":"203.0.%d.0/24","gateway":"203.0.%d.1"}`, name, 100+number, 100+number))
	c.must("CreateVNet", path, fmt.Sprintf(`{"name":"%s-private","interface":"br%d","private":true}`, name, 2*number+1))
	for i := range zones {
		zone := fmt.Sprintf("%s-%c", name, 'a'+i)
		c.must("CreateZone", path, fmt.Sprintf(`{"name":%q}`, zone))
		for j := range hosts {
			c.host(zone, fmt.Sprintf("%s-host-%d", zone, j+1))
		}
	}
}

// host adds a host of 16 threads and 64 GiB whose agent is connected.
func (c *cloud) host(zone, name string) {
	c.t.Helper()
	agent := c.must("CreateAgent", nil, fmt.Sprintf(`{"name":%q,"type":"Kaktus"}`, name)).Base().ID
	h := c.must("CreateKaktus", map[string]string{"zoneId": zone}, fmt.Sprintf(`{"name":%q,"agents":[%q]}`, name, agent)).(*model.Kaktus)
	h = model.Edit(h)
	h.Caps = model.Caps{Arch: "x86_64", Sockets: 1, Cores: 8, Threads: 16, Memory: 64 << 30}
	c.put(h)
}

// project makes a project with a /26 of its own in each of the regions.
func (c *cloud) project(name string, regions ...string) *model.Project {
	c.t.Helper()
	var ids []string
	for _, region := range regions {
		ids = append(ids, `"`+string(c.id(model.KindRegion, region))+`"`)
		n := c.root.Len(model.KindSubnet)
		c.must("CreateSubnet", map[string]string{"vnetId": region + "-private"}, fmt.Sprintf(
			`{"name":"%s-%s","cidr":"10.%d.%d.0/26","gateway":"10.%[3]d.%[4]d.1","gw_pool":[{"first":"10.%[3]d.%[4]d.2","last":"10.%[3]d.%[4]d.9"}]}`, name, region, n/256, n%256))
	}
	return c.must("CreateProject", nil, fmt.Sprintf(`{"name":%q,"teams":[],"regions":[%s]}`, name, strings.Join(ids, ","))).(*model.Project)
}

func (c *cloud) put(objects ...model.Object) {
	c.t.Helper()
	e := c.root.Edit()
	for _, o := range objects {
		if err := e.Put(o); err != nil {
			c.t.Fatal(err)
		}
	}
	c.n++
	c.root = e.Publish(c.n)
}

// id finds an object by name; what has no such name is taken for an id itself.
func (c *cloud) id(kind model.Kind, name string) model.ID {
	for o := range c.root.All(kind) {
		if o.Base().Name == name {
			return o.Base().ID
		}
	}
	return model.ID(name)
}

// as carries out an operation of the catalogue; path parameters are names or ids.
func (c *cloud) as(who access.Identity, id string, names map[string]string, body string) (model.Object, error) {
	i := slices.IndexFunc(catalogue.Ops(), func(op *catalogue.Op) bool { return op.ID == id })
	if i < 0 {
		c.t.Fatalf("there is no operation %s", id)
	}
	op := catalogue.Ops()[i]
	path := map[string]model.ID{}
	for _, p := range op.Params {
		path[p.Name] = c.id(p.Kind, names[p.Name])
	}
	e := c.root.Edit()
	target, err := gate.Policy{}.Authorize(e, who, op, path)
	if err != nil {
		return nil, err
	}
	var object model.Object
	sent := gate.Sent{}
	switch op.Verb {
	case catalogue.Create:
		object, err = catalogue.Of(op.Kind).Decode(catalogue.V1, nil, []byte(body))
	case catalogue.Update:
		object, err = catalogue.Of(op.Kind).Decode(catalogue.V1, target, []byte(body))
		sent.Old = target
	}
	if err != nil {
		return nil, err
	}
	sent.New = object
	if err := (gate.Policy{}).Check(e, who, op, path, sent); err != nil {
		return nil, err
	}
	c.n++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], c.n)
	now := start.Add(time.Duration(c.n) * time.Second)
	c.trace = &trace.Trace{}
	out, err := behaviour.Decide(e, &behaviour.Request{Op: op, Who: who, Now: now, Draw: model.NewDraw(seed, now), Live: func(agent model.ID) bool { return !c.offline[agent] },
		Path: path, Target: target, Object: object, Trace: c.trace})
	if err != nil {
		return nil, err
	}
	c.root = e.Publish(c.n)
	if out.Object == "" {
		return nil, nil
	}
	o, _ := c.root.Get(op.Kind, out.Object)
	return o, nil
}

func (c *cloud) ask(id string, names map[string]string, body string) (model.Object, error) {
	return c.as(root, id, names, body)
}

func (c *cloud) must(id string, names map[string]string, body string) model.Object {
	c.t.Helper()
	o, err := c.ask(id, names, body)
	if err != nil {
		c.t.Fatalf("%s %v %s: %v", id, names, body, err)
	}
	return o
}

// refused asserts code, field and a part of the message of an error, and that nothing changed.
func (c *cloud) refused(code fault.Code, field, says string, id string, names map[string]string, body string) {
	c.t.Helper()
	before := c.root
	_, err := c.ask(id, names, body)
	c.fault(err, code, field, says)
	if c.root != before {
		c.t.Errorf("%s changed something", id)
	}
}

func (c *cloud) fault(err error, code fault.Code, field, says string) {
	c.t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		c.t.Errorf("got %v, want a fault that says %q", err, says)
		return
	}
	if f.Code != code || f.Field != field || !strings.Contains(f.Message, says) {
		c.t.Errorf("got %s on field %q: %s\nwant %s on field %q saying %q", f.Code, f.Field, f.Message, code, field, says)
	}
}

// in is the path of a creation.
func in(project, region string) map[string]string {
	return map[string]string{"projectId": project, "regionId": region}
}

func (c *cloud) kawaii(project, region, body string) *model.Kawaii {
	c.t.Helper()
	return c.must("CreateProjectRegionKawaii", in(project, region), body).(*model.Kawaii)
}

// now is an object as it is after the last request.
func now[O model.Object](c *cloud, o O) O {
	c.t.Helper()
	current, ok := model.Find[O](c.root, o.Base().ID)
	if !ok {
		c.t.Fatalf("%s %q is gone", o.Kind(), o.Base().Name)
	}
	return current
}

func (c *cloud) nodes(owner model.ID) []*model.Node {
	return slices.Collect(model.By[*model.Node](c.root, "owner", owner))
}

// show is an object as API v1 answers it.
func (c *cloud) show(o model.Object) string {
	return string(catalogue.Of(o.Kind()).Append(nil, c.root, o, catalogue.Reader{Version: catalogue.V1, Secrets: true}))
}

// services counts what gateways and load balancers leave in the state.
func (c *cloud) services() string {
	vrids := 0
	for p := range model.All[*model.Project](c.root) {
		vrids += len(p.VRRPIDs)
	}
	out := ""
	for _, kind := range []model.Kind{model.KindKawaii, model.KindKonvey, model.KindIPsec, model.KindNode, model.KindAdapter} {
		out += fmt.Sprintf("%d %s, ", c.root.Len(kind), kind)
	}
	return out + fmt.Sprintf("%d vrids", vrids)
}
