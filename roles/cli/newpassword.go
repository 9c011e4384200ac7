package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
)

// newPasswordCommand has the server draw a password and shows it.
func newPasswordCommand(k *catalogue.Kind, op *catalogue.Op) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "new-password NAME",
		Aliases: []string{op.Action},
		Short:   says[op.Action],
		Long: "Have the server draw a new password for a user. It is shown this once and cannot be shown again. All sessions of the user end. " +
			"Drawn by a superAdmin it confirms the account, so that the user can log in.",
		Example:           "  kowabunga user new-password ann",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(k, 1),
	}
	return leaf(cmd, k, asText, func(c *call, args []string) error {
		what := "draw a password for " + string(k.Name) + " " + args[0]
		a, err := c.api.Do(c.ctx, client.Request{Op: what, Method: op.Method, Path: pathOf(k, args[0]) + "/" + op.Action, Once: true})
		var drawn struct {
			ID       string `json:"id"`
			Password string `json:"password"`
		}
		if err == nil {
			err = a.Decode(what, &drawn)
		}
		if err == nil && drawn.Password == "" {
			err = &fault.Error{Code: fault.Internal, Op: what, Message: "the server answered no password"}
		}
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(drawn)
		}
		fmt.Fprintf(c.t.Err, "The password of %s %s (id %s), shown this once:\n", k.Name, args[0], drawn.ID)
		return c.say("%s", drawn.Password)
	})
}
