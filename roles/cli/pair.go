package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/nodes"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/term"
)

func pairCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pair [ADDRESS]",
		Short: "Show which of two Kahunas acts, and whether the other one could take over",
		Long: "Show which of two Kahunas acts, whether the other one has every write and could take over, and who the witnesses are. " +
			"The one that answers tells what it knows itself; with ADDRESS it is that one of the two. It is for superAdmins. " +
			"See also kowabunga help two-kahunas.",
		Example: "  kowabunga pair\n  kowabunga pair https://b.example.net:8443\n  kowabunga pair -o json",
		Args:    cobra.MaximumNArgs(1),
	}
	return leaf(cmd, nil, asData, func(c *call, args []string) error {
		const op = "read how the Kahunas stand"
		r := client.Request{Op: op, Path: "/pair"}
		if len(args) > 0 {
			at := strings.TrimSuffix(args[0], "/")
			if !slices.Contains(c.api.Nodes(), at) { // whichever answers tells of the other
				if _, err := c.api.Do(c.ctx, r); err != nil {
					return err
				}
			}
			r.At = at
		}
		a, err := c.api.Do(c.ctx, r)
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(json.RawMessage(a.Body))
		}
		var st nodes.Status
		if err := a.Decode(op, &st); err != nil {
			return err
		}
		table := &term.Table{}
		table.Add("asked", st.Asked)
		for _, row := range st.Rows() {
			table.Add(row...)
		}
		return c.t.Table(table)
	})
}
