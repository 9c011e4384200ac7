package catalogue

import (
	"slices"
	"strings"

	"kowabunga/core/model"
)

// Kinds are all kinds with a wire form, parents before children.
var Kinds = []*Kind{
	&region, &zone, &agentKind, &token, &kaktus, &vnet, &subnet, &adapter, &pool, &template,
	&volume, &organization, &team, &user, &session, &project, &kwarantine, &instance, &kompute,
	&kiwi, &nfs, &kylo, &record, &kawaii, &ipsec, &konvey, &node,
}

var byName = map[model.Kind]*Kind{}

func init() {
	for _, k := range Kinds {
		byName[k.Name] = k
		for i := range k.Ops {
			op := &k.Ops[i]
			if op.Kind == "" {
				op.Kind = k.Name
			}
			op.Params = pathParams(op.Path)
			op.Native = op.Native || k.Native
		}
	}
}

// Of returns the entry of a kind, nil when it has no wire form.
func Of(kind model.Kind) *Kind { return byName[kind] }

// Named finds a kind by its name, its plural or its schema, whatever the case.
func Named(name string) (*Kind, bool) {
	for _, k := range Kinds {
		if strings.EqualFold(name, string(k.Name)) || strings.EqualFold(name, k.Plural) || strings.EqualFold(name, k.Schema) {
			return k, true
		}
	}
	return nil, false
}

// Tables is what the store keeps: every kind with a wire form, settings, proofs and letters.
func Tables() []model.Table {
	var out []model.Table
	for _, k := range Kinds {
		out = append(out, k.Table)
	}
	return append(out, settingTable, proofTable, letterTable, pairTable)
}

// OpsV1 are the operations of the frozen contract that this release has.
func OpsV1() []*Op {
	return slices.DeleteFunc(Ops(), func(op *Op) bool { return op.Native })
}

// Ops are all operations that this release has, those of API v2 alone included, in the order of the
// kinds.
func Ops() []*Op {
	var out []*Op
	for _, k := range Kinds {
		for i := range k.Ops {
			out = append(out, &k.Ops[i])
		}
	}
	return slices.Clip(out)
}

// foldEmail is the form under which mail addresses are unique. Letters of the local part may differ in
// meaning by RFC 5321 section 2.4, but no provider makes use of that, and people do not type them alike.
func foldEmail(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// FoldEmail is the key of the unique index "email" of users.
func FoldEmail(address string) string { return foldEmail(address) }
