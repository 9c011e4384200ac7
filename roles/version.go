package roles

import (
	"fmt"

	"github.com/spf13/cobra"

	"kowabunga/roles/config"
	"kowabunga/roles/term"
)

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which program this is",
		Args:  cobra.NoArgs,
	}
	output := term.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, b := term.Of(cmd), config.Program()
		if output.JSON() {
			return t.JSON(b)
		}
		fmt.Fprintf(t.Out, "kowabunga %s\n", b.Version)
		table := &term.Table{}
		for _, line := range [][2]string{{"commit", b.Commit}, {"date", b.Date}, {"go", b.Go}, {"platform", b.Platform}} {
			if line[1] != "" {
				table.Add(line[0], line[1])
			}
		}
		return t.Table(table)
	}
	return cmd
}
