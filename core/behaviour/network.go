package behaviour

import (
	"regexp"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
)

func init() {
	register(model.KindVNet, catalogue.Create, "", insert(checkVNet))
	register(model.KindVNet, catalogue.Update, "", replace(changeVNet))
	register(model.KindVNet, catalogue.Delete, "", remove(nil))
	register(model.KindSubnet, catalogue.Create, "", createSubnet)
	register(model.KindSubnet, catalogue.Update, "", replace(func(d model.Draft, r *Request, o model.Object) error {
		return ipam.CheckUpdate(d, r.Target.(*model.Subnet), o.(*model.Subnet))
	}))
	register(model.KindSubnet, catalogue.Delete, "", remove(freeSubnet))
	register(model.KindSubnet, catalogue.Action, "default", setDefaultSubnet)
}

// interfaceForm is what Linux takes as the name of an interface (dev_valid_name): at most 15 bytes,
// no slash, colon or blank; we ask for plain ASCII besides.
var interfaceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

func checkVNet(d model.Draft, _ *Request, o model.Object) error {
	n := o.(*model.VNet)
	if !interfaceForm.MatchString(n.Interface) {
		return fault.Bad("interface", "%q is no name of a bridge: at most 15 letters, digits, dots, dashes and underscores", n.Interface)
	}
	for other := range model.By[*model.VNet](d, "region", n.Region) {
		if other.ID != n.ID && other.Interface == n.Interface {
			return fault.Bad("interface", "vnet %q of this region uses bridge %s already", other.Name, n.Interface)
		}
	}
	return nil
}

// changeVNet refuses another bridge while machines are plugged into the present one: their definitions
// name it, and the hosts would take it away.
func changeVNet(d model.Draft, r *Request, o model.Object) error {
	n, old := o.(*model.VNet), r.Target.(*model.VNet)
	if err := ipam.CheckVLAN(d, old, n); err != nil {
		return err
	}
	if n.Interface == old.Interface {
		return checkVNet(d, r, o)
	}
	for s := range model.By[*model.Subnet](d, "vnet", n.ID) {
		for a := range model.By[*model.Adapter](d, "subnet", s.ID) {
			for machine := range model.By[*model.Instance](d, "adapter", a.ID) {
				return &fault.Error{Code: fault.Conflict, Field: "interface",
					Message: "instance " + machine.Name + " is plugged into bridge " + old.Interface + "; detach the machines of this vnet first"}
			}
		}
	}
	return checkVNet(d, r, o)
}

// createSubnet makes the first subnet of a vnet its default.
func createSubnet(d model.Draft, r *Request) (Outcome, error) {
	s := begin(r).(*model.Subnet)
	n, ok := model.Find[*model.VNet](d, s.VNet)
	if !ok {
		return Outcome{}, fault.New(fault.NotFound, "there is no vnet %s", s.VNet)
	}
	if err := ipam.CheckSubnet(d, s, n); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(s); err != nil {
		return Outcome{}, err
	}
	if n.DefaultSubnet == "" {
		n = model.Edit(n)
		n.DefaultSubnet = s.ID
		if err := d.Put(n); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Object: s.ID}, nil
}

// freeSubnet refuses to delete a subnet that a project owns.
func freeSubnet(d model.Draft, _ *Request, o model.Object) error {
	s := o.(*model.Subnet)
	if p, ok := model.Find[*model.Project](d, s.Project); ok {
		return fault.New(fault.Conflict, "subnet %q belongs to project %q; delete the project or take the region from it first", s.Name, p.Name)
	}
	return nil
}

func setDefaultSubnet(d model.Draft, r *Request) (Outcome, error) {
	s := r.Target.(*model.Subnet)
	n, ok := model.Find[*model.VNet](d, r.Path["vnetId"])
	if !ok || s.VNet != n.ID {
		return Outcome{}, fault.New(fault.NotFound, "vnet %s has no subnet %s", r.Path["vnetId"], s.ID)
	}
	n = model.Edit(n)
	n.DefaultSubnet = s.ID
	return Outcome{}, d.Put(n)
}

func init() {
	register(model.KindAdapter, catalogue.Create, "", createAdapter)
	register(model.KindAdapter, catalogue.Update, "", replace(changeAdapter))
	register(model.KindAdapter, catalogue.Delete, "", remove(func(_ model.Draft, _ *Request, o model.Object) error {
		return ownAdapter(o.(*model.Adapter))
	}))
}

func createAdapter(d model.Draft, r *Request) (Outcome, error) {
	a := begin(r).(*model.Adapter)
	s, ok := model.Find[*model.Subnet](d, a.Subnet)
	if !ok {
		return Outcome{}, fault.New(fault.NotFound, "there is no subnet %s", a.Subnet)
	}
	if p, ok := model.Find[*model.Project](d, s.Project); ok && p.Phase == model.Deleting {
		return Outcome{}, idle(p)
	}
	if a.MAC == "" {
		mac, err := ipam.MAC(d, r.Draw)
		if err != nil {
			return Outcome{}, err
		}
		a.MAC = mac
	}
	if err := checkCard(d, a, nil); err != nil {
		return Outcome{}, err
	}
	if len(a.Addresses) == 0 && r.Query.Bool("assignIP") {
		address, err := ipam.Pick(d, s, r.Trace)
		if err != nil {
			return Outcome{}, err
		}
		a.Addresses = []string{address.String()}
	}
	return Outcome{Object: a.ID}, d.Put(a)
}

// checkCard brings MAC and addresses into canonical form and checks them. The MAC of a stored adapter, old,
// is checked where something about it changes: one that came to be before a rule did keeps it.
func checkCard(d model.Draft, a, old *model.Adapter) error {
	if old == nil || a.MAC != old.MAC {
		mac, err := ipam.CanonicalMAC(a.MAC)
		if err != nil {
			return err
		}
		a.MAC = mac
	}
	if old == nil || a.MAC != old.MAC || a.Reserved != old.Reserved || a.Subnet != old.Subnet {
		if err := ipam.CheckMAC(d, a); err != nil {
			return err
		}
	}
	s, ok := model.Find[*model.Subnet](d, a.Subnet)
	if !ok {
		return fault.New(fault.NotFound, "there is no subnet %s", a.Subnet)
	}
	return ipam.CheckAddresses(d, s, a.ID, a.Addresses)
}

func changeAdapter(d model.Draft, r *Request, o model.Object) error {
	a, old := o.(*model.Adapter), r.Target.(*model.Adapter)
	if a.MAC == "" {
		a.MAC = old.MAC
	}
	if err := checkCard(d, a, old); err != nil {
		return err
	}
	if a.MAC == old.MAC && a.Reserved == old.Reserved && slices.Equal(a.Addresses, old.Addresses) {
		return nil
	}
	if err := ownAdapter(old); err != nil {
		return err
	}
	for machine := range model.By[*model.Instance](d, "adapter", a.ID) {
		return fault.New(fault.Conflict, "adapter %q is part of instance %q, whose guest knows its addresses; detach it first", old.Name, machine.Name)
	}
	return nil
}

// ownAdapter refuses to touch what came with a Kompute, a gateway or a load balancer.
func ownAdapter(a *model.Adapter) error {
	if a.Service != "" {
		return fault.New(fault.Conflict, "adapter %q is part of gateway or load balancer %s and goes with it", a.Name, a.Service)
	}
	if a.Kompute != "" {
		return fault.New(fault.Conflict, "adapter %q is part of kompute %s and changes with it", a.Name, a.Kompute)
	}
	return nil
}
