package behaviour

import (
	"slices"

	"kowabunga/core/account"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

func init() {
	register(model.KindProject, catalogue.Create, "", createProject)
	register(model.KindProject, catalogue.Update, "", updateProject)
	register(model.KindProject, catalogue.Delete, "", deleteProject)
}

func createProject(d model.Draft, r *Request) (Outcome, error) {
	p := begin(r).(*model.Project)
	if err := checkProject(p); err != nil {
		return Outcome{}, err
	}
	belong(d, r, &p.Organization)
	if err := projectWithin(d, nil, p); err != nil {
		return Outcome{}, err
	}
	if p.BootstrapUser == "" {
		p.BootstrapUser = r.Config.BootstrapUser
	}
	if p.BootstrapPubkey == "" {
		p.BootstrapPubkey = r.Config.BootstrapPubkey
	}
	if err := d.Put(p); err != nil {
		return Outcome{}, err
	}
	size := int64(ipam.DefaultProject)
	if n, ok := r.Query.Int("subnetSize"); ok {
		size = n
	}
	if err := settle(d, r, p, p.Regions, size); err != nil {
		return Outcome{}, err
	}
	return Outcome{Object: p.ID}, account.TellProject(d, r.account(), p)
}

func checkProject(p *model.Project) error {
	if err := checkDomain("domain", p.Domain); err != nil {
		return err
	}
	if err := distinct("teams", p.Teams); err != nil {
		return err
	}
	return distinct("regions", p.Regions)
}

// settle gives the project a subnet and its gateways in each of the regions.
func settle(d model.Draft, r *Request, p *model.Project, regions []model.ID, size int64) error {
	for _, region := range regions {
		s, err := ipam.ProjectSubnet(d, region, int(size), r.Trace)
		if err != nil {
			return err
		}
		var zones []model.ID
		for z := range model.By[*model.Zone](d, "region", region) {
			zones = append(zones, z.ID)
		}
		p = model.Edit(p)
		if p.Gateways, err = ipam.Gateways(d, s, zones, p.Gateways); err != nil {
			return err
		}
		s = model.Edit(s)
		s.Project = p.ID
		if err := d.Put(s); err != nil {
			return err
		}
	}
	return d.Put(p)
}

// updateProject gives the project subnets in regions it newly lists and takes those of regions it no
// longer lists, when nothing of it is left there.
func updateProject(d model.Draft, r *Request) (Outcome, error) {
	old, p := r.Target.(*model.Project), r.Object.(*model.Project)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if err := checkProject(p); err != nil {
		return Outcome{}, err
	}
	if err := projectWithin(d, old, p); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(p); err != nil {
		return Outcome{}, err
	}
	if err := changeDomain(d, old, p); err != nil {
		return Outcome{}, err
	}
	size := int64(ipam.DefaultProject)
	for s := range model.By[*model.Subnet](d, "project", p.ID) {
		region := regionOf(d, s)
		if bits := prefixLength(s.CIDR); bits > 0 {
			size = bits
		}
		if slices.Contains(p.Regions, region) {
			continue
		}
		if err := deserted(d, p, region, s); err != nil {
			return Outcome{}, err
		}
		s = model.Edit(s)
		s.Project = ""
		if err := d.Put(s); err != nil {
			return Outcome{}, err
		}
		p = model.Edit(p)
		p.Gateways = slices.DeleteFunc(slices.Clone(p.Gateways), func(g model.Gateway) bool {
			z, ok := model.Find[*model.Zone](d, g.Zone)
			return !ok || z.Region == region
		})
	}
	var added []model.ID
	for _, region := range p.Regions {
		if !slices.Contains(old.Regions, region) {
			added = append(added, region)
		}
	}
	return Outcome{Object: p.ID}, settle(d, r, p, added, size)
}

// changeDomain takes the project's records along to its new domain, where its machines must not meet
// somebody else's.
func changeDomain(d model.Draft, old, p *model.Project) error {
	if p.Domain == old.Domain {
		return nil
	}
	if err := moveRecords(d, model.KindProject, p.ID, p.Domain); err != nil {
		return err
	}
	for machine := range model.By[*model.Instance](d, "project", p.ID) {
		if err := noRecord(d, p.Domain, machine.Name); err != nil {
			return &fault.Error{Code: fault.Conflict, Field: "domain", Message: fault.From(err).Public()}
		}
	}
	return nil
}

func regionOf(v model.View, s *model.Subnet) model.ID {
	n, _ := model.Find[*model.VNet](v, s.VNet)
	if n == nil {
		return ""
	}
	return n.Region
}

// deserted refuses to take a region from a project that still has something there.
func deserted(v model.View, p *model.Project, region model.ID, s *model.Subnet) error {
	for disk := range model.By[*model.Volume](v, "project", p.ID) {
		if disk.Region == region {
			return fault.Bad("regions", "the project still has volume %q in region %s; delete it first", disk.Name, region)
		}
	}
	for machine := range model.By[*model.Instance](v, "project", p.ID) {
		if z, ok := model.Find[*model.Zone](v, machine.Zone); ok && z.Region == region {
			return fault.Bad("regions", "the project still has instance %q in region %s; delete it first", machine.Name, region)
		}
	}
	if k := gatewayIn(v, p.ID, region); k != nil {
		return fault.Bad("regions", "the project still has gateway %q in region %s; delete it first", k.Name, region)
	}
	for k := range model.By[*model.Konvey](v, "project", p.ID) {
		if k.Region == region {
			return fault.Bad("regions", "the project still has load balancer %q in region %s; delete it first", k.Name, region)
		}
	}
	for k := range model.By[*model.Kylo](v, "project", p.ID) {
		if k.Region == region {
			return fault.Bad("regions", "the project still has kylo %q in region %s; delete it first", k.Name, region)
		}
	}
	for k := range model.By[*model.Kawaii](v, "project", p.ID) {
		if k.Region == region {
			return fault.Bad("regions", "the project still has kawaii %q in region %s; delete it first", k.Name, region)
		}
	}
	for k := range model.By[*model.Konvey](v, "project", p.ID) {
		if k.Region == region {
			return fault.Bad("regions", "the project still has konvey %q in region %s; delete it first", k.Name, region)
		}
	}
	for a := range model.By[*model.Adapter](v, "subnet", s.ID) {
		return fault.Bad("regions", "the project still has adapter %q in region %s; delete it first", a.Name, region)
	}
	return nil
}
