package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/quota"
)

func init() {
	register(model.KindVolume, catalogue.Create, "", createVolume)
	register(model.KindVolume, catalogue.Update, "", updateVolume)
	register(model.KindVolume, catalogue.Delete, "", deleteVolume)
}

// diskPool is the pool a new disk goes to: the one asked for, or the region's default.
func diskPool(v model.View, region, asked model.ID) (*model.Pool, error) {
	if asked == "" {
		r, ok := model.Find[*model.Region](v, region)
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no region %s", region)
		}
		if asked = r.DefaultPool; asked == "" {
			return nil, fault.Bad("poolId", "region %q has no default pool; name one", r.Name)
		}
	}
	pool, ok := model.Find[*model.Pool](v, asked)
	if !ok || pool.Region != region {
		return nil, fault.Bad("poolId", "the region has no pool %s", asked)
	}
	if _, local := pool.Directory(); !local {
		return nil, fault.Bad("poolId", "pool %q is a Ceph pool, and Ceph is not part of this release; use a directory pool", pool.Name)
	}
	return pool, nil
}

// diskTemplate is the template a new OS disk starts from: the one asked for, or the pool's default.
func diskTemplate(v model.View, pool *model.Pool, asked model.ID, size int64, field string) (*model.Template, error) {
	if asked == "" {
		if asked = pool.DefaultTemplate; asked == "" {
			return nil, fault.Bad("templateId", "pool %q has no default template; name one", pool.Name)
		}
	}
	t, ok := model.Find[*model.Template](v, asked)
	if !ok || t.Pool != pool.ID {
		return nil, fault.Bad("templateId", "pool %q has no template %s", pool.Name, asked)
	}
	if err := usable("templateId", t); err != nil {
		return nil, err
	}
	if size < t.Size {
		return nil, fault.Bad(field, "%d bytes are fewer than the %d of template %q", size, t.Size, t.Name)
	}
	return t, nil
}

func createVolume(d model.Draft, r *Request) (Outcome, error) {
	disk := begin(r).(*model.Volume)
	pool, err := diskPool(d, disk.Region, r.Query.ID("poolId"))
	if err != nil {
		return Outcome{}, err
	}
	disk.Pool = pool.ID
	switch disk.Type {
	case "os":
		t, err := diskTemplate(d, pool, r.Query.ID("templateId"), disk.Size, "size")
		if err != nil {
			return Outcome{}, err
		}
		disk.Template = t.ID
	case "iso":
		return Outcome{}, fault.Bad("type", "iso volumes have no source that a client could name and are not part of this release; use os or raw")
	}
	if disk.Size <= 0 {
		return Outcome{}, fault.Bad("size", "must be more than 0 bytes")
	}
	if err := quota.Check(d, disk.Project, model.Resources{Storage: disk.Size}, r.Trace); err != nil {
		return Outcome{}, err
	}
	host, err := poolHost(d, pool)
	if err != nil {
		return Outcome{}, err
	}
	step, err := machine.CreateDisk(d, host, disk)
	if err != nil {
		return Outcome{}, err
	}
	op, err := start(d, r, "create", disk.Project, disk, model.Creating, []operation.Step{step})
	if err != nil {
		return Outcome{}, err
	}
	op.Done, op.Undone = ready(disk), gone(disk)
	return Outcome{Object: disk.ID, Operation: op}, nil
}

// poolHost is the host of a directory pool.
func poolHost(v model.View, pool *model.Pool) (model.ID, error) {
	for _, agent := range pool.Agents {
		for host := range model.By[*model.Kaktus](v, "agent", agent) {
			return host.ID, nil
		}
	}
	return "", fault.New(fault.Conflict, "no kaktus has an agent of pool %q", pool.Name)
}

// userOf is the instance a volume is attached to, nil when there is none.
func userOf(v model.View, disk model.ID) *model.Instance {
	for o := range model.By[*model.Instance](v, "volume", disk) {
		return o
	}
	return nil
}

func updateVolume(d model.Draft, r *Request) (Outcome, error) {
	old, disk := r.Target.(*model.Volume), r.Object.(*model.Volume)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if disk.Size == old.Size {
		return Outcome{Object: disk.ID}, d.Put(disk)
	}
	if disk.Size < old.Size {
		return Outcome{}, fault.Bad("size", "%d bytes are fewer than the present %d; disks only grow", disk.Size, old.Size)
	}
	if old.Kompute != "" {
		return Outcome{}, fault.New(fault.Conflict, "volume %q is part of kompute %s; change its disk or data_disk", old.Name, old.Kompute)
	}
	if err := quota.Check(d, old.Project, model.Resources{Storage: disk.Size - old.Size}, r.Trace); err != nil {
		return Outcome{}, err
	}
	pool, ok := model.Find[*model.Pool](d, old.Pool)
	if !ok {
		return Outcome{}, fault.New(fault.Internal, "pool %s is gone", old.Pool)
	}
	to, attached := machine.InPool(pool), model.ID("")
	if o := userOf(d, old.ID); o != nil {
		if err := idle(o); err != nil {
			return Outcome{}, err
		}
		to, attached = machine.DiskOnHost(d, o.Kaktus, pool.ID), o.ID
	}
	step, err := machine.GrowDisk(to, old, disk.Size, attached)
	if err != nil {
		return Outcome{}, err
	}
	// The new size counts against the quota from now on; should growing fail, the old one comes back.
	op, err := start(d, r, "grow", old.Project, disk, model.Updating, []operation.Step{step})
	if err != nil {
		return Outcome{}, err
	}
	op.Done = ready(disk)
	op.Undone = []operation.Effect{patch(disk, map[string]any{"size": old.Size}),
		{Do: operation.Take, Kind: disk.Kind(), ID: disk.ID, Take: []string{"size"}}}
	return Outcome{Object: disk.ID, Operation: op}, nil
}

func deleteVolume(d model.Draft, r *Request) (Outcome, error) {
	disk := r.Target.(*model.Volume)
	if disk.Kompute != "" {
		return Outcome{}, fault.New(fault.Conflict, "volume %q is part of kompute %s and goes with it", disk.Name, disk.Kompute)
	}
	return cancelOr(d, disk, func() (Outcome, error) {
		if o := userOf(d, disk.ID); o != nil {
			return Outcome{}, fault.New(fault.Conflict, "volume %q is attached to instance %q; detach it first", disk.Name, o.Name)
		}
		pool, ok := model.Find[*model.Pool](d, disk.Pool)
		if !ok {
			return Outcome{}, fault.New(fault.Internal, "pool %s is gone", disk.Pool)
		}
		step, err := machine.DeleteDisk(machine.InPool(pool), disk)
		if err != nil {
			return Outcome{}, err
		}
		op, err := start(d, r, "delete", disk.Project, disk, model.Deleting, []operation.Step{step})
		if err != nil {
			return Outcome{}, err
		}
		op.Forward, op.Done = true, gone(disk)
		return Outcome{Operation: op}, nil
	})
}
