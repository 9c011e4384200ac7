package operate

import (
	"errors"
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// Named makes a request declarative: what has the name is updated by the request's operation, and where
// nothing has, it is created. Which of both is decided in the transaction, so that of two such requests at
// once one creates and the other updates.
type Named struct {
	Name   string
	Create *catalogue.Op           // nil when the object cannot be created by this request
	Path   map[string]model.ID     // of Create
	Within map[model.Kind]model.ID // parents that were named
	// Find looks for the object the caller means; its fault is NotFound when there is none he may know of.
	Find func(v model.View) (model.Object, error)
	// Missing says, in the fault of a creation that cannot be, what the request would need for one.
	Missing string
}

// resolve gives the request its operation and path, and tells whether it creates.
func (n *Named) resolve(v model.View, r *Request) (creates bool, err error) {
	o, err := n.Find(v)
	switch {
	case err == nil:
		r.Path = map[string]model.ID{r.Op.Target(): o.Base().ID}
		return false, nil
	case !fault.Is(err, fault.NotFound):
		return false, err
	case n.Create == nil:
		f := *fault.From(err)
		if n.Missing != "" {
			f.Message += "; " + n.Missing
		}
		return false, &f
	}
	r.Op, r.Path = n.Create, n.Path
	return true, nil
}

// waitsFor is the operation that a request by name, whose caller waits, lets end first.
func waitsFor(v model.View, r Request, target model.Object) model.ID {
	if r.Named == nil || !r.Wait || target == nil || target.Base().Phase == model.Ready {
		return ""
	}
	if op, ok := model.Find[*operation.Operation](v, target.Base().Operation); ok && !op.State.Final() {
		return op.ID
	}
	return ""
}

// ErrChanged is the cause of the fault (Conflict) for an object that is not as the caller said it was.
var ErrChanged = errors.New("a condition of the request does not hold")

// Match is what the caller says of the object before the request. The zero value says nothing.
type Match struct {
	Absent   bool     // there is none
	Present  bool     // there is one
	Versions []uint64 // it has one of these versions
}

// check tells whether what was said holds for the object a request finds, nil for none.
func (m Match) check(o model.Object) error {
	var text string
	switch {
	case o == nil && (m.Present || m.Versions != nil):
		text = "there is no such object to be changed"
	case o != nil && m.Absent:
		text = "there is such an object already"
	case o != nil && m.Versions != nil && !slices.Contains(m.Versions, o.Base().Version):
		text = "somebody changed the object since you read it; read it again"
	default:
		return nil
	}
	return &fault.Error{Code: fault.Conflict, Message: text, Err: ErrChanged}
}

// names finds the objects that a body names instead of giving their ids, among those the caller may know
// of. Faults: Invalid, in the words that an unknown id is refused with.
func names(v model.View, r Request) func(kind model.Kind, name string) (model.ID, error) {
	return func(kind model.Kind, name string) (id model.ID, err error) {
		k := catalogue.Of(kind)
		scope := access.NewScope(v, r.Who)
		if k.OneByName() {
			if o, ok := v.One(kind, "name", name); ok && scope.Visible(o) {
				return o.Base().ID, nil
			}
			return "", fault.New(fault.Invalid, "no such %s", kind)
		}
		for o := range v.All(kind) {
			if o.Base().Name != name || !scope.Visible(o) {
				continue
			}
			if id != "" {
				return "", fault.New(fault.Invalid, "several objects of kind %s have this name; use the id", kind)
			}
			id = o.Base().ID
		}
		if id == "" {
			return "", fault.New(fault.Invalid, "no such %s", kind)
		}
		return id, nil
	}
}
