// Package openapi writes the OpenAPI 3.1 documents of both APIs from the catalogue, so that they cannot
// say anything else than what is served.
package openapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// Object is a JSON object of a document.
type Object = map[string]any

// About is what a document says of the installation it comes from.
type About struct {
	Version string // of the program
	URL     string // public URL; relative to the document when empty
}

func document(about About, title, description, base string) Object {
	version := about.Version
	if version == "" {
		version = "0"
	}
	return Object{
		"openapi": "3.1.0",
		"info": Object{"title": title, "version": version, "description": description,
			"license": Object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers":  []any{Object{"url": about.URL + base}},
		"security": []any{Object{"ApiKeyAuth": []any{}}, Object{"BearerAuth": []any{}}},
	}
}

func securitySchemes() Object {
	return Object{
		"ApiKeyAuth": Object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
		"BearerAuth": Object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
	}
}

// V1 is the document of the frozen API v1. Operations that this release answers with 404 stand in it as
// deprecated, with the reason.
func V1(about About) Object {
	doc := document(about, "Kowabunga API v1", "The frozen contract of Kowabunga 0.53.2. Creations are synchronous; sizes are bytes; lists are ids.", "/api/v1")
	schemas := schemasOf(catalogue.V1)
	schemas["ApiError"] = Object{"type": "object", "required": []any{"status", "error", "reason"}, "properties": Object{
		"status": Object{"type": "integer", "format": "int32"}, "error": text("status text"), "reason": text("what is wrong and what to do")}}
	doc["components"] = Object{"schemas": schemas, "securitySchemes": securitySchemes()}
	paths, tags := Object{}, []any{}
	for _, k := range catalogue.Kinds {
		if k.Native {
			continue
		}
		tags = append(tags, Object{"name": string(k.Name), "description": k.Summary})
	}
	for _, op := range catalogue.OpsV1() {
		var params []any
		for _, p := range op.Params {
			params = append(params, pathParam(p.Name, string(p.Kind), true))
		}
		known := *op
		known.Query = op.QueryOf(catalogue.V1)
		o := describe(&known, params, "ApiError", "application/json")
		o["operationId"] = op.ID
		answer := Object{"description": "done"}
		if op.Response != "" {
			answer["content"] = Object{"application/json": Object{"schema": responseSchema(op.Response)}}
		}
		o["responses"].(Object)[strconv.Itoa(op.Status)] = answer
		place(paths, op.Path, op.Method, o)
	}
	doc["paths"], doc["tags"] = paths, tags
	return doc
}

// describe is what both documents say of an operation, without its id and its success.
func describe(op *catalogue.Op, params []any, failureSchema, failureType string) Object {
	for i := range op.Query {
		params = append(params, queryParam(&op.Query[i]))
	}
	o := Object{"tags": []any{string(op.Kind)}, "summary": summary(op)}
	if params != nil {
		o["parameters"] = params
	}
	if op.Request != "" {
		o["requestBody"] = Object{"required": true, "content": Object{"application/json": Object{"schema": ref(op.Request)}}}
	}
	if op.Access == access.Public {
		o["security"] = []any{}
	}
	responses := Object{}
	for _, status := range failures(op) {
		responses[status] = failure(failureSchema, failureType)
	}
	o["responses"] = responses
	return o
}

func failures(op *catalogue.Op) []string {
	out := []string{"401", "403", "404", "429", "503"}
	switch op.Verb {
	case catalogue.Create, catalogue.Update:
		out = append(out, "400", "409", "422", "507")
	case catalogue.Delete, catalogue.Action:
		out = append(out, "400", "409", "422")
	}
	return out
}

func failure(schema, contentType string) Object {
	return Object{"description": "refused; the body says why", "content": Object{contentType: Object{"schema": ref(schema)}}}
}

func summary(op *catalogue.Op) string {
	k := catalogue.Of(op.Kind)
	one := article(k.Title)
	switch op.Verb {
	case catalogue.List:
		if len(op.Params) > 0 {
			return "List the " + k.Plural + " of a " + string(op.Params[len(op.Params)-1].Kind)
		}
		return "List all visible " + k.Plural
	case catalogue.Create:
		return "Create " + one
	case catalogue.Read:
		return "Read " + one
	case catalogue.Update:
		return "Change " + one
	case catalogue.Delete:
		return "Delete " + one
	}
	switch op.Action {
	case "login":
		return "Log in; the token in the answer is for Authorization: Bearer"
	case "logout":
		return "End the session used"
	case "password":
		return "Set the password of " + one
	case "resetPassword":
		return "Mail " + one + " a link that draws a new password"
	case "newPassword":
		return "Draw a new password for " + one + ", shown in the answer"
	case "token":
		return "Make a new key for " + one + "; the old one ends"
	case "default":
		return "Make " + one + " the default where it lies"
	case "state":
		return "Read how " + one + " is"
	case "status":
		return "Read how agents stand to what is wanted of them for " + one
	case "caps":
		return "Read the hardware of " + one
	}
	return strings.ToUpper(op.Action[:1]) + op.Action[1:] + " " + one
}

func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func pathParam(name, kind string, id bool) Object {
	schema := Object{"type": "string"}
	doc := "id or name of the " + kind
	if id {
		doc = "id of the " + kind
		if model.Kind(kind) != "object" {
			schema["pattern"] = idPattern
		}
	}
	return Object{"name": name, "in": "path", "required": true, "schema": schema, "description": doc}
}

func queryParam(q *catalogue.Query) Object {
	schema := Object{"type": string(q.Type)}
	if q.Type == catalogue.Date {
		schema = Object{"type": "string", "format": "date"}
	}
	if q.Default != "" {
		var value any = q.Default
		if n, err := strconv.ParseInt(q.Default, 10, 64); err == nil && q.Type == catalogue.Integer {
			value = n
		}
		schema["default"] = value
	}
	return Object{"name": q.Name, "in": "query", "schema": schema, "description": q.Doc}
}

func place(paths Object, path, method string, o Object) {
	item, ok := paths[path].(Object)
	if !ok {
		item = Object{}
		paths[path] = item
	}
	item[strings.ToLower(method)] = o
}

func ref(schema string) Object { return Object{"$ref": "#/components/schemas/" + schema} }

func text(doc string) Object { return Object{"type": "string", "description": doc} }

func responseSchema(name string) Object {
	if item, ok := strings.CutPrefix(name, "[]"); ok {
		return Object{"type": "array", "items": Object{"type": item}}
	}
	return ref(name)
}

// JSON is the text of a document.
func JSON(doc Object) []byte {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // the documents hold nothing that JSON cannot
	}
	return append(b, '\n')
}

// YAML is the text of a document as YAML 1.2. Scalars are written as JSON, which is valid there.
func YAML(doc Object) []byte { return appendYAML(nil, doc, 0) }

func appendYAML(b []byte, value any, depth int) []byte {
	indent := strings.Repeat("  ", depth)
	switch value := value.(type) {
	case Object:
		for _, key := range sortedKeys(value) {
			b = append(append(append(b, indent...), scalar(key)...), ':')
			b = appendNested(b, value[key], depth+1)
		}
	case []any:
		for _, item := range value {
			b = append(append(b, indent...), '-')
			b = appendNested(b, item, depth+1)
		}
	}
	return b
}

func appendNested(b []byte, value any, depth int) []byte {
	switch v := value.(type) {
	case Object:
		if len(v) > 0 {
			return appendYAML(append(b, '\n'), v, depth)
		}
		return append(b, " {}\n"...)
	case []any:
		if len(v) > 0 {
			return appendYAML(append(b, '\n'), v, depth)
		}
		return append(b, " []\n"...)
	}
	return append(append(append(b, ' '), scalar(value)...), '\n')
}

func scalar(value any) []byte {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return b
}

func sortedKeys(o Object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
