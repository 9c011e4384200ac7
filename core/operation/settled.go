package operation

import (
	"kowabunga/core/lease"
	"kowabunga/core/model"
)

// RequestOf is the id of the present attempt at a step in a direction, "do" or "undo".
func (o *Operation) RequestOf(i int, direction string) string {
	return lease.StepID{Operation: string(o.ID), Step: i, Direction: direction, Attempt: o.Steps[i].Attempt}.Request()
}

// Order is the request under which an agent may be at work on a step; open is false where none is, or where
// it is not recorded which.
func (o *Operation) Order(i int) (request string, open bool) {
	s := &o.Steps[i]
	direction := s.direction()
	if s.Agent == "" || direction == "" {
		return "", false
	}
	return o.RequestOf(i, direction), true
}

// Settled tells whether nobody asks an agent under a request id any more, because what came of it is
// recorded. Attempts at a step count up over both directions. One that is not begun is not settled.
func Settled(v model.View, request string) bool {
	id, ok := lease.ParseStep(request)
	if !ok {
		return true // none of ours
	}
	o, ok := model.Find[*Operation](v, model.ID(id.Operation))
	if !ok || o.State.Final() || id.Step < 0 || id.Step >= len(o.Steps) {
		return true
	}
	s := o.Steps[id.Step]
	return id.Attempt < s.Attempt || id.Attempt == s.Attempt && s.direction() != id.Direction
}

// direction is in which an agent may be asked about a step at present.
func (s *Step) direction() string {
	switch s.State {
	case Started:
		return "do"
	case Undoing:
		return "undo"
	}
	return ""
}

// Open are the requests under which agents may have been asked and are not settled.
func Open(v model.View) (open []string) {
	for _, state := range []State{Running, Unwinding} {
		for o := range model.By[*Operation](v, "state", state) {
			for i := range o.Steps {
				if direction := o.Steps[i].direction(); direction != "" {
					open = append(open, o.RequestOf(i, direction))
				}
			}
		}
	}
	return open
}
