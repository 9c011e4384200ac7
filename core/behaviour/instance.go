package behaviour

import (
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/machine"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/quota"
)

func init() {
	register(model.KindInstance, catalogue.Create, "", createInstance)
	register(model.KindInstance, catalogue.Update, "", updateInstance)
	register(model.KindInstance, catalogue.Delete, "", deleteInstance)
	for _, action := range powers {
		register(model.KindInstance, catalogue.Action, string(action), func(d model.Draft, r *Request) (Outcome, error) {
			return act(d, r, r.Target.(*model.Instance), agentproto.Power(r.Op.Action))
		})
	}
}

var powers = []agentproto.Power{agentproto.PowerStart, agentproto.PowerShutdown, agentproto.PowerStop, agentproto.PowerReboot,
	agentproto.PowerReset, agentproto.PowerSuspend, agentproto.PowerResume}

// checkParts checks what a machine is made of and returns its OS disk. adopted is the machine itself
// when it exists.
func checkParts(d model.Draft, o *model.Instance) (*model.Volume, error) {
	if err := distinct("adapters", o.Adapters); err != nil {
		return nil, err
	}
	if err := distinct("volumes", o.Volumes); err != nil {
		return nil, err
	}
	zone, ok := model.Find[*model.Zone](d, o.Zone)
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no zone %s", o.Zone)
	}
	public := 0
	for _, id := range o.Adapters {
		a, ok := model.Find[*model.Adapter](d, id)
		if !ok {
			return nil, fault.Bad("adapters", "there is no adapter %s", id)
		}
		if a.Service != "" {
			return nil, fault.Bad("adapters", "adapter %q is part of a gateway or load balancer", a.Name)
		}
		attached := false
		for other := range model.By[*model.Instance](d, "adapter", id) {
			if other.ID != o.ID {
				return nil, fault.Bad("adapters", "adapter %q is part of instance %q", a.Name, other.Name)
			}
			attached = true
		}
		s, _ := model.Find[*model.Subnet](d, a.Subnet)
		if s == nil || regionOf(d, s) != zone.Region {
			return nil, fault.Bad("adapters", "adapter %q is not in the region of zone %q", a.Name, zone.Name)
		}
		if s.Project != "" && s.Project != o.Project {
			return nil, fault.Bad("adapters", "there is no adapter %s", id)
		}
		if !attached && (s.Project == "" || !ipam.MaySend(d, a)) {
			if err := ipam.CheckSharing(d, a, o.Project); err != nil {
				return nil, &fault.Error{Code: fault.Conflict, Field: "adapters", Message: "adapter " + a.Name + " cannot be attached: " + fault.From(err).Public()}
			}
		}
		if n, ok := model.Find[*model.VNet](d, s.VNet); ok && !n.Private {
			public++
		}
	}
	if public > 1 {
		return nil, fault.Bad("adapters", "%d are on public networks; a machine has at most one there", public)
	}
	var system *model.Volume
	for _, id := range o.Volumes {
		disk, ok := model.Find[*model.Volume](d, id)
		if !ok || disk.Project != o.Project {
			return nil, fault.Bad("volumes", "the project has no volume %s", id)
		}
		if err := usable("volumes", disk); err != nil && disk.Kompute == "" {
			return nil, err
		}
		if disk.Region != zone.Region {
			return nil, fault.Bad("volumes", "volume %q is not in the region of zone %q", disk.Name, zone.Name)
		}
		if other := userOf(d, id); other != nil && other.ID != o.ID {
			return nil, fault.Bad("volumes", "volume %q is attached to instance %q", disk.Name, other.Name)
		}
		if disk.Type == "os" {
			if system != nil {
				return nil, fault.Bad("volumes", "%q and %q are both of type os; a machine starts from one", system.Name, disk.Name)
			}
			system = disk
		}
	}
	if system == nil {
		return nil, fault.Bad("volumes", "none is of type os; a machine starts from one")
	}
	return system, nil
}

// systemFirst orders the disks so that the guest starts from the first.
func systemFirst(system model.ID, disks []model.ID) []model.ID {
	rest := slices.DeleteFunc(slices.Clone(disks), func(id model.ID) bool { return id == system })
	return append([]model.ID{system}, rest...)
}

func createInstance(d model.Draft, r *Request) (Outcome, error) {
	o := begin(r).(*model.Instance)
	if err := machineName(d, o.Project, o.Name); err != nil {
		return Outcome{}, err
	}
	system, err := checkParts(d, o)
	if err != nil {
		return Outcome{}, err
	}
	if err := inRegion(d, o.Project, o.Zone); err != nil {
		return Outcome{}, err
	}
	o.OS, o.Run = "linux", true
	if t, ok := model.Find[*model.Template](d, system.Template); ok {
		o.OS = t.OS
	}
	if err := quota.Check(d, o.Project, model.Resources{VCPUs: o.VCPUs, Memory: o.Memory, Instances: 1}, r.Trace); err != nil {
		return Outcome{}, err
	}
	o.Kaktus, err = r.Board.Choose(d, r.Live, place.Request{Zone: o.Zone, Shape: model.Shape{VCPUs: o.VCPUs, Memory: o.Memory}, Pools: pools(d, o.Volumes), Project: o.Project, Kwarantine: o.Kwarantine}, r.Trace)
	if err != nil {
		return Outcome{}, err
	}
	chance := machine.DrawChance(r.Draw)
	o.SecretHash = metadata.Hash(chance.Secret)
	boot := model.Edit(o)
	boot.Volumes = systemFirst(system.ID, o.Volumes)
	steps, err := machine.Build(d, boot, chance, r.Config.Metadata)
	if err != nil {
		return Outcome{}, err
	}
	op, err := start(d, r, "create", o.Project, o, model.Creating, steps)
	if err != nil {
		return Outcome{}, err
	}
	op.Done, op.Undone = ready(o), gone(o)
	return Outcome{Object: o.ID, Operation: op}, announce(d, r, op, boot, chance.Password)
}

// inRegion refuses zones of regions that the project does not list.
func inRegion(v model.View, project, zone model.ID) error {
	p, ok := model.Find[*model.Project](v, project)
	if !ok {
		return fault.New(fault.NotFound, "there is no project %s", project)
	}
	z, ok := model.Find[*model.Zone](v, zone)
	if !ok {
		return fault.New(fault.NotFound, "there is no zone %s", zone)
	}
	if !slices.Contains(p.Regions, z.Region) {
		return fault.Bad("zoneId", "zone %q is in a region that project %q does not list", z.Name, p.Name)
	}
	return nil
}

func pools(v model.View, disks []model.ID) []model.ID {
	var out []model.ID
	for _, id := range disks {
		if disk, ok := model.Find[*model.Volume](v, id); ok && !slices.Contains(out, disk.Pool) {
			out = append(out, disk.Pool)
		}
	}
	return out
}

// ownInstance refuses to change what a Kompute is made of.
func ownInstance(o *model.Instance) error {
	if o.Kompute != "" {
		return fault.New(fault.Conflict, "instance %q is part of kompute %s; change that", o.Name, o.Kompute)
	}
	return nil
}

func updateInstance(d model.Draft, r *Request) (Outcome, error) {
	old, o := r.Target.(*model.Instance), r.Object.(*model.Instance)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if err := ownInstance(old); err != nil {
		return Outcome{}, err
	}
	if o.Name != old.Name {
		if err := machineName(d, o.Project, o.Name); err != nil {
			return Outcome{}, err
		}
	}
	if o.VCPUs == old.VCPUs && o.Memory == old.Memory && o.UEFI == old.UEFI && slices.Equal(o.Adapters, old.Adapters) && slices.Equal(o.Volumes, old.Volumes) {
		return Outcome{Object: o.ID}, d.Put(o)
	}
	system, err := checkParts(d, o)
	if err != nil {
		return Outcome{}, err
	}
	if !slices.Contains(old.Volumes, system.ID) {
		return Outcome{}, fault.Bad("volumes", "the OS volume of a machine cannot be replaced; create a new instance")
	}
	for _, pool := range pools(d, o.Volumes) {
		if len(machine.DiskAgents(d, old.Kaktus, pool)) == 0 {
			return Outcome{}, fault.Bad("volumes", "pool %s does not reach the machine's host", pool)
		}
	}
	grown := model.Shape{VCPUs: max(o.VCPUs, old.VCPUs), Memory: max(o.Memory, old.Memory)}
	if err := quota.Check(d, o.Project, model.Resources{VCPUs: grown.VCPUs - old.VCPUs, Memory: grown.Memory - old.Memory}, r.Trace); err != nil {
		return Outcome{}, err
	}
	if err := place.Fits(d, r.Live, old, grown, r.Trace); err != nil {
		return Outcome{}, err
	}
	shaped := model.Edit(o)
	shaped.Volumes = systemFirst(system.ID, o.Volumes)
	before := model.Edit(old)
	before.Volumes = systemFirst(system.ID, old.Volumes)
	steps, err := machine.Reshape(d, before, shaped, r.Config.StopGrace)
	if err != nil {
		return Outcome{}, err
	}
	// While it is being changed the machine holds the parts of both shapes, so that nobody takes them. Name
	// and description are new from now on whatever happens: the old name may soon be somebody else's.
	both := model.Edit(o)
	both.Reserved = grown
	both.Adapters, both.Volumes = union(old.Adapters, o.Adapters), union(old.Volumes, o.Volumes)
	op, err := start(d, r, "update", o.Project, both, model.Updating, steps)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = []operation.Effect{patch(o, map[string]any{"adapters": o.Adapters, "volumes": o.Volumes, "reserved": model.Shape{}})}
	op.Undone = []operation.Effect{patch(o, map[string]any{"vcpus": old.VCPUs, "memory": old.Memory, "uefi": old.UEFI,
		"adapters": old.Adapters, "volumes": old.Volumes, "reserved": model.Shape{}})}
	return Outcome{Object: o.ID, Operation: op}, nil
}

func union(a, b []model.ID) []model.ID {
	out := slices.Clone(a)
	for _, id := range b {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func deleteInstance(d model.Draft, r *Request) (Outcome, error) {
	o := r.Target.(*model.Instance)
	if err := ownInstance(o); err != nil {
		return Outcome{}, err
	}
	return cancelOr(d, o, func() (Outcome, error) {
		steps, err := machine.Demolish(d, o)
		if err != nil {
			return Outcome{}, err
		}
		op, err := start(d, r, "delete", o.Project, o, model.Deleting, steps)
		if err != nil {
			return Outcome{}, err
		}
		op.Forward, op.Done = true, gone(o)
		return Outcome{Operation: op}, nil
	})
}

// act is a power action on a machine; shown marks further objects that are busy meanwhile.
func act(d model.Draft, r *Request, o *model.Instance, action agentproto.Power, shown ...model.Object) (Outcome, error) {
	for _, other := range append([]model.Object{o}, shown...) {
		if err := idle(other); err != nil {
			return Outcome{}, err
		}
	}
	step, err := machine.Act(d, o, action, r.Config.StopGrace)
	if err != nil {
		return Outcome{}, err
	}
	run := o.Run
	switch action {
	case agentproto.PowerStart, agentproto.PowerReboot, agentproto.PowerReset:
		run = true
	case agentproto.PowerStop, agentproto.PowerShutdown:
		run = false
	}
	var target model.Object = o
	if len(shown) > 0 {
		target, shown = shown[0], append([]model.Object{o}, shown[1:]...)
	}
	op, err := start(d, r, string(action), o.Project, target, model.Updating, []operation.Step{step}, shown...)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = append(ready(append(shown, target)...), patch(o, map[string]any{"run": run}))
	op.Undone = append(ready(append(shown, target)...),
		operation.Effect{Do: operation.Take, Kind: o.Kind(), ID: o.ID, Take: []string{"run"}})
	return Outcome{Operation: op}, nil
}
