package behaviour

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// A team is a list of users. It can go while it has users, not while a project lists it.
func init() {
	register(model.KindTeam, catalogue.Create, "", insert(checkTeam))
	register(model.KindTeam, catalogue.Update, "", replace(checkTeam))
	register(model.KindTeam, catalogue.Delete, "", remove(nil))
}

func checkTeam(_ model.Draft, _ *Request, o model.Object) error {
	if err := checkPeopleName(o.Base().Name); err != nil {
		return err
	}
	return distinct("users", o.(*model.Team).Users)
}
