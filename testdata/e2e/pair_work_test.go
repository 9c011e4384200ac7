//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"

	"kowabunga/roles/cli/client"
	"kowabunga/roles/sim/history"
)

// workers are clients, besides the writers, that make, change and delete what agents have to carry out: each
// of another kind of thing, the two of volumes in different pools. None where nothing is prepared.
func (p *pair) workers() []craft {
	if len(p.ground.pools) == 0 {
		return nil
	}
	return []craft{disk(0), disk(1), segment, machine}
}

// craft makes the requests of one such client: that which makes a thing, that which changes it and that
// which removes it. The value is what the thing then has.
type craft func(p *pair, name string, step int) (r client.Request, value string)

// steps of a craft.
const (
	toMake = iota
	toChange
	toRemove
	crafts
)

// ground is what volumes and machines lie on.
type ground struct {
	zone, project string
	pools         []string // each on a host of its own
}

// safe is the first of the hosts that no blow touches, of which there are as many as there are pools.
const safe, pools = 3, 3

// prepare declares a segment, a project, and pools with a template; the last of these is in a zone.
func (p *pair) prepare(c *client.Client, zone string, agents []string) {
	t := p.t
	t.Helper()
	vnet := declared(t, c, "vnets", url.Values{"region": {p.region}}, `{"name":"lan","interface":"lan"}`)
	declared(t, c, "subnets", url.Values{"vnet": {vnet}}, `{"name":"lan","cidr":"10.9.0.0/17","gateway":"10.9.0.1","gw_pool":[{"first":"10.9.0.2","last":"10.9.0.9"}]}`)
	for i := range pools {
		name := fmt.Sprintf("disks-%d", i)
		pool := declared(t, c, "pools", url.Values{"region": {p.region}}, fmt.Sprintf(`{"name":%q,"pool":"dir:%[1]s","agents":[%q]}`, name, agents[safe+i]))
		p.ground.pools = append(p.ground.pools, pool)
		eventually(t, "the host of "+name+" takes an image", func() error {
			_, err := c.Do(context.Background(), client.Request{Op: "import", Method: "POST", Path: "/templates", Query: url.Values{"pool": {pool}, "wait": {"true"}},
				Body: []byte(`{"name":"tiny","source":"file:///images/tiny.img"}`)})
			return err
		})
	}
	p.ground.zone = zone
	p.ground.project = declared(t, c, "projects", url.Values{"subnetSize": {"17"}}, fmt.Sprintf(`{"name":"shop","teams":[],"regions":[%q]}`, p.region))
}

// disk makes raw volumes in a pool, and has them grow.
func disk(pool int) craft {
	return func(p *pair, name string, step int) (client.Request, string) {
		size := (step + 1) << 20
		return thing("/volumes", name, step, url.Values{"project": {p.ground.project}, "region": {p.region}, "poolId": {p.ground.pools[pool]}},
			map[string]any{"type": "raw", "size": size}), fmt.Sprint(size)
	}
}

// segment makes segments, and gives them another VLAN: every host of the region has a bridge for each.
func segment(p *pair, name string, step int) (client.Request, string) {
	vlan := 100 + step
	r := thing("/vnets", name, step, url.Values{"region": {p.region}}, map[string]any{"interface": name, "vlan": vlan})
	r.Query.Del("wait") // that is no operation: hosts get another state
	return r, fmt.Sprint(vlan)
}

// machine makes machines, and gives them more processors.
func machine(p *pair, name string, step int) (client.Request, string) {
	cpus := step + 1
	return thing("/komputes", name, step, url.Values{"project": {p.ground.project}, "zone": {p.ground.zone}, "poolId": {p.ground.pools[pools-1]}},
		map[string]any{"memory": 64 << 20, "vcpus": cpus, "disk": 1 << 30}), fmt.Sprint(cpus)
}

// thing is the request for a step about a thing. It is answered when the agents have done their part.
func thing(path, name string, step int, parents url.Values, fields map[string]any) client.Request {
	fields["name"] = name
	r := client.Request{Method: "POST", Path: path, Query: url.Values{"wait": {"true"}}, Body: body(fields)}
	switch step {
	case toMake:
		maps.Copy(r.Query, parents)
	case toChange:
		r.Method, r.Path = "PUT", path+"/"+name
	case toRemove:
		r.Method, r.Path, r.Body = "DELETE", path+"/"+name, nil
	}
	return r
}

// work is one client at work with things of its own. One of which it does not know what became is left alone.
func (l *load) work(c *client.Client, who int, do craft, serial int, step int) (next, nextStep int) {
	name := fmt.Sprintf("%s-%d-%d", l.name, who, serial)
	r, value := do(l.p, name, step)
	if step == toRemove {
		value = history.Absent
	}
	if !l.write(c, who, name, value, r) {
		return serial + 1, toMake
	}
	if r.Query.Has("wait") {
		l.worked.Add(1)
	}
	if step++; step == crafts {
		return serial + 1, toMake
	}
	return serial, step
}

// things are what there is of the kinds that workers make, by name, with what each has.
func things(c *client.Client) (map[string]string, error) {
	there := map[string]string{}
	for path, field := range map[string]string{"/volumes": "size", "/vnets": "vlan", "/komputes": "vcpus"} {
		items, err := c.Items(context.Background(), "list", path, nil)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			var o map[string]any
			if err := json.Unmarshal(item, &o); err != nil {
				return nil, err
			}
			there[fmt.Sprint(o["name"])] = fmt.Sprint(int64(o[field].(float64)))
		}
	}
	return there, nil
}
