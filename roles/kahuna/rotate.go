package kahuna

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func rotateCommand() *cobra.Command {
	var c Config
	s := c.set()
	cmd := &cobra.Command{Use: "rotate-signing-key", Short: "Sign the logins to come with a new key", Args: cobra.NoArgs,
		Long: "Makes a new key to sign logins with, as the running server does by itself at the age that signing-key-age says. Logins that last go on: the old key is kept until the last of them is over.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := load(cmd, &c, s, true); err != nil {
				return err
			}
			body, err := ask(cmd.Context(), &c, http.MethodPost, "/admin/rotate-signing-key", nil)
			if err != nil {
				return notRunning(&c, err)
			}
			defer body.Close()
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "Logins are signed with a new key from now on; those that last go on.")
			return err
		}}
	s.Bind(cmd)
	return cmd
}
