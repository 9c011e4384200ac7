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

func checkTeam(d model.Draft, r *Request, o model.Object) error {
	t := o.(*model.Team)
	if err := checkPeopleName(t.Name); err != nil {
		return err
	}
	if err := distinct("users", t.Users); err != nil {
		return err
	}
	if r.Target == nil {
		belong(d, r, &t.Organization)
	}
	return teamWithin(d, t)
}
