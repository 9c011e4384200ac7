package behaviour

import (
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/place"
	"kowabunga/core/quota"
)

// updateKompute changes name and description at once; disks, processors and memory by an operation that
// grows disks first (which stays, should the rest fail) and restarts the machine only where it must.
func updateKompute(d model.Draft, r *Request) (Outcome, error) {
	old, k := r.Target.(*model.Kompute), r.Object.(*model.Kompute)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if err := machineName(d, k.Project, k.Name); err != nil {
		return Outcome{}, err
	}
	p := partsOf(d, old)
	if p.instance == nil {
		return Outcome{}, fault.New(fault.Internal, "kompute %s has no machine", k.ID)
	}
	if err := p.idle(); err != nil {
		return Outcome{}, err
	}
	if k.Name != old.Name {
		if err := rename(d, &p, k.Name); err != nil {
			return Outcome{}, err
		}
	}
	if k.Stays != old.Stays || k.Kwarantine != old.Kwarantine {
		p.instance = model.Edit(p.instance)
		p.instance.Stays, p.instance.Kwarantine = k.Stays, k.Kwarantine
		if err := d.Put(p.instance); err != nil {
			return Outcome{}, err
		}
	}
	if k.VCPUs == old.VCPUs && k.Memory == old.Memory && k.Disk == old.Disk && k.DataDisk == old.DataDisk && k.UEFI == old.UEFI {
		return Outcome{Object: k.ID}, d.Put(k)
	}
	if k.Disk < old.Disk {
		return Outcome{}, fault.Bad("disk", "%d bytes are fewer than the present %d; disks only grow", k.Disk, old.Disk)
	}
	if k.DataDisk < old.DataDisk {
		return Outcome{}, fault.Bad("data_disk", "%d bytes are fewer than the present %d; disks only grow", k.DataDisk, old.DataDisk)
	}
	grown := model.Shape{VCPUs: max(k.VCPUs, old.VCPUs), Memory: max(k.Memory, old.Memory)}
	if err := quota.Check(d, k.Project, model.Resources{VCPUs: grown.VCPUs - old.VCPUs, Memory: grown.Memory - old.Memory,
		Storage: k.Disk - old.Disk + k.DataDisk - old.DataDisk}, r.Trace); err != nil {
		return Outcome{}, err
	}
	if err := place.Fits(d, r.Live, p.instance, grown, r.Trace); err != nil {
		return Outcome{}, err
	}
	c := reshaping{old: old, next: k, parts: p, shaped: model.Edit(p.instance)}
	c.shaped.VCPUs, c.shaped.Memory, c.shaped.UEFI = k.VCPUs, k.Memory, k.UEFI
	if err := c.disks(d, r); err != nil {
		return Outcome{}, err
	}
	if k.VCPUs != old.VCPUs || k.Memory != old.Memory || k.UEFI != old.UEFI || len(c.added) > 0 {
		steps, err := machine.Reshape(d, p.instance, c.shaped, r.Config.StopGrace)
		if err != nil {
			return Outcome{}, err
		}
		c.steps = append(c.steps, steps...)
	}
	return c.begin(d, r, grown)
}

// rename gives the parts the names that go with their Kompute's. What they are called in the world are
// their ids, which stay.
func rename(d model.Draft, p *parts, name string) error {
	for i, o := range p.disks {
		o = model.Edit(o)
		o.Name = name + map[string]string{"os": "-os", "raw": "-data"}[o.Type]
		p.disks[i] = o
		if err := d.Put(o); err != nil {
			return err
		}
	}
	for i, a := range p.adapters {
		suffix := "-private-adapter"
		if s, ok := model.Find[*model.Subnet](d, a.Subnet); ok && s.Project == "" {
			suffix = "-public-adapter"
		}
		a = model.Edit(a)
		a.Name = name + suffix
		p.adapters[i] = a
		if err := d.Put(a); err != nil {
			return err
		}
	}
	p.instance = model.Edit(p.instance)
	p.instance.Name = name
	return d.Put(p.instance)
}

// reshaping gathers the operation that changes a Kompute.
type reshaping struct {
	old, next    *model.Kompute
	parts        parts
	shaped       *model.Instance // the machine as it shall be
	added        []*model.Volume
	steps        []operation.Step
	done, undone []operation.Effect
}

// disks adds the steps that grow disks, and the one that creates a data disk where there was none.
func (c *reshaping) disks(d model.Draft, r *Request) error {
	host := c.parts.instance.Kaktus
	for i, disk := range c.parts.disks {
		size, field := c.next.Disk, "disk"
		if disk.Type == "raw" {
			size, field = c.next.DataDisk, "dataDisk"
		}
		if size == disk.Size {
			continue
		}
		step, err := machine.GrowDisk(machine.DiskOnHost(d, host, disk.Pool), disk, size, c.parts.instance.ID)
		if err != nil {
			return err
		}
		// A grown disk stays grown: after a failure further on, the sizes are those the step came to.
		n := len(c.steps)
		c.undone = append(c.undone, patch(disk, map[string]any{"size": disk.Size}),
			operation.Effect{Do: operation.Take, Kind: disk.Kind(), ID: disk.ID, Step: n, Take: []string{"size"}},
			patch(c.old, map[string]any{field: disk.Size}),
			operation.Effect{Do: operation.Take, Kind: c.old.Kind(), ID: c.old.ID, Step: n, Take: []string{"size=" + field}})
		grown := model.Edit(disk)
		grown.Size = size
		c.parts.disks[i] = grown
		c.steps = append(c.steps, step)
	}
	if c.old.DataDisk > 0 || c.next.DataDisk == 0 {
		return nil
	}
	system := c.parts.disks[slices.IndexFunc(c.parts.disks, func(o *model.Volume) bool { return o.Type == "os" })]
	data := komputeDisk(r, c.next, system.Region, system.Pool, "raw", "-data", c.next.DataDisk)
	if err := d.Put(data); err != nil {
		return err
	}
	step, err := machine.CreateDisk(d, host, data)
	if err != nil {
		return err
	}
	c.steps = append(c.steps, step)
	c.added = append(c.added, data)
	c.shaped.Volumes = append(append([]model.ID{}, c.shaped.Volumes...), data.ID)
	return nil
}

// begin records the new sizes, which count from now on, and the operation. The machine keeps its old
// shape, with the larger of both reserved, until the new one is real.
func (c *reshaping) begin(d model.Draft, r *Request, grown model.Shape) (Outcome, error) {
	busy := model.Edit(c.parts.instance)
	busy.Reserved, busy.Volumes = grown, c.shaped.Volumes
	objects := []model.Object{}
	for _, disk := range append(c.parts.disks, c.added...) {
		objects = append(objects, disk)
	}
	for _, a := range c.parts.adapters {
		objects = append(objects, a)
	}
	op, err := start(d, r, "update", c.old.Project, c.next, model.Updating, c.steps, append(objects, busy)...)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = append(append(c.done, ready(append(objects, c.next)...)...),
		patch(busy, map[string]any{"vcpus": c.next.VCPUs, "memory": c.next.Memory, "uefi": c.next.UEFI, "reserved": model.Shape{}}))
	var added []model.Object
	for _, disk := range c.added {
		added = append(added, disk)
	}
	op.Undone = append([]operation.Effect{
		patch(busy, map[string]any{"volumes": c.parts.instance.Volumes, "reserved": model.Shape{}}),
		patch(c.next, map[string]any{"vcpus": c.old.VCPUs, "memory": c.old.Memory, "disk": c.old.Disk, "dataDisk": c.old.DataDisk, "uefi": c.old.UEFI})},
		c.undone...)
	for _, o := range objects[:len(objects)-len(c.parts.adapters)-len(c.added)] {
		op.Undone = append(op.Undone, ready(o)...)
	}
	for _, a := range c.parts.adapters {
		op.Undone = append(op.Undone, ready(a)...)
	}
	op.Undone = append(op.Undone, gone(added...)...)
	return Outcome{Object: c.next.ID, Operation: op}, nil
}
