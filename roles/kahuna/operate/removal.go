package operate

import (
	"context"
	"errors"
	"slices"

	"kowabunga/core/model"
)

// removes is why a deletion is not committed yet: agents go with it that may be witnesses.
type removes struct{ agents []model.ID }

func (removes) Error() string { return "agents are removed that may be witnesses" }

// removed lists the agents that the changes of a draft remove.
func removed(d model.Draft) (out []model.ID) {
	for _, c := range model.Changes(d) {
		if a, ok := c.Before.(*model.Agent); ok && c.After == nil {
			out = append(out, a.ID)
		}
	}
	return out
}

// commit decides a request in a transaction of its own. Agents that it removes are replaced as witnesses
// first, once it is clear that they may be removed.
func (e *Engine) commit(ctx context.Context, r Request) (decision, error) {
	made, err := e.try(ctx, r, nil)
	var before removes
	if !errors.As(err, &before) {
		return made, err
	}
	done, err := e.Dismiss(ctx, before.agents)
	if err != nil {
		return decision{}, err
	}
	defer done()
	return e.try(ctx, r, before.agents)
}

// dismissed refuses a draft that removes agents other than those that are witnesses no more.
func (e *Engine) dismissed(d model.Draft, already []model.ID) error {
	if e.Dismiss == nil {
		return nil
	}
	gone := removed(d)
	if slices.ContainsFunc(gone, func(id model.ID) bool { return !slices.Contains(already, id) }) {
		return removes{gone}
	}
	return nil
}
