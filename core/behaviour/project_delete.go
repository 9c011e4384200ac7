package behaviour

import (
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
)

// deleteProject refuses while anything lies in the project, unless all of that shall go with it.
func deleteProject(d model.Draft, r *Request) (Outcome, error) {
	p := r.Target.(*model.Project)
	if !r.Query.Bool("cascade") && p.Phase != model.Deleting {
		return remove(emptyProject)(d, r)
	}
	return cancelOr(d, p, func() (Outcome, error) { return demolishProject(d, r, p) })
}

// emptyProject refuses to delete a project whose subnets still have adapters that came with nothing else;
// everything else that belongs to it refers to it, which the store refuses to break.
func emptyProject(d model.Draft, _ *Request, o model.Object) error {
	for s := range model.By[*model.Subnet](d, "project", o.Base().ID) {
		for a := range model.By[*model.Adapter](d, "subnet", s.ID) {
			if a.Kompute == "" && a.Service == "" {
				return fault.New(fault.Conflict, "project %q still has adapter %q; delete it first", o.Base().Name, a.Name)
			}
		}
	}
	return nil
}

// demolishProject deletes everything of a project in one operation: machines, disks and shares step by
// step, and in the end, all at once, what is left in the store. It cannot be called off; after a failure,
// asking again goes on.
func demolishProject(d model.Draft, r *Request, p *model.Project) (Outcome, error) {
	all, err := contentsOf(d, p)
	if err != nil {
		return Outcome{}, err
	}
	var steps []operation.Step
	for _, o := range all {
		if err := unworked(d, o); err != nil {
			return Outcome{}, err
		}
		more, err := demolish(d, o)
		if err != nil {
			return Outcome{}, err
		}
		steps = append(steps, more...)
		r.Trace.Add(string(o.Kind()), o.Base().ID, trace.Given, "%s", o.Base().Name)
	}
	op, err := start(d, r, "delete", p.ID, p, model.Deleting, steps, all...)
	if err != nil {
		return Outcome{}, err
	}
	op.Forward, op.Done = true, gone(append(all, p)...)
	// Whoever peers with the project loses his addresses on its subnets now, as long as there is a gateway
	// that had agreed to them.
	for k := range model.By[*model.Kawaii](d, "project", p.ID) {
		if err := settlePeers(d, r, k); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Operation: op}, nil
}

// contentsOf lists what lies in a project, everything before what it refers to. Groups of machines go
// with their project by themselves.
func contentsOf(v model.View, p *model.Project) ([]model.Object, error) {
	var all, cards []model.Object
	list := func(kind model.Kind, index string, key model.ID, to *[]model.Object) {
		for o := range v.By(kind, index, string(key)) {
			*to = append(*to, o)
		}
	}
	for _, kind := range []model.Kind{model.KindRecord, model.KindKylo} {
		list(kind, "project", p.ID, &all)
	}
	for k := range model.By[*model.Kawaii](v, "project", p.ID) {
		list(model.KindIPsec, "kawaii", k.ID, &all)
		list(model.KindAdapter, "service", k.ID, &cards)
	}
	for k := range model.By[*model.Konvey](v, "project", p.ID) {
		list(model.KindAdapter, "service", k.ID, &cards)
	}
	for k := range model.By[*model.Kompute](v, "project", p.ID) {
		list(model.KindAdapter, "kompute", k.ID, &cards)
	}
	for _, kind := range []model.Kind{model.KindNode, model.KindKawaii, model.KindKonvey, model.KindInstance, model.KindVolume} {
		list(kind, "project", p.ID, &all)
	}
	for s := range model.By[*model.Subnet](v, "project", p.ID) {
		for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
			for other := range model.By[*model.Instance](v, "adapter", a.ID) {
				if other.Project != p.ID {
					return nil, fault.New(fault.Conflict, "adapter %q on subnet %q is a card of a machine of another project; detach it first", a.Name, s.Name)
				}
			}
			if a.Kompute == "" && a.Service == "" {
				cards = append(cards, a)
			}
		}
	}
	all = append(all, cards...)
	list(model.KindKompute, "project", p.ID, &all)
	return all, nil
}

// unworked refuses what an operation is working on. A deletion that failed works on nothing any more.
func unworked(v model.View, o model.Object) error {
	m := o.Base()
	if m.Phase == model.Ready {
		return nil
	}
	if op, ok := model.Find[*operation.Operation](v, m.Operation); m.Phase == model.Deleting && (!ok || op.State.Final()) {
		return nil
	}
	return fault.New(fault.Conflict, "%s %q is %s (operation %s); wait for it or cancel it", o.Kind(), m.Name, m.Phase, m.Operation)
}

// demolish makes the steps that remove something from the world, none for what is in the store alone.
func demolish(v model.View, o model.Object) ([]operation.Step, error) {
	switch o := o.(type) {
	case *model.Instance:
		steps, err := machine.Demolish(v, o)
		for i := range steps {
			steps[i].Name += " of " + o.Name
		}
		return steps, err
	case *model.Volume:
		pool, ok := model.Find[*model.Pool](v, o.Pool)
		if !ok {
			return nil, fault.New(fault.Internal, "pool %s is gone", o.Pool)
		}
		to := machine.InPool(pool)
		if user := userOf(v, o.ID); user != nil {
			to = machine.DiskOnHost(v, user.Kaktus, o.Pool)
		}
		step, err := machine.DeleteDisk(to, o)
		return []operation.Step{step}, err
	case *model.Kylo:
		step, err := deleteShare(v, o)
		return []operation.Step{step}, err
	}
	return nil, nil
}
