package api

import (
	"net/url"

	"kowabunga/core/model"
)

// sight is the state that a read shows and the one that decides what the caller may see of it, which is
// always the present one: who lost a right has lost it for the past as well.
type sight struct {
	state, now model.View
	past       bool
}

// present is the sight of the state as it is.
func present(v model.View) sight { return sight{state: v, now: v} }

// sight is what a read with these parameters shows.
func (a *API) sight(_ *call, _ url.Values) (sight, error) {
	return present(a.Views.View()), nil
}
