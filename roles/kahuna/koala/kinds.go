package koala

import (
	"encoding/json"
	"slices"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// kind is what Koala knows of a kind of resource. All of it is the catalogue's.
type kind struct {
	Name    model.Kind `json:"name"`
	Plural  string     `json:"plural"`
	Heading string     `json:"heading"` // the plural as a title
	Title   string     `json:"title"`
	Summary string     `json:"summary"`
	// Group is where people look for it: "projects" for what lies in one, "ground" for what all of them stand on,
	// "people" for who uses it.
	Group    string       `json:"group"`
	Reserved bool         `json:"reserved,omitempty"` // only superAdmins see any
	Parents  []model.Kind `json:"parents"`
	Fields   []field      `json:"fields"`
	Power    []string     `json:"power,omitempty"`    // power actions offered, of machines
	State    bool         `json:"state,omitempty"`    // it can be asked how it is at the moment
	Status   string       `json:"status,omitempty"`   // who may ask how agents stand to it: "anyone", "superAdmin"
	Hardware bool         `json:"hardware,omitempty"` // it can be asked what it is made of
	Create   bool         `json:"create,omitempty"`   // the command line makes them
}

// field is a field of a kind, or of what is nested in one.
type field struct {
	Name   string     `json:"name"`
	Type   string     `json:"type"`
	Items  string     `json:"items,omitempty"`
	Doc    string     `json:"doc,omitempty"`
	Ref    model.Kind `json:"ref,omitempty"`
	Bytes  bool       `json:"bytes,omitempty"`
	Column bool       `json:"column,omitempty"`
	Set    bool       `json:"set,omitempty"` // by the server alone
	Fields []field    `json:"fields,omitempty"`
}

// offered are the power actions that Koala offers, of those there are: what a person does without thinking of
// what is inside the machine.
var offered = []string{"start", "reboot", "stop"}

// kinds is the module kinds.js: all kinds with what is shown of them, and the names of the fields that hold secrets,
// which are dropped before anything sees them.
func kinds() ([]byte, error) {
	var all []kind
	hidden := map[string]bool{}
	for _, k := range catalogue.Kinds {
		all = append(all, kindOf(k))
		secrets(k.Fields, hidden)
	}
	list, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(hidden))
	for name := range hidden {
		names = append(names, name)
	}
	slices.Sort(names)
	dropped, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	return []byte("export const kinds = " + string(list) + ";\nexport const secrets = " + string(dropped) + ";\n"), nil
}

func kindOf(k *catalogue.Kind) kind {
	out := kind{Name: k.Name, Plural: k.Plural, Heading: headingOf(k), Title: k.Title, Summary: k.Summary, Group: groupOf(k), Reserved: access.Reserved(k.Name), Parents: []model.Kind{}, Fields: fields(k.Fields)}
	for i := range k.Parents {
		out.Parents = append(out.Parents, k.Parents[i].Kind)
	}
	for i := range k.Ops {
		op := &k.Ops[i]
		switch {
		case op.Verb == catalogue.Create:
			out.Create = true
		case op.Verb != catalogue.Action:
		case op.Method == "PATCH" && op.Access == access.Operate && slices.Contains(offered, op.Action):
			out.Power = append(out.Power, op.Action)
		case op.Method == "GET" && op.Action == "state":
			out.State = true
		case op.Method == "GET" && op.Action == "caps":
			out.Hardware = true
		case op.Method == "GET" && op.Action == "status":
			out.Status = "anyone"
			if op.Access == access.Admin {
				out.Status = "superAdmin"
			}
		}
	}
	slices.SortFunc(out.Power, func(a, b string) int { return slices.Index(offered, a) - slices.Index(offered, b) })
	return out
}

// headingOf writes a plural with the capitals that the name has in the name of the schema: VNets, NFS.
func headingOf(k *catalogue.Kind) string {
	name, n := string(k.Name), len(k.Schema)-len(k.Name)
	if n >= 0 && strings.EqualFold(k.Schema[n:], name) && strings.HasPrefix(k.Plural, name) {
		return k.Schema[n:] + k.Plural[len(name):]
	}
	return strings.ToUpper(k.Plural[:1]) + k.Plural[1:]
}

// groupOf tells where a kind belongs: to projects what lies in one at any depth or is one, to people what neither
// lies in a region nor is ground for what does.
func groupOf(k *catalogue.Kind) string {
	switch {
	case k.Name == model.KindProject || within(k, model.KindProject):
		return "projects"
	case k.Name == model.KindRegion || k.Name == model.KindAgent || within(k, model.KindRegion):
		return "ground"
	}
	return "people"
}

func within(k *catalogue.Kind, outer model.Kind) bool {
	for i := range k.Parents {
		if p := k.Parents[i].Kind; p == outer || within(catalogue.Of(p), outer) {
			return true
		}
	}
	return false
}

// fields are those that may be shown.
func fields(all []catalogue.Field) []field {
	var out []field
	for i := range all {
		f := &all[i]
		if f.Secret {
			continue
		}
		out = append(out, field{Name: f.Name, Type: string(f.Type), Items: string(f.Items), Doc: f.Doc, Ref: f.Ref, Bytes: f.Bytes, Column: f.Column, Set: f.ReadOnly, Fields: fields(f.Fields)})
	}
	return out
}

// secrets collects the names of fields that hold secrets, at every depth.
func secrets(all []catalogue.Field, into map[string]bool) {
	for i := range all {
		if all[i].Secret {
			into[all[i].Name] = true
		}
		secrets(all[i].Fields, into)
	}
}
