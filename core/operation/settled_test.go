package operation

import (
	"slices"
	"testing"

	"kowabunga/core/model"
)

// view is a view of operations alone.
type view struct {
	model.View
	all []*Operation
}

func (v view) Get(_ model.Kind, id model.ID) (model.Object, bool) {
	i := slices.IndexFunc(v.all, func(o *Operation) bool { return o.ID == id })
	if i < 0 {
		return nil, false
	}
	return v.all[i], true
}

func TestWhatIsSettled(t *testing.T) {
	op := func(id string, state State, steps ...Step) *Operation {
		o := &Operation{State: state, Steps: steps}
		o.ID = model.ID(id)
		return o
	}
	v := view{all: []*Operation{
		op("run", Running, Step{State: Did, Attempt: 3}, Step{State: Started, Attempt: 2}, Step{}),
		op("back", Unwinding, Step{State: Undid, Attempt: 4}, Step{State: Undoing, Attempt: 3}),
		op("over", Succeeded, Step{State: Started, Attempt: 1}),
	}}
	for request, want := range map[string]bool{
		"run/0/do/3": true, "run/0/do/2": true, "run/0/do/4": false, // never begun: of a journal that lost something
		"run/1/do/1": true, "run/1/do/2": false, "run/1/undo/2": true, "run/2/do/1": false, "run/3/do/1": true,
		"back/0/undo/4": true, "back/1/do/2": true, "back/1/undo/3": false, "over/0/do/1": true, "gone/0/do/1": true, "else": true,
	} {
		if got := Settled(v, request); got != want {
			t.Errorf("%s is settled: %v", request, got)
		}
	}
	if got := v.all[0].RequestOf(1, "do"); got != "run/1/do/2" {
		t.Error(got)
	}
}
