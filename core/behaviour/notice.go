package behaviour

import (
	"kowabunga/core/account"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// announce writes the letters about a new machine, which go out when the operation that makes it has
// succeeded. spare is its root password, unless its project has one.
func announce(d model.Draft, r *Request, op *operation.Operation, o *model.Instance, spare string) error {
	if p, ok := model.Find[*model.Project](d, o.Project); ok && p.RootPassword != "" {
		spare = ""
	}
	letters, err := account.TellInstance(d, r.account(), op.ID, o, spare)
	op.Done, op.Undone = append(op.Done, ready(letters...)...), append(op.Undone, gone(letters...)...)
	return err
}
