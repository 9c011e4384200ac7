package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/cli/client"
	"kowabunga/roles/cli/form"
	"kowabunga/roles/config"
)

// planning is the flags that ask what a write would do, and that hold it to what was shown.
type planning struct {
	plan *bool
	pin  *string
}

func planFlags(cmd *cobra.Command) *planning {
	p := &planning{
		plan: cmd.Flags().Bool("plan", false, "ask the server what would be done, and do nothing"),
		pin:  cmd.Flags().String("pin", "", "`HASH`: do it only if that is still what the plan with this hash showed"),
	}
	cmd.MarkFlagsMutuallyExclusive("plan", "pin")
	_ = cmd.RegisterFlagCompletionFunc("pin", cobra.NoFileCompletions)
	return p
}

// addTo puts what was asked for into a query.
func (p *planning) addTo(q url.Values) {
	if p == nil {
		return
	}
	if *p.plan {
		q.Set("plan", "true")
	}
	if *p.pin != "" {
		q.Set("pin", *p.pin)
	}
}

// wanted tells whether a plan is asked for instead of the deed.
func (p *planning) wanted() bool { return p != nil && *p.plan }

// plan is what a request would do, as API v2 answers it.
type plan struct {
	Hash    string `json:"hash"`
	Changes []struct {
		Action string      `json:"action"`
		Kind   model.Kind  `json:"kind"`
		ID     string      `json:"id"`
		Name   string      `json:"name"`
		Fields []planField `json:"fields"`
	} `json:"changes"`
	Operation *struct {
		Name  string   `json:"name"`
		Steps []string `json:"steps"`
	} `json:"operation"`
	Downtime struct {
		Expected bool   `json:"expected"`
		Reason   string `json:"reason"`
	} `json:"downtime"`
	Cost *struct {
		Before   float64 `json:"before"`
		After    float64 `json:"after"`
		Currency string  `json:"currency"`
	} `json:"cost"`
	Quota *struct {
		Project string         `json:"project"`
		Used    map[string]any `json:"used"`
		Limits  map[string]any `json:"limits"`
	} `json:"quota"`
}

type planField struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// foresee asks for the plan of a request.
func (c *call) foresee(r client.Request) (*plan, json.RawMessage, error) {
	q := url.Values{"plan": {"true"}}
	for name, values := range r.Query {
		q[name] = values
	}
	r.Query, r.Once = q, false
	a, err := c.api.Do(c.ctx, r)
	if err != nil {
		return nil, nil, err
	}
	p := &plan{}
	return p, a.Body, a.Decode("read the plan", p)
}

// showPlan prints what a request would do.
func (c *call) showPlan(r client.Request) error {
	p, raw, err := c.foresee(r)
	if err != nil {
		return err
	}
	if c.data() {
		return c.print(raw)
	}
	if err := c.tellPlan(p); err != nil {
		return err
	}
	return c.say("plan %s", p.Hash)
}

// signs are how changes are shown.
var signs = map[string]string{"create": "+", "update": "~", "delete": "-"}

func (c *call) tellPlan(p *plan) error {
	if len(p.Changes) == 0 && p.Operation == nil {
		return c.say("nothing would change")
	}
	for _, change := range p.Changes {
		if err := c.mark(signs[change.Action], fmt.Sprintf("%s %s", change.Kind, change.Name)); err != nil {
			return err
		}
		if change.Action == "delete" {
			continue // all that it has goes with it
		}
		for _, f := range change.Fields {
			for _, line := range c.planned(change.Kind, change.Action, f) {
				if err := c.say("    %s", line); err != nil {
					return err
				}
			}
		}
	}
	var lines []string
	if p.Operation != nil && len(p.Operation.Steps) > 0 {
		lines = append(lines, "work: "+strings.Join(p.Operation.Steps, ", "))
	}
	if p.Downtime.Expected {
		lines = append(lines, "downtime: "+p.Downtime.Reason)
	}
	if p.Cost != nil && p.Cost.Before != p.Cost.After {
		lines = append(lines, fmt.Sprintf("cost: %.2f -> %.2f %s a month", p.Cost.Before, p.Cost.After, p.Cost.Currency))
	}
	if p.Quota != nil {
		lines = append(lines, fmt.Sprintf("project %s would use: %s", c.names.name(model.KindProject, p.Quota.Project), usedOf(p.Quota.Used, p.Quota.Limits)))
	}
	for _, line := range lines {
		if err := c.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// planned is one field of a change for people, part by part; nothing for what says nothing.
func (c *call) planned(kind model.Kind, action string, f planField) []string {
	k := catalogue.Of(kind)
	field := fieldAt(k, f.Field)
	after := form.Decode(f.After)
	switch {
	case action == "create" && (f.Field == "id" || f.Field == "name" || field != nil && form.Unset(field, after) || after == nil || empty(after)):
		return nil
	case action == "create":
		return []string{f.Field + ": " + c.told(f.Field, field, after)}
	}
	var out []string
	if k != nil {
		for _, part := range form.Compare(k, map[string]json.RawMessage{f.Field: f.Before}, map[string]any{f.Field: after}) {
			out = append(out, fmt.Sprintf("%s: %s -> %s", part.Path, form.Words(part.Field, part.Before, c.names.name), form.Words(part.Field, part.After, c.names.name)))
		}
	}
	if out == nil { // a field that the catalogue does not know, or one the server sets
		out = append(out, fmt.Sprintf("%s: %s -> %s", f.Field, c.told(f.Field, field, form.Decode(f.Before)), c.told(f.Field, field, after)))
	}
	return out
}

// empty tells whether a value is a structure without parts.
func empty(v any) bool {
	tree, ok := v.(map[string]any)
	return ok && len(tree) == 0
}

// told is a value for people; without its field it is shown as it came, besides ids of a kind that its name
// tells.
func (c *call) told(name string, field *catalogue.Field, v any) string {
	switch text, isText := v.(string); {
	case field != nil && !field.Secret:
		return form.Words(field, v, c.names.name)
	case model.ID(text).Valid():
		if k := catalogue.Of(model.Kind(strings.TrimSuffix(name, "_id"))); k != nil {
			return c.names.name(k.Name, text)
		}
		return text
	case isText && text != "":
		return text
	case v == nil || v == "":
		return "(none)"
	}
	raw, _ := json.Marshal(v) // it came as JSON
	return string(raw)
}

// fieldAt finds the field that a path names, nil for what is no field of the kind.
func fieldAt(k *catalogue.Kind, path string) *catalogue.Field {
	if k == nil {
		return nil
	}
	fields := k.Fields
	var found *catalogue.Field
	for _, name := range strings.Split(path, ".") {
		found = nil
		for i := range fields {
			if fields[i].Name == name {
				found = &fields[i]
			}
		}
		if found == nil {
			return nil
		}
		fields = found.Fields
	}
	return found
}

// resourceNames are the quotas, in the order they are told.
var resourceNames = []string{"vcpus", "memory", "storage", "instances"}

// usedOf writes what is used of what is allowed; 0 is unlimited.
func usedOf(used, limits map[string]any) string {
	var parts []string
	for _, name := range resourceNames {
		u, _ := used[name].(float64)
		l, _ := limits[name].(float64)
		text := amount(name, u)
		if l > 0 {
			text += " of " + amount(name, l)
		}
		parts = append(parts, name+" "+text)
	}
	return strings.Join(parts, ", ")
}

// amount writes a number of a resource.
func amount(name string, n float64) string {
	if name == "memory" || name == "storage" {
		return config.Size(n).String()
	}
	return fmt.Sprintf("%.0f", n)
}
