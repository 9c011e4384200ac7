package access

import (
	"iter"
	"slices"

	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// Visible tells whether the caller may know of an object. What is not visible to him does not exist for
// him: its id answers 404 and stands in no list.
func Visible(v model.View, who Identity, o model.Object) bool {
	if yes, settled := direct(v, who, o); settled {
		return yes
	}
	s := Scope{v: v, who: who}
	return s.referred(o)
}

// Hidden tells whether API v1 must not know of an object, whoever asks: creation is synchronous there, so
// one that is still being made does not exist, and the adapters of services are no objects there.
func Hidden(o model.Object) bool {
	if a, ok := o.(*model.Adapter); ok && a.Service != "" {
		return true
	}
	return o.Base().Phase == model.Creating
}

// Reserved tells whether nobody but a superAdmin ever sees an object of a kind: hosts and agents.
func Reserved(kind model.Kind) bool {
	return kind == model.KindKaktus || kind == model.KindKiwi || kind == model.KindAgent
}

// Acquainted tells whether the caller shares a team with a user. API v2 shows him the names of such
// users; in v1 they do not exist for him.
func Acquainted(v model.View, who Identity, user model.ID) bool {
	if who.User == "" {
		return false
	}
	for t := range model.By[*model.Team](v, "user", who.User) {
		if slices.Contains(t.Users, user) {
			return true
		}
	}
	return false
}

// Scope answers Visible for many objects of one view, for lists: what the caller's projects refer to is
// gathered once, when it is first asked for. It serves one goroutine.
type Scope struct {
	v       model.View
	who     Identity
	many    bool
	reached map[reference]struct{}
}

type reference struct {
	kind model.Kind
	id   model.ID
}

// NewScope prepares many questions about one view and caller.
func NewScope(v model.View, who Identity) *Scope { return &Scope{v: v, who: who, many: true} }

// Visible is the function of the same name for the scope's view and caller.
func (s *Scope) Visible(o model.Object) bool {
	if yes, settled := direct(s.v, s.who, o); settled {
		return yes
	}
	return s.referred(o)
}

// direct settles what follows from the caller and the object's own fields, without allocating: all of a
// superAdmin's questions and most of everybody's.
func direct(v model.View, who Identity, o model.Object) (yes, settled bool) {
	if _, inside := o.(*model.Setting); inside {
		return false, true // the installation's own, of no use to anybody outside
	}
	if who.SuperAdmin() {
		return true, true
	}
	if !who.Known() {
		return false, true
	}
	switch o := o.(type) {
	case *model.Region, *model.Zone:
		return true, true
	case *model.Project:
		return who.User != "" && (teamIn(v, who, o) != "" || leads(v, who, o.Organization)), true
	case *model.Organization:
		return within(v, who, o), true
	case *model.Instance:
		return Member(v, who, o.Project), true
	case *model.Kompute:
		return Member(v, who, o.Project), true
	case *model.Volume:
		return Member(v, who, o.Project), true
	case *model.Kawaii:
		return Member(v, who, o.Project), true
	case *model.IPsec:
		return Member(v, who, ProjectOf(v, o)), true
	case *model.Konvey:
		return Member(v, who, o.Project), true
	case *model.Node:
		return Member(v, who, o.Project), true
	case *model.Kylo:
		return Member(v, who, o.Project), true
	case *model.Record:
		return Member(v, who, o.Project), true // a region's are the installation's
	case *model.Kwarantine:
		return Member(v, who, o.Project), true
	case *operation.Operation:
		// Whoever has a whole project deleted follows that to its end, member or not, when it is gone.
		own := o.Target.Kind == model.KindProject && who.User != "" && o.ActorID == who.User
		return own || Member(v, who, o.Project), true
	case *model.Team:
		return who.User != "" && (slices.Contains(o.Users, who.User) || leads(v, who, o.Organization)), true
	case *model.User:
		return who.User != "" && (o.ID == who.User || leads(v, who, o.Organization)), true
	case *model.Token:
		return who.User != "" && o.User == who.User, true
	case *model.Session:
		return who.User != "" && o.User == who.User, true
	case *model.Adapter, *model.Subnet, *model.VNet, *model.Pool, *model.Template, *model.NFS:
		return false, false
	}
	return false, true // hosts and agents, and every kind nobody thought of here
}

// referred settles what depends on what else the caller's projects have.
func (s *Scope) referred(o model.Object) bool {
	switch o := o.(type) {
	case *model.Adapter:
		return s.adapter(o)
	case *model.Subnet:
		return Member(s.v, s.who, o.Project) || s.reaches(model.KindSubnet, o.ID)
	case *model.VNet:
		return s.reaches(model.KindVNet, o.ID)
	case *model.Pool:
		return s.uses(o.Region) || s.reaches(model.KindPool, o.ID)
	case *model.Template:
		p, ok := model.Find[*model.Pool](s.v, o.Pool)
		return ok && s.uses(p.Region) || s.reaches(model.KindTemplate, o.ID)
	case *model.NFS:
		return s.uses(o.Region) || s.reaches(model.KindNFS, o.ID)
	}
	return false
}

// adapter: on a subnet of his projects, or a card of one of their machines.
func (s *Scope) adapter(o *model.Adapter) bool {
	if Member(s.v, s.who, ProjectOf(s.v, o)) {
		return true
	}
	if o.Kompute != "" {
		if k, ok := model.Find[*model.Kompute](s.v, o.Kompute); ok && Member(s.v, s.who, k.Project) {
			return true
		}
	}
	for i := range model.By[*model.Instance](s.v, "adapter", o.ID) {
		if Member(s.v, s.who, i.Project) {
			return true
		}
	}
	return false
}

// uses tells whether one of the caller's projects may use a region.
func (s *Scope) uses(region model.ID) bool {
	if s.many {
		return s.reaches(model.KindRegion, region)
	}
	for p := range Projects(s.v, s.who) {
		if slices.Contains(p.Regions, region) {
			return true
		}
	}
	return false
}

// reaches tells whether something in the caller's projects refers to an object.
func (s *Scope) reaches(kind model.Kind, id model.ID) bool {
	if !s.many {
		for r := range references(s.v, s.who) {
			if r.kind == kind && r.id == id {
				return true
			}
		}
		return false
	}
	if s.reached == nil {
		s.reached = map[reference]struct{}{}
		for r := range references(s.v, s.who) {
			s.reached[r] = struct{}{}
		}
	}
	_, ok := s.reached[reference{kind, id}]
	return ok
}

// references yields the regions, subnets, vnets, pools and templates that the caller's projects and the
// resources in them refer to; some more than once.
func references(v model.View, who Identity) iter.Seq[reference] {
	return func(yield func(reference) bool) {
		segment := func(s *model.Subnet) bool {
			return yield(reference{model.KindSubnet, s.ID}) && yield(reference{model.KindVNet, s.VNet})
		}
		for p := range Projects(v, who) {
			for _, id := range p.Regions {
				if !yield(reference{model.KindRegion, id}) {
					return
				}
			}
			for s := range model.By[*model.Subnet](v, "project", p.ID) {
				if !segment(s) {
					return
				}
			}
			for i := range model.By[*model.Instance](v, "project", p.ID) {
				for _, id := range i.Adapters {
					a, ok := model.Find[*model.Adapter](v, id)
					if !ok {
						continue
					}
					if s, ok := model.Find[*model.Subnet](v, a.Subnet); ok && !segment(s) {
						return
					}
				}
			}
			for k := range model.By[*model.Kawaii](v, "project", p.ID) {
				if s, ok := model.Find[*model.Subnet](v, k.PublicSubnet); ok && !segment(s) {
					return
				}
				// A peering shows nothing of the other side before that has agreed to it.
				for i := range k.Peerings {
					if s, ok := model.Find[*model.Subnet](v, k.Peerings[i].Subnet); ok && len(k.Peerings[i].Legs) > 0 && !segment(s) {
						return
					}
				}
			}
			for k := range model.By[*model.Kylo](v, "project", p.ID) {
				if !yield(reference{model.KindNFS, k.NFS}) {
					return
				}
			}
			for d := range model.By[*model.Volume](v, "project", p.ID) {
				if !yield(reference{model.KindPool, d.Pool}) || d.Template != "" && !yield(reference{model.KindTemplate, d.Template}) {
					return
				}
			}
		}
	}
}
