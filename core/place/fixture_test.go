package place_test

import (
	"fmt"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/store/tree"
)

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int) model.Meta { return model.Meta{ID: id(n), Name: fmt.Sprintf("object%d", n)} }

const (
	region, abroad = 1, 2
	zone, empty    = 10, 11
	shop, other    = 20, 21
	agents         = 5_000_000 // the agent of host n is agents+n
	gib            = 1 << 30
)

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func world(t fatal) model.Draft {
	t.Helper()
	d := tree.New(catalogue.Tables()).Edit()
	put(t, d, &model.Region{Meta: meta(region)}, &model.Region{Meta: meta(abroad)},
		&model.Zone{Meta: model.Meta{ID: id(zone), Name: "eu-a"}, Region: id(region)}, &model.Zone{Meta: model.Meta{ID: id(empty), Name: "eu-b"}, Region: id(region)},
		&model.Project{Meta: meta(shop)}, &model.Project{Meta: meta(other)})
	return d
}

func put(t fatal, d model.Draft, objects ...model.Object) {
	t.Helper()
	for _, o := range objects {
		if err := d.Put(o); err != nil {
			t.Fatalf("put %s %q: %v", o.Kind(), o.Base().Name, err)
		}
	}
}

// host is a machine of 4 threads and memory for 8 GiB of guests, promised three and two times.
func host(t fatal, d model.Draft, n int, change ...func(*model.Kaktus)) *model.Kaktus {
	t.Helper()
	h := &model.Kaktus{Meta: meta(n), Zone: id(zone), OvercommitCPU: 3, OvercommitMemory: 2, Agents: []model.ID{id(agents + n)},
		Caps: model.Caps{Threads: 4, Memory: 8*gib + 512<<20}}
	for _, c := range change {
		c(h)
	}
	for _, a := range h.Agents {
		put(t, d, &model.Agent{Meta: model.Meta{ID: a, Name: "agent" + string(a)}, Type: "Kaktus"})
	}
	put(t, d, h)
	return h
}

func machine(n, on int, vcpus, memory int64) *model.Instance {
	return &model.Instance{Meta: meta(n), Project: id(shop), Zone: id(zone), Kaktus: id(on), VCPUs: vcpus, Memory: memory}
}

func ask(vcpus, memory int64) model.Shape { return model.Shape{VCPUs: vcpus, Memory: memory} }

// everyone is a fleet without failures; without(n...) has those hosts' agents offline.
func everyone(model.ID) bool { return true }

func without(hosts ...int) func(model.ID) bool {
	return func(agent model.ID) bool {
		for _, n := range hosts {
			if agent == id(agents+n) {
				return false
			}
		}
		return true
	}
}
