// Package plan says what a request would do: the objects it would change, field by field, the work it
// needs, what stands still meanwhile, and what the project then uses. It is made from the very draft that
// the request's decision changed, so that a plan and the write after it cannot differ.
//
// A plan has a hash. What is drawn by chance - new ids, MAC addresses, tokens - is replaced by words in
// it, so that the same request on the same state has the same hash; a write that names the hash is done
// only when its own decision, taken in its own transaction, comes to the same.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/cost"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/core/quota"
	"kowabunga/core/trace"
)

// Plan is what a request would do.
type Plan struct {
	Hash      string // "sha256:" and 64 hexadecimal digits
	Changes   []Change
	Operation *Operation // nil when no work is needed
	Halts     []string   // what stands still meanwhile, for people
	Cost      *Cost      // nil for what is in no project
	Quota     *Quota     // likewise
	Trace     *trace.Trace
}

// Action is what happens to an object.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Change is what would happen to one object.
type Change struct {
	Action Action
	Kind   model.Kind
	ID     model.ID // empty for a new object
	Name   string
	Fields []catalogue.Difference
	Object model.Object // as it would be, or, deleted, as it is
}

// Operation is the work behind a request.
type Operation struct {
	Name  string
	Steps []string
}

// Quota is what the project would use.
type Quota struct {
	Project model.ID
	Used    model.Resources
	Limits  model.Resources
}

// Cost is what the project costs a month, in its main currency.
type Cost struct {
	Before, After model.Cost
}

// Made is what a decision came to.
type Made struct {
	Before    model.View  // as everything is
	After     model.Draft // as everything would be in the end
	Operation *operation.Operation
	Trace     *trace.Trace
	Drawn     []string // by chance
}

// Of makes the plan of a decision.
func Of(m Made) *Plan {
	p := &Plan{Trace: m.Trace}
	changes := model.Changes(m.After)
	words := replacements(changes, m.Drawn)
	for _, c := range changes {
		if change, ok := changeOf(c, words); ok {
			p.Changes = append(p.Changes, change)
		}
	}
	if op := m.Operation; op != nil {
		p.Operation = &Operation{Name: words.Replace(op.Name), Steps: []string{}}
		for i := range op.Steps {
			s := &op.Steps[i]
			p.Operation.Steps = append(p.Operation.Steps, words.Replace(s.Name))
			if s.Halts != "" && !slices.Contains(p.Halts, s.Halts) {
				p.Halts = append(p.Halts, s.Halts)
			}
		}
	}
	p.Quota = quotaOf(m.After, m.Operation, changes)
	if p.Quota != nil {
		p.Cost = &Cost{Before: cost.Project(m.Before, p.Quota.Project), After: cost.Project(m.After, p.Quota.Project)}
	}
	p.Hash = p.hash()
	return p
}

// Just is the plan of a write that is no decision: changes that are known beforehand.
func Just(changes ...Change) *Plan {
	p := &Plan{Changes: changes}
	p.Hash = p.hash()
	return p
}

// changeOf says what happens to an object; false when nothing that anybody would call a change does.
func changeOf(c model.Change, words *strings.Replacer) (Change, bool) {
	if catalogue.Of(c.Kind) == nil {
		return Change{}, false // operations and the like are how it happens, not what
	}
	out := Change{Action: Update, Kind: c.Kind, ID: c.ID, Object: c.After}
	switch {
	case c.Before == nil:
		out.Action, out.ID = Create, ""
	case c.After == nil:
		out.Action, out.Object = Delete, c.Before
	}
	out.Fields = catalogue.Differences(c.Kind, c.Before, c.After)
	for i := range out.Fields {
		f := &out.Fields[i]
		if f.After != nil {
			f.After = json.RawMessage(words.Replace(string(f.After)))
		}
	}
	out.Name = words.Replace(out.Object.Base().Name)
	return out, out.Action != Update || len(out.Fields) > 0
}

// replacements puts words in the place of what was drawn: "[new adapter web-1]" for the id of a new
// object, "[new]" for everything else.
func replacements(changes []model.Change, drawn []string) *strings.Replacer {
	var pairs []string
	for _, c := range changes {
		if c.Before != nil || !slices.Contains(drawn, string(c.ID)) {
			continue
		}
		name := string(catalogue.AppendString(nil, c.After.Base().Name)) // as it stands in JSON text
		word := "[new " + string(c.Kind)
		if name = name[1 : len(name)-1]; name != "" {
			word += " " + name
		}
		pairs = append(pairs, string(c.ID), word+"]")
	}
	for _, value := range drawn {
		pairs = append(pairs, value, "[new]")
	}
	return strings.NewReplacer(pairs...)
}

// quotaOf is the use of the project that the request is about.
func quotaOf(after model.View, op *operation.Operation, changes []model.Change) *Quota {
	var project model.ID
	if op != nil {
		project = op.Project
	}
	for _, c := range changes {
		for _, o := range []model.Object{c.After, c.Before} {
			if o != nil && project == "" {
				project = access.ProjectOf(after, o)
			}
		}
	}
	p, ok := model.Find[*model.Project](after, project)
	if !ok {
		return nil
	}
	return &Quota{Project: project, Used: quota.Usage(after, project), Limits: p.Quotas}
}

// hash covers the changes, whatever their order, and the steps of the work in theirs.
func (p *Plan) hash() string {
	type field struct {
		Field         string          `json:"f"`
		Before, After json.RawMessage `json:",omitempty"`
	}
	var parts []string
	for i := range p.Changes {
		c := &p.Changes[i]
		fields := make([]field, len(c.Fields))
		for j, f := range c.Fields {
			fields[j] = field{f.Field, f.Before, f.After}
		}
		parts = append(parts, text(string(c.Action), string(c.Kind), string(c.ID), c.Name, fields))
	}
	slices.Sort(parts)
	if p.Operation != nil {
		parts = append(parts, text(p.Operation.Name, p.Operation.Steps))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func text(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // texts, and JSON that the catalogue wrote
	}
	return string(b)
}
