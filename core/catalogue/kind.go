package catalogue

import (
	"slices"

	"kowabunga/core/access"
	"kowabunga/core/model"
)

// Kind is everything there is to know about one kind of resource.
type Kind struct {
	Name    model.Kind
	Plural  string // path segment in API v2 and CLI alias
	Schema  string // name of its schema in API v1 and OpenAPI
	Title   string // for help texts, lower case
	Summary string // one sentence
	Parents []Parent
	Fields  []Field
	Ops     []Op
	Table   model.Table
	Native  bool // in API v2 alone, with all its operations
	// Internal lists struct fields that no wire field is bound to: parents and server state.
	Internal []string

	attributes []*Attribute // in order of their names
}

// Parent is a reference given by the path an object is created under.
type Parent struct {
	Kind  model.Kind
	Param string // path parameter, e.g. "regionId"
	// Optional tells that an object may have none: of a kind created under several paths, some.
	Optional bool
	Of       func(model.Object) model.ID
	Set      func(model.Object, model.ID)
}

// Verb is what an operation does with objects of its kind.
type Verb string

// The verbs. Action operations are told apart by Op.Action.
const (
	List   Verb = "list"
	Create Verb = "create"
	Read   Verb = "read"
	Update Verb = "update"
	Delete Verb = "delete"
	Action Verb = "action"
)

// Op is one operation of API v1.
type Op struct {
	ID       string // operation id of the frozen contract
	Kind     model.Kind
	Verb     Verb
	Action   string // for Action: "start", "default", "token", ...
	Method   string
	Path     string // below /api/v1, with {param}s; the last one names the object itself unless the verb is List or Create
	Params   []Param
	Query    []Query
	Request  string // schema of the body, or empty
	Response string // schema of the answer; "[]string" for lists; empty for none
	Status   int    // of success
	Access   access.Rule
	Index    string // for List below a parent: index of the kind to look up, by the last path parameter
	Native   bool   // in API v2 alone: the frozen contract has no such operation
}

// Param is a path parameter.
type Param struct {
	Name string
	Kind model.Kind
}

// Query is a query parameter.
type Query struct {
	Name    string
	Type    Type
	Ref     model.Kind // kind the value is an id of
	Default string
	Doc     string
	Native  bool // in API v2 alone; v1 takes no notice of it
}

// QueryOf are the query parameters that a version of the API knows.
func (o *Op) QueryOf(version Version) []Query {
	if version == V2 {
		return o.Query
	}
	return slices.DeleteFunc(slices.Clone(o.Query), func(q Query) bool { return q.Native })
}

// Target is the name of the path parameter that names the object itself, empty for List and Create.
func (o *Op) Target() string {
	if o.Verb == List || o.Verb == Create || len(o.Params) == 0 {
		return ""
	}
	return o.Params[len(o.Params)-1].Name
}
