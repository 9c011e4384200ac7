package catalogue

import (
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/model"
)

const (
	root        = ""
	readAnyone  = access.Authenticated
	readVisible = access.Read
	readRule    = access.Read
	adminRule   = access.Admin
)

// under is the path an object is created at when that is not the root.
func under(path string) string { return path }

// ReadPair is an operation of API v2 alone that concerns no kind: how the Kahunas stand to each other. Each
// of them answers it itself.
var ReadPair = Op{ID: "ReadPair", Verb: Action, Action: "pair", Method: "GET", Response: "Pair", Status: 200, Access: access.Admin, Native: true}

// crud declares the five common operations of a kind that superAdmins manage. create is the path of
// the POST, or root.
func crud(schema, path, listID, create string, read access.Rule) []Op {
	if create == root {
		create = "/" + path
	}
	return append([]Op{
		{ID: "Create" + schema, Verb: Create, Method: "POST", Path: create, Request: schema, Response: schema, Status: 201, Access: access.Admin},
		{ID: listID, Verb: List, Method: "GET", Path: "/" + path, Response: "[]string", Status: 200, Access: access.Authenticated},
	}, rud(schema, path, read, access.Admin, access.Admin)...)
}

func rud(schema, path string, read, update, remove access.Rule) []Op {
	one := "/" + path + "/{" + path + "Id}"
	return []Op{
		{ID: "Read" + schema, Verb: Read, Method: "GET", Path: one, Response: schema, Status: 200, Access: read},
		{ID: "Update" + schema, Verb: Update, Method: "PUT", Path: one, Request: schema, Response: schema, Status: 200, Access: update},
		{ID: "Delete" + schema, Verb: Delete, Method: "DELETE", Path: one, Status: 200, Access: remove},
	}
}

// listed declares the list of a kind below a parent, by one of the kind's indexes.
func listed(id, path, index string) Op {
	return Op{ID: id, Verb: List, Method: "GET", Path: path, Response: "[]string", Status: 200, Access: access.Authenticated, Index: index}
}

func action(id, name, method, path, response string, rule access.Rule) Op {
	return Op{ID: id, Verb: Action, Action: name, Method: method, Path: path, Response: response, Status: 200, Access: rule}
}

// standing declares how agents stand to what is wanted of them on behalf of an object.
func standing(schema, path string, rule access.Rule) Op {
	op := action("Read"+schema+"Status", "status", "GET", "/"+path+"/{"+path+"Id}/status", "Standing", rule)
	op.Native = true
	return op
}

// expiring adds the query parameters of token operations.
func expiring(op Op) Op {
	op.Query = []Query{
		{Name: "expire", Type: Boolean, Doc: "whether the key ends"},
		{Name: "expiration_date", Type: Date, Doc: "last day it is valid"},
	}
	return op
}

// defaulted declares the action that makes the last object of the path the default of the one before.
func defaulted(id string, kind model.Kind, path string) Op {
	op := action(id, "default", "PATCH", path, "", access.Admin)
	op.Kind = kind
	return op
}

// ops flattens operations and lists of them.
func ops(parts ...any) []Op {
	var out []Op
	for _, p := range parts {
		switch p := p.(type) {
		case Op:
			out = append(out, p)
		case []Op:
			out = append(out, p...)
		}
	}
	return out
}

func parent[T any](kind model.Kind, param string, at func(*T) *model.ID) Parent {
	return Parent{Kind: kind, Param: param,
		Of:  func(o model.Object) model.ID { return *at(any(o).(*T)) },
		Set: func(o model.Object, id model.ID) { *at(any(o).(*T)) = id },
	}
}

// maybe makes a parent optional.
func maybe(p Parent) Parent {
	p.Optional = true
	return p
}

// pathParams finds the {param}s of a path and what kinds they are ids of.
func pathParams(path string) []Param {
	var out []Param
	for _, segment := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			kind := model.Kind(strings.TrimSuffix(name, "Id"))
			if kind == "KawaiiIpSec" { // the one parameter that is not named like its kind
				kind = model.KindIPsec
			}
			out = append(out, Param{Name: name, Kind: kind})
		}
	}
	return out
}
