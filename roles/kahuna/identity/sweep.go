package identity

import (
	"context"

	"kowabunga/core/account"
	"kowabunga/core/model"
)

// sweepAtOnce bounds what one commit forgets.
const sweepAtOnce = 1000

// Sweep forgets the sessions and links that are over, at most a thousand at once, and tells how many
// those were. They are refused whether swept or not.
func (a *Accounts) Sweep(ctx context.Context) (int, error) {
	now := a.now()
	var over []model.Object
	v := a.views.View()
	for s := range model.All[*model.Session](v) {
		if len(over) < sweepAtOnce && !now.Before(s.Expires) {
			over = append(over, s)
		}
	}
	for p := range model.All[*model.Proof](v) {
		if len(over) < sweepAtOnce && !now.Before(p.Expires) {
			over = append(over, p)
		}
	}
	if len(over) == 0 {
		return 0, nil
	}
	return len(over), a.write(ctx, Cause{Who: LocalRoot, What: "forget logins and links that are over"}, func(d model.Draft) error {
		for _, o := range over {
			if err := account.Expire(d, o); err != nil {
				return err
			}
		}
		return nil
	})
}
