package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/machine"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

func init() {
	register(model.KindInstance, catalogue.Action, "reseed", func(d model.Draft, r *Request) (Outcome, error) {
		return reseed(d, r, r.Target.(*model.Instance))
	})
	register(model.KindKompute, catalogue.Action, "reseed", func(d model.Draft, r *Request) (Outcome, error) {
		k := r.Target.(*model.Kompute)
		o, ok := model.Find[*model.Instance](d, k.Instance)
		if !ok {
			return Outcome{}, fault.New(fault.Conflict, "kompute %q has no machine yet", k.Name)
		}
		return reseed(d, r, o, k)
	})
}

// reseed writes a machine's configuration disk from what is known now, with a new secret for its metadata.
// The machine reads the disk when it next starts. shown are further objects that are busy meanwhile.
func reseed(d model.Draft, r *Request, o *model.Instance, shown ...model.Object) (Outcome, error) {
	for _, other := range append([]model.Object{o}, shown...) {
		if err := idle(other); err != nil {
			return Outcome{}, err
		}
	}
	chance := machine.DrawChance(r.Draw)
	step, err := machine.Reseed(d, o, chance, r.Config.Metadata)
	if err != nil {
		return Outcome{}, err
	}
	var target model.Object = o
	if len(shown) > 0 {
		target, shown = shown[0], append([]model.Object{o}, shown[1:]...)
	}
	op, err := start(d, r, "reseed", o.Project, target, model.Updating, []operation.Step{step}, shown...)
	if err != nil {
		return Outcome{}, err
	}
	all := ready(append(shown, target)...)
	// The old secret counts until the disk is known to be written. Should its host have written it and then
	// been given up on, the machine is refused after its next start until it is reseeded again.
	op.Done = append(all, patch(o, map[string]any{"secretHash": metadata.Hash(chance.Secret)}))
	op.Undone = all
	return Outcome{Operation: op}, nil
}
