package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/term"
)

// explainPlacement asks what would come of a machine that nobody creates.
func explainPlacement() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "placement",
		Short:   "Say where a machine would go, and how many such would fit",
		Long:    "Say where a machine would go, how many such would fit into the zone, and what that stands on. Nothing is created.",
		Example: "  kowabunga explain placement --project web --zone eu-a --vcpus 2 --memory 4GiB",
		Args:    cobra.NoArgs,
	}
	inputs := map[string]*form.Input{}
	for _, f := range []catalogue.Field{
		{Name: "project", Type: catalogue.String, Ref: model.KindProject, Doc: "whose machine it would be", Required: true},
		{Name: "zone", Type: catalogue.String, Ref: model.KindZone, Doc: "where it would be", Required: true},
		{Name: "vcpus", Type: catalogue.Integer, Doc: "virtual processors", Min: 1, Max: 4096, Required: true},
		{Name: "memory", Type: catalogue.Integer, Bytes: true, Doc: "bytes", Min: 1, Max: 1 << 50, Required: true},
		{Name: "pool", Type: catalogue.String, Ref: model.KindPool, Doc: "where its disks would be; the region's default when absent"},
		{Name: "kwarantine", Type: catalogue.String, Ref: model.KindKwarantine, Doc: "group it would be apart from"},
	} {
		inputs[f.Name] = inputFlag(cmd, &f, true)
		group(cmd, "Fields", f.Name)
		if f.Required {
			_ = cmd.Flags().SetAnnotation(f.Name, requiredKey, nil)
		}
	}
	return leaf(cmd, nil, asData, func(c *call, _ []string) error {
		const op = "explain a placement"
		wish := map[string]any{}
		var missing []string
		for name, in := range inputs {
			if in.Given {
				wish[name] = in.Value
			} else if in.Field.Required {
				missing = append(missing, "--"+name)
			}
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			return term.Usage(fmt.Errorf("a placement needs %s as well", strings.Join(missing, ", ")))
		}
		body, err := json.Marshal(wish)
		if err != nil {
			return fault.Wrap(err, fault.Internal, op)
		}
		a, err := c.api.Do(c.ctx, client.Request{Op: op, Method: http.MethodPost, Path: "/explain/placement", Body: body})
		if err != nil {
			return err
		}
		if c.data() {
			return c.print(json.RawMessage(a.Body))
		}
		var said struct {
			Host *struct {
				Name string `json:"name"`
			} `json:"host"`
			Fits    int64        `json:"fits"`
			Refused string       `json:"refused"`
			Facts   []trace.Fact `json:"facts"`
		}
		if err := a.Decode(op, &said); err != nil {
			return err
		}
		switch {
		case said.Refused != "":
			err = c.say("it would be refused: %s", said.Refused)
		case said.Host != nil:
			err = c.say("it would go to %s", said.Host.Name)
		default:
			err = c.say("it would fit")
		}
		if err == nil {
			_, err = fmt.Fprintf(c.t.Out, "%d such machines would fit into the zone\n\n", said.Fits)
		}
		if err != nil || len(said.Facts) == 0 {
			return err
		}
		return c.facts(said.Facts)
	})
}
