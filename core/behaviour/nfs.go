package behaviour

import (
	"net/netip"
	"regexp"
	"slices"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

func init() {
	register(model.KindNFS, catalogue.Create, "", createNFS)
	register(model.KindNFS, catalogue.Update, "", updateNFS)
	register(model.KindNFS, catalogue.Delete, "", remove(nil))
	register(model.KindNFS, catalogue.Action, "default", setDefaultNFS)
}

// exportPort is where the servers take orders about exports when nothing else is said.
const exportPort = 54934

// fsForm is what CephFS takes as the name of a file system.
var fsForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// createNFS makes the first NFS storage of a region its default.
func createNFS(d model.Draft, r *Request) (Outcome, error) {
	n := begin(r).(*model.NFS)
	region, ok := model.Find[*model.Region](d, n.Region)
	if !ok {
		return Outcome{}, fault.New(fault.NotFound, "there is no region %s", n.Region)
	}
	if n.Pool = r.Query.ID("poolId"); n.Pool == "" {
		if n.Pool = region.DefaultPool; n.Pool == "" {
			return Outcome{}, fault.Bad("poolId", "region %q has no default pool; name one, whose agents reach the file system", region.Name)
		}
	}
	if pool, ok := model.Find[*model.Pool](d, n.Pool); !ok || pool.Region != n.Region {
		return Outcome{}, fault.Bad("poolId", "the region has no pool %s", n.Pool)
	}
	if err := checkNFS(d, r, n); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(n); err != nil {
		return Outcome{}, err
	}
	if region.DefaultNFS == "" {
		region = model.Edit(region)
		region.DefaultNFS = n.ID
		if err := d.Put(region); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Object: n.ID}, nil
}

func checkNFS(_ model.Draft, _ *Request, o model.Object) error {
	n := o.(*model.NFS)
	if n.Endpoint == "" {
		return fault.Bad("endpoint", "must be the name that clients mount from")
	}
	if err := checkDomain("endpoint", n.Endpoint); err != nil {
		return err
	}
	if n.FS == "" {
		n.FS = "nfs"
	}
	if !fsForm.MatchString(n.FS) {
		return fault.Bad("fs", "%q is no name of a file system: at most 63 letters, digits, dots, dashes and underscores", n.FS)
	}
	if n.Port == 0 {
		n.Port = exportPort
	}
	if len(n.Backends) == 0 {
		return fault.Bad("backends", "must list at least one server that exports the file system")
	}
	for i, server := range n.Backends {
		if _, err := netip.ParseAddr(server); err != nil {
			if server == "" || checkDomain("", server) != nil {
				return fault.Bad("backends", "%q is neither an address nor a host name", server)
			}
		}
		for _, other := range n.Backends[:i] {
			if other == server {
				return fault.Bad("backends", "names %s twice", server)
			}
		}
	}
	return nil
}

// updateNFS moves the exports of the shares that are there when the servers change, all of them or none.
func updateNFS(d model.Draft, r *Request) (Outcome, error) {
	old, n := r.Target.(*model.NFS), r.Object.(*model.NFS)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if err := checkNFS(d, r, n); err != nil {
		return Outcome{}, err
	}
	var steps []operation.Step
	var shares []model.Object
	for k := range model.By[*model.Kylo](d, "nfs", n.ID) {
		if n.FS != old.FS {
			return Outcome{}, &fault.Error{Code: fault.Conflict, Field: "fs", Message: "shares such as kylo " + k.Name + " are in file system " + old.FS + "; delete them first"}
		}
		if n.Port == old.Port && slices.Equal(n.Backends, old.Backends) {
			break
		}
		if err := idle(k); err != nil {
			return Outcome{}, err
		}
		step, err := reexport(d, k, old, k, n)
		if err != nil {
			return Outcome{}, err
		}
		steps, shares = append(steps, step), append(shares, k)
	}
	if len(steps) == 0 {
		return Outcome{Object: n.ID}, d.Put(n)
	}
	op, err := start(d, r, "update", "", n, model.Updating, steps, shares...)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = ready(append(shares, n)...)
	op.Undone = append(ready(shares...), patch(n, map[string]any{"backends": old.Backends, "port": old.Port}))
	return Outcome{Object: n.ID, Operation: op}, nil
}

// setDefaultNFS makes an NFS storage the one that shares of its region go to when nothing else is said.
func setDefaultNFS(d model.Draft, r *Request) (Outcome, error) {
	n := r.Target.(*model.NFS)
	region, ok := model.Find[*model.Region](d, r.Path["regionId"])
	if !ok || n.Region != region.ID {
		return Outcome{}, fault.New(fault.NotFound, "region %s has no NFS storage %s", r.Path["regionId"], n.ID)
	}
	region = model.Edit(region)
	region.DefaultNFS = n.ID
	return Outcome{}, d.Put(region)
}
