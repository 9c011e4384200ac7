package behaviour

import (
	"slices"

	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/quota"
	"kowabunga/core/trace"
)

func init() {
	register(model.KindKylo, catalogue.Create, "", createKylo)
	register(model.KindKylo, catalogue.Update, "", updateKylo)
	register(model.KindKylo, catalogue.Delete, "", deleteKylo)
}

// The ids that exports of shares have at their servers; what is below is for exports made by hand.
const (
	firstExport = 100
	lastExport  = 65000
)

func createKylo(d model.Draft, r *Request) (Outcome, error) {
	k := begin(r).(*model.Kylo)
	if err := checkKylo(k); err != nil {
		return Outcome{}, err
	}
	n, err := shareStorage(d, k.Region, r.Query.ID("nfsId"))
	if err != nil {
		return Outcome{}, err
	}
	k.NFS = n.ID
	r.Trace.Add("nfs", n.ID, trace.Given, "%s at %s", n.Name, n.Endpoint)
	if k.ExportID, err = freeExport(d, n); err != nil {
		return Outcome{}, err
	}
	// How large it will be nobody knows; where nothing is left there is no room for a first file either.
	if err := quota.Check(d, k.Project, model.Resources{Storage: 1}, r.Trace); err != nil {
		return Outcome{}, err
	}
	to, share, err := export(d, k, n)
	if err != nil {
		return Outcome{}, err
	}
	if len(share.Clients) == 0 {
		return Outcome{}, fault.New(fault.Conflict, "project %s has no subnet in the region whose machines could mount a share", k.Project)
	}
	op, err := start(d, r, "create", k.Project, k, model.Creating, []operation.Step{{Name: "create share " + k.Name,
		Do:   to.Call(agentproto.MethodShareCreate, shareTime, share),
		Undo: to.Call(agentproto.MethodShareDelete, shareTime, share)}})
	if err != nil {
		return Outcome{}, err
	}
	op.Done = []operation.Effect{{Do: operation.Take, Kind: k.Kind(), ID: k.ID, Step: 0, Take: []string{"size"}}}
	op.Undone = gone(k)
	return Outcome{Object: k.ID, Operation: op}, nil
}

// shareTime bounds one attempt of a call about a share, in milliseconds. Removing the files of a large
// one takes its time.
const shareTime = 600_000

func checkKylo(k *model.Kylo) error {
	if err := hostname("name", k.Name); err != nil {
		return err
	}
	if k.Access == "" {
		k.Access = "RW"
	}
	if len(k.Protocols) == 0 {
		k.Protocols = []int64{3, 4}
	}
	for i, version := range k.Protocols {
		if slices.Contains(k.Protocols[:i], version) {
			return fault.Bad("protocols", "names %d twice", version)
		}
	}
	return nil
}

// shareStorage is the NFS storage a new share goes to: the one asked for, or the region's default.
func shareStorage(v model.View, region, asked model.ID) (*model.NFS, error) {
	if asked == "" {
		r, ok := model.Find[*model.Region](v, region)
		if !ok {
			return nil, fault.New(fault.NotFound, "there is no region %s", region)
		}
		if asked = r.DefaultNFS; asked == "" {
			return nil, fault.Bad("nfsId", "region %q has no default NFS storage; name one", r.Name)
		}
	}
	n, ok := model.Find[*model.NFS](v, asked)
	if !ok || n.Region != region {
		return nil, fault.Bad("nfsId", "the region has no NFS storage %s", asked)
	}
	// While its servers change nobody knows which a new share would be exported at.
	return n, idle(n)
}

// freeExport is the lowest export id that no share of the storage has.
func freeExport(v model.View, n *model.NFS) (int64, error) {
	var taken []int64
	for k := range model.By[*model.Kylo](v, "nfs", n.ID) {
		taken = append(taken, k.ExportID)
	}
	slices.Sort(taken)
	next := int64(firstExport)
	for _, id := range taken {
		if id == next {
			next++
		}
	}
	if next > lastExport {
		return 0, fault.New(fault.Exhausted, "NFS storage %q has no export id left; delete shares or use another", n.Name)
	}
	return next, nil
}

// export is what the agents of the storage's pool are told of a share: the subnets of its project in the
// region may mount it.
func export(v model.View, k *model.Kylo, n *model.NFS) (machine.To, agentproto.Share, error) {
	share := agentproto.Share{ShareRef: agentproto.ShareRef{Pool: string(n.Pool), FS: n.FS, Share: string(k.ID)},
		Export: k.ExportID, Access: k.Access, Protocols: k.Protocols, Clients: []string{}, Backends: n.Backends, Port: n.Port}
	for s := range model.By[*model.Subnet](v, "project", k.Project) {
		if regionOf(v, s) == k.Region {
			share.Clients = append(share.Clients, s.CIDR)
		}
	}
	pool, ok := model.Find[*model.Pool](v, n.Pool)
	if !ok {
		return machine.To{}, share, fault.New(fault.Internal, "pool %s is gone", n.Pool)
	}
	to := machine.InPool(pool)
	return to, share, to.Reached("the pool of NFS storage " + n.Name)
}

// updateKylo exports the share anew when how it is exported changes. A new name touches nothing: clients
// mount it by its id.
func updateKylo(d model.Draft, r *Request) (Outcome, error) {
	old, k := r.Target.(*model.Kylo), r.Object.(*model.Kylo)
	if err := idle(old); err != nil {
		return Outcome{}, err
	}
	if err := checkKylo(k); err != nil {
		return Outcome{}, err
	}
	if k.Access == old.Access && slices.Equal(k.Protocols, old.Protocols) {
		return Outcome{Object: k.ID}, d.Put(k)
	}
	n, ok := model.Find[*model.NFS](d, old.NFS)
	if !ok {
		return Outcome{}, fault.New(fault.Internal, "NFS storage %s is gone", old.NFS)
	}
	step, err := reexport(d, old, n, k, n)
	if err != nil {
		return Outcome{}, err
	}
	op, err := start(d, r, "update", k.Project, k, model.Updating, []operation.Step{step})
	if err != nil {
		return Outcome{}, err
	}
	op.Done = ready(k)
	op.Undone = []operation.Effect{patch(k, map[string]any{"access": old.Access, "protocols": old.Protocols})}
	return Outcome{Object: k.ID, Operation: op}, nil
}

// reexport is the step that exports a share in another way or at other servers, and back when undone.
func reexport(v model.View, old *model.Kylo, was *model.NFS, k *model.Kylo, n *model.NFS) (operation.Step, error) {
	to, before, err := export(v, old, was)
	if err != nil {
		return operation.Step{}, err
	}
	_, after, err := export(v, k, n)
	if err != nil {
		return operation.Step{}, err
	}
	after.Former = &agentproto.Servers{Backends: before.Backends, Port: before.Port}
	before.Former = &agentproto.Servers{Backends: after.Backends, Port: after.Port}
	return operation.Step{Name: "export share " + k.Name,
		Do:   to.Call(agentproto.MethodShareUpdate, shareTime, after),
		Undo: to.Call(agentproto.MethodShareUpdate, shareTime, before)}, nil
}

func deleteKylo(d model.Draft, r *Request) (Outcome, error) {
	k := r.Target.(*model.Kylo)
	return cancelOr(d, k, func() (Outcome, error) {
		step, err := deleteShare(d, k)
		if err != nil {
			return Outcome{}, err
		}
		op, err := start(d, r, "delete", k.Project, k, model.Deleting, []operation.Step{step})
		if err != nil {
			return Outcome{}, err
		}
		op.Forward, op.Done = true, gone(k)
		return Outcome{Operation: op}, nil
	})
}

// deleteShare is the step that withdraws a share's export and removes its data.
func deleteShare(v model.View, k *model.Kylo) (operation.Step, error) {
	n, ok := model.Find[*model.NFS](v, k.NFS)
	if !ok {
		return operation.Step{}, fault.New(fault.Internal, "NFS storage %s is gone", k.NFS)
	}
	to, share, err := export(v, k, n)
	return operation.Step{Name: "delete share " + k.Name, Do: to.Call(agentproto.MethodShareDelete, shareTime, share)}, err
}
