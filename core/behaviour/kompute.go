package behaviour

import (
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
	register(model.KindKompute, catalogue.Create, "", createKompute)
	register(model.KindKompute, catalogue.Update, "", updateKompute)
	register(model.KindKompute, catalogue.Delete, "", deleteKompute)
	for _, action := range powers {
		register(model.KindKompute, catalogue.Action, string(action), func(d model.Draft, r *Request) (Outcome, error) {
			k := r.Target.(*model.Kompute)
			o, ok := model.Find[*model.Instance](d, k.Instance)
			if !ok {
				return Outcome{}, fault.New(fault.Conflict, "kompute %q has no machine yet", k.Name)
			}
			return act(d, r, o, agentproto.Power(r.Op.Action), k)
		})
	}
}

// parts are the objects a Kompute consists of besides itself.
type parts struct {
	instance *model.Instance
	adapters []*model.Adapter
	disks    []*model.Volume
}

// objects lists the parts, referrers first, so that they can be removed in this order.
func (p parts) objects() []model.Object {
	out := []model.Object{}
	if p.instance != nil {
		out = append(out, p.instance)
	}
	for _, d := range p.disks {
		out = append(out, d)
	}
	for _, a := range p.adapters {
		out = append(out, a)
	}
	return out
}

// idle refuses parts that an operation works on, such as an instance that is being switched off by
// itself. A part that is being deleted is so by its Kompute.
func (p parts) idle() error {
	for _, o := range p.objects() {
		if o.Base().Phase == model.Deleting {
			continue
		}
		if err := idle(o); err != nil {
			return err
		}
	}
	return nil
}

func partsOf(v model.View, k *model.Kompute) parts {
	var p parts
	p.instance, _ = model.Find[*model.Instance](v, k.Instance)
	for a := range model.By[*model.Adapter](v, "kompute", k.ID) {
		p.adapters = append(p.adapters, a)
	}
	for d := range model.By[*model.Volume](v, "kompute", k.ID) {
		p.disks = append(p.disks, d)
	}
	return p
}

func createKompute(d model.Draft, r *Request) (Outcome, error) {
	k := begin(r).(*model.Kompute)
	k.Public = r.Query.Bool("public")
	if err := machineName(d, k.Project, k.Name); err != nil {
		return Outcome{}, err
	}
	if err := inRegion(d, k.Project, k.Zone); err != nil {
		return Outcome{}, err
	}
	zone, _ := model.Find[*model.Zone](d, k.Zone)
	pool, err := diskPool(d, zone.Region, r.Query.ID("poolId"))
	if err != nil {
		return Outcome{}, err
	}
	template, err := diskTemplate(d, pool, r.Query.ID("templateId"), k.Disk, "disk")
	if err != nil {
		return Outcome{}, err
	}
	if err := quota.Check(d, k.Project, model.Resources{VCPUs: k.VCPUs, Memory: k.Memory, Storage: k.Disk + k.DataDisk, Instances: 1}, r.Trace); err != nil {
		return Outcome{}, err
	}
	host, err := r.Board.Choose(d, r.Live, place.Request{Zone: k.Zone, Shape: model.Shape{VCPUs: k.VCPUs, Memory: k.Memory}, Pools: []model.ID{pool.ID}, Project: k.Project, Kwarantine: k.Kwarantine}, r.Trace)
	if err != nil {
		return Outcome{}, err
	}
	o := &model.Instance{Project: k.Project, Zone: k.Zone, Kaktus: host, OS: template.OS, VCPUs: k.VCPUs, Memory: k.Memory, Kompute: k.ID, Run: true,
		UEFI: k.UEFI, Stays: k.Stays, Kwarantine: k.Kwarantine}
	o.ID, o.Name = r.Draw.ID(), k.Name
	k.Instance = o.ID
	if err := d.Put(k); err != nil {
		return Outcome{}, err
	}
	p := parts{instance: o}
	if err := cards(d, r, k, zone.Region, &p); err != nil {
		return Outcome{}, err
	}
	system := komputeDisk(r, k, zone.Region, pool.ID, "os", "-os", k.Disk)
	system.Template = template.ID
	p.disks = append(p.disks, system)
	if k.DataDisk > 0 {
		p.disks = append(p.disks, komputeDisk(r, k, zone.Region, pool.ID, "raw", "-data", k.DataDisk))
	}
	var steps []operation.Step
	for _, disk := range p.disks {
		if err := d.Put(disk); err != nil {
			return Outcome{}, err
		}
		o.Volumes = append(o.Volumes, disk.ID)
		step, err := machine.CreateDisk(d, host, disk)
		if err != nil {
			return Outcome{}, err
		}
		steps = append(steps, step)
	}
	for _, a := range p.adapters {
		o.Adapters = append(o.Adapters, a.ID)
	}
	chance := machine.DrawChance(r.Draw)
	o.SecretHash = metadata.Hash(chance.Secret)
	build, err := machine.Build(d, o, chance, r.Config.Metadata)
	if err != nil {
		return Outcome{}, err
	}
	op, err := start(d, r, "create", k.Project, k, model.Creating, append(steps, build...), disksCardsMachine(p)...)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = ready(append(p.objects(), k)...)
	op.Undone = gone(append(p.objects(), k)...)
	return Outcome{Object: k.ID, Operation: op}, announce(d, r, op, o, chance.Password)
}

// disksCardsMachine lists the parts, referents first, so that they can be put in this order.
func disksCardsMachine(p parts) []model.Object {
	objects := p.objects()
	return append(objects[1:], objects[0])
}

func komputeDisk(r *Request, k *model.Kompute, region, pool model.ID, typ, suffix string, size int64) *model.Volume {
	disk := &model.Volume{Project: k.Project, Region: region, Pool: pool, Type: typ, Size: size, Kompute: k.ID}
	disk.ID, disk.Name = r.Draw.ID(), k.Name+suffix
	return disk
}

// cards gives the Kompute its adapters: public first, and only when asked for, then private.
func cards(d model.Draft, r *Request, k *model.Kompute, region model.ID, p *parts) error {
	if k.Public {
		s, err := publicSubnet(d, region)
		if err != nil {
			return err
		}
		if _, err := card(d, r, k, s, "-public-adapter", p); err != nil {
			return err
		}
	}
	for s := range model.By[*model.Subnet](d, "project", k.Project) {
		if regionOf(d, s) != region {
			continue
		}
		a, err := card(d, r, k, s, "-private-adapter", p)
		if err != nil {
			return err
		}
		k.IP = a.Addresses[0]
		return nil
	}
	return fault.New(fault.Conflict, "project %s has no subnet in region %s", k.Project, region)
}

func card(d model.Draft, r *Request, k *model.Kompute, s *model.Subnet, suffix string, p *parts) (*model.Adapter, error) {
	address, err := ipam.Pick(d, s, r.Trace)
	if err != nil {
		return nil, err
	}
	mac, err := ipam.MAC(d, r.Draw)
	if err != nil {
		return nil, err
	}
	a := &model.Adapter{Subnet: s.ID, MAC: mac, Addresses: []string{address.String()}, Kompute: k.ID}
	a.ID, a.Name = r.Draw.ID(), k.Name+suffix
	p.adapters = append(p.adapters, a)
	return a, d.Put(a)
}

// publicSubnet is the default subnet of the region's first public vnet that has one.
func publicSubnet(v model.View, region model.ID) (*model.Subnet, error) {
	for n := range model.By[*model.VNet](v, "region", region) {
		if s, ok := model.Find[*model.Subnet](v, n.DefaultSubnet); ok && !n.Private {
			return s, nil
		}
	}
	return nil, fault.Bad("public", "the region has no public network with a default subnet")
}

func deleteKompute(d model.Draft, r *Request) (Outcome, error) {
	k := r.Target.(*model.Kompute)
	return cancelOr(d, k, func() (Outcome, error) {
		p := partsOf(d, k)
		if p.instance == nil {
			return Outcome{}, fault.New(fault.Internal, "kompute %s has no machine", k.ID)
		}
		if err := p.idle(); err != nil {
			return Outcome{}, err
		}
		steps, err := machine.Demolish(d, p.instance)
		if err != nil {
			return Outcome{}, err
		}
		for _, disk := range p.disks {
			step, err := machine.DeleteDisk(machine.DiskOnHost(d, p.instance.Kaktus, disk.Pool), disk)
			if err != nil {
				return Outcome{}, err
			}
			steps = append(steps, step)
		}
		op, err := start(d, r, "delete", k.Project, k, model.Deleting, steps, p.objects()...)
		if err != nil {
			return Outcome{}, err
		}
		op.Forward, op.Done = true, gone(append(p.objects(), k)...)
		return Outcome{Operation: op}, nil
	})
}
