package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A Kiwi may be declared before it has agents; it then serves nobody yet.
func init() {
	register(model.KindKiwi, catalogue.Create, "", insert(checkKiwi))
	register(model.KindKiwi, catalogue.Update, "", replace(checkKiwi))
	register(model.KindKiwi, catalogue.Delete, "", remove(nil))
}

func checkKiwi(d model.Draft, _ *Request, o model.Object) error {
	k := o.(*model.Kiwi)
	if err := agentsOf(d, "Kiwi", k.Agents); err != nil {
		return err
	}
	for _, id := range k.Agents {
		for other := range model.By[*model.Kiwi](d, "agent", id) {
			if other.ID != k.ID {
				return fault.Bad("agents", "agent %s serves kiwi %q already; a gateway has its own agents", id, other.Name)
			}
		}
	}
	return nil
}
