package behaviour

import (
	"net/url"
	"regexp"

	"kowabunga/core/agentproto"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/trace"
)

func init() {
	register(model.KindPool, catalogue.Create, "", createPool)
	register(model.KindPool, catalogue.Update, "", replace(changePool))
	register(model.KindPool, catalogue.Delete, "", remove(nil))
	register(model.KindTemplate, catalogue.Create, "", createTemplate)
	register(model.KindTemplate, catalogue.Update, "", replace(nil))
	register(model.KindTemplate, catalogue.Delete, "", deleteTemplate)
	register(model.KindTemplate, catalogue.Action, "default", setDefaultTemplate)
}

var poolForm = regexp.MustCompile(`^(dir:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// createPool makes the first pool of a region its default.
func createPool(d model.Draft, r *Request) (Outcome, error) {
	pool := begin(r).(*model.Pool)
	if err := checkPool(d, r, pool); err != nil {
		return Outcome{}, err
	}
	if err := d.Put(pool); err != nil {
		return Outcome{}, err
	}
	region, ok := model.Find[*model.Region](d, pool.Region)
	if ok && region.DefaultPool == "" {
		region = model.Edit(region)
		region.DefaultPool = pool.ID
		if err := d.Put(region); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Object: pool.ID}, nil
}

func checkPool(d model.Draft, _ *Request, o model.Object) error {
	pool := o.(*model.Pool)
	if !poolForm.MatchString(pool.Pool) {
		return fault.Bad("pool", "%q is neither the name of an RBD pool nor \"dir:\" and the name of a directory pool", pool.Pool)
	}
	if pool.CephPort == 0 {
		pool.CephPort = 3300
	}
	if pool.Cost.Price < 0 {
		return fault.Bad("cost.price", "must not be negative")
	}
	if err := kaktusAgents(d, pool.Agents); err != nil {
		return err
	}
	_, err := directoryHost(d, pool)
	return err
}

// directoryHost is the host of a directory pool, empty while none has an agent of it and for other
// pools. A directory's disks are on one host; agents of several would each look into a directory of
// their own.
func directoryHost(v model.View, pool *model.Pool) (model.ID, error) {
	if _, local := pool.Directory(); !local {
		return "", nil
	}
	var host model.ID
	for _, id := range pool.Agents {
		for k := range model.By[*model.Kaktus](v, "agent", id) {
			if host != "" && k.ID != host {
				return "", fault.Bad("agents", "serve several hosts; a directory pool lives on one")
			}
			host = k.ID
		}
	}
	return host, nil
}

// changePool keeps a directory pool that holds something where it is.
func changePool(d model.Draft, r *Request, o model.Object) error {
	if err := checkPool(d, r, o); err != nil {
		return err
	}
	pool := o.(*model.Pool)
	before, err := directoryHost(d, r.Target.(*model.Pool))
	if err != nil || before == "" {
		return nil
	}
	if after, err := directoryHost(d, pool); err != nil || after == "" || after == before {
		return err
	}
	moved := func(what string, o model.Object) error {
		return &fault.Error{Code: fault.Conflict, Field: "agents", Message: "are those of another host, and " + what + " " + o.Base().Name + " is in the directory of the present one"}
	}
	for t := range model.By[*model.Template](d, "pool", pool.ID) {
		return moved("template", t)
	}
	for disk := range model.By[*model.Volume](d, "pool", pool.ID) {
		return moved("volume", disk)
	}
	return nil
}

// createTemplate imports the image before it answers. The first template of a pool becomes its default.
func createTemplate(d model.Draft, r *Request) (Outcome, error) {
	t := begin(r).(*model.Template)
	pool, ok := model.Find[*model.Pool](d, t.Pool)
	if !ok {
		return Outcome{}, fault.New(fault.NotFound, "there is no pool %s", t.Pool)
	}
	source, sum, err := checkSource(t.Source)
	if err != nil {
		return Outcome{}, err
	}
	to := machine.InPool(pool)
	if err := to.Reached("the pool"); err != nil {
		return Outcome{}, err
	}
	ref := agentproto.ImageRef{Pool: string(pool.ID), Image: string(t.ID)}
	steps := []operation.Step{{Name: "import image",
		Do:   to.Call(agentproto.MethodImageImport, int64(importTime), agentproto.ImageImport{ImageRef: ref, Source: source, SHA256: sum}),
		Undo: to.Call(agentproto.MethodImageDelete, 0, ref)}}
	r.Trace.Add("pool", pool.ID, trace.Given, "%s", pool.Name)
	op, err := start(d, r, "create", "", t, model.Creating, steps)
	if err != nil {
		return Outcome{}, err
	}
	op.Done = []operation.Effect{
		{Do: operation.Take, Kind: t.Kind(), ID: t.ID, Step: 0, Take: []string{"sha256", "size"}},
		{Do: operation.First, Kind: t.Kind(), ID: t.ID},
	}
	op.Undone = gone(t)
	return Outcome{Object: t.ID, Operation: op}, nil
}

// importTime bounds one attempt of an import, in milliseconds: six hours.
const importTime = 6 * 3600 * 1000

var sumForm = regexp.MustCompile(`^sha256=([0-9a-f]{64})$`)

// checkSource splits a template's source into the URL to fetch and the digest its fragment may carry.
func checkSource(source string) (string, string, error) {
	u, err := url.Parse(source)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") || u.Opaque != "" {
		return "", "", fault.Bad("source", "is no URL with http, https or file")
	}
	if (u.Scheme == "file") != (u.Host == "") {
		return "", "", fault.Bad("source", "a file URL has three slashes, others name a host")
	}
	sum := ""
	if u.Fragment != "" {
		m := sumForm.FindStringSubmatch(u.Fragment)
		if m == nil {
			return "", "", fault.Bad("source", "the part after # can only be sha256= and 64 hexadecimal digits")
		}
		sum = m[1]
		u.Fragment = ""
	}
	return u.String(), sum, nil
}

func deleteTemplate(d model.Draft, r *Request) (Outcome, error) {
	t := r.Target.(*model.Template)
	return cancelOr(d, t, func() (Outcome, error) {
		for disk := range model.By[*model.Volume](d, "template", t.ID) {
			return Outcome{}, fault.New(fault.Conflict, "template %q still has disks that are copies of it, such as volume %q", t.Name, disk.Name)
		}
		pool, ok := model.Find[*model.Pool](d, t.Pool)
		if !ok {
			return Outcome{}, fault.New(fault.Internal, "pool %s is gone", t.Pool)
		}
		to := machine.InPool(pool)
		if err := to.Reached("the pool"); err != nil {
			return Outcome{}, err
		}
		ref := agentproto.ImageRef{Pool: string(pool.ID), Image: string(t.ID)}
		op, err := start(d, r, "delete", "", t, model.Deleting, []operation.Step{{Name: "delete image",
			Do: to.Call(agentproto.MethodImageDelete, 0, ref)}})
		if err != nil {
			return Outcome{}, err
		}
		op.Forward, op.Done = true, gone(t)
		return Outcome{Operation: op}, nil
	})
}

func setDefaultTemplate(d model.Draft, r *Request) (Outcome, error) {
	t := r.Target.(*model.Template)
	pool, ok := model.Find[*model.Pool](d, r.Path["poolId"])
	if !ok || t.Pool != pool.ID {
		return Outcome{}, fault.New(fault.NotFound, "pool %s has no template %s", r.Path["poolId"], t.ID)
	}
	if err := idle(t); err != nil {
		return Outcome{}, err
	}
	pool = model.Edit(pool)
	pool.DefaultTemplate = t.ID
	return Outcome{}, d.Put(pool)
}
