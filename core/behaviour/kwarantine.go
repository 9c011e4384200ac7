package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// A group says how its members are placed from now on; nothing moves because of it. When it goes, its
// members are free again.
func init() {
	register(model.KindKwarantine, catalogue.Create, "", insert(nil))
	register(model.KindKwarantine, catalogue.Update, "", replace(nil))
	register(model.KindKwarantine, catalogue.Delete, "", remove(nil))
}
