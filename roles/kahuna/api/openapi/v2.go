package openapi

import (
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/operation"
)

// Below is where an operation of the catalogue is served in API v2 below the path of its kind; false
// when it is not: lists below a parent are narrowed lists there, and logins belong to API v1.
func Below(op *catalogue.Op) (suffix string, served bool) {
	switch {
	case op.Verb == catalogue.List && len(op.Params) > 0, op.Verb == catalogue.Action && len(op.Params) == 0:
		return "", false
	case op.Verb == catalogue.List, op.Verb == catalogue.Create:
		return "", true
	case op.Verb == catalogue.Action:
		return "/{ref}/" + op.Action, true
	}
	return "/{ref}", true
}

// V2 is the document of API v2.
func V2(about About) Object {
	doc := document(about, "Kowabunga API v2", "The native API: whole objects in lists, pages, ids or names, operations, events. "+
		"A write answers 202 with its operation while work is left, unless ?wait=true. "+
		"Bodies may name other objects instead of giving their ids. PUT by name creates or updates. ?plan=true answers what a write would do. Unknown query parameters are refused. "+
		"Every kind is also served under its name in the singular, e.g. /agent/{ref}/token.", "/api/v2")
	schemas := schemasOf(catalogue.V2)
	nativeSchemas(schemas)
	paths, tags := Object{}, []any{}
	for _, k := range catalogue.Kinds {
		tags = append(tags, Object{"name": string(k.Name), "description": k.Summary})
	}
	for _, op := range catalogue.Ops() {
		suffix, served := Below(op)
		if !served {
			continue
		}
		k := catalogue.Of(op.Kind)
		if path, taken := paths["/"+k.Plural+suffix].(Object); taken && path[strings.ToLower(op.Method)] != nil {
			continue // one creation stands for those under several paths
		}
		place(paths, "/"+k.Plural+suffix, op.Method, native(op, k, schemas))
	}
	tags = append(tags, Object{"name": "work", "description": "Operations, events and explanations."})
	nativePaths(paths)
	devicePaths(paths, schemas)
	addExamples(schemas)
	exampleBodies(paths, schemas)
	doc["components"] = Object{"schemas": schemas, "securitySchemes": securitySchemes()}
	doc["paths"], doc["tags"] = paths, tags
	return doc
}

// native is an operation of the catalogue as API v2 serves it.
func native(op *catalogue.Op, k *catalogue.Kind, schemas Object) Object {
	writes := op.Method != "GET" && op.Action != "password"
	var params []any
	if suffix, _ := Below(op); strings.HasPrefix(suffix, "/{ref}") {
		params = append(params, pathParam("ref", string(k.Name), false))
	}
	for _, p := range k.Parents {
		switch op.Verb {
		case catalogue.List:
			params = append(params, param(string(p.Kind), "only those of this "+string(p.Kind)+", by id or name"))
		case catalogue.Create:
			o := param(string(p.Kind), "where it is created, by id or name")
			o["required"] = !p.Optional
			params = append(params, o)
		case catalogue.Read, catalogue.Delete:
			params = append(params, param(string(p.Kind), "where it is, by id or name"))
		case catalogue.Update:
			params = append(params, param(string(p.Kind), "where it is or, should there be none yet, is created, by id or name"))
		case catalogue.Action:
			if writes {
				params = append(params, param(string(p.Kind), "where it is, by id or name"))
			}
		}
	}
	switch {
	case op.Verb == catalogue.List:
		params = append(params, listParams(k)...)
	case op.Verb == catalogue.Read:
		params = append(params, secretsParam(), asOfParam())
	case writes:
		params = append(params, writeParams()...)
	case op.Action == "password":
		params = append(params, planParam())
	}
	query := op.Query
	if op.Verb == catalogue.List {
		query = nil
	}
	if op.Verb == catalogue.Create || op.Verb == catalogue.Update {
		query = queries(k, op)
	}
	plain := *op
	plain.Query = query
	o := nativeOperation(&plain, params)
	o["operationId"] = op.ID
	responses := o["responses"].(Object)
	switch {
	case op.Verb == catalogue.List:
		name := k.Schema + "List"
		schemas[name] = page(k.Schema)
		responses["200"] = success("a page", name)
	case op.Verb == catalogue.Delete:
		responses["204"] = Object{"description": "deleted"}
	case op.Verb == catalogue.Action && op.Action == "token":
		responses["200"] = success("the key, shown this once", "Key")
	case op.Action == "cost":
		responses["200"] = success("done", "ProjectCost")
	case op.Action == "newPassword":
		responses["200"] = success("the password, shown this once", "NewPassword")
	case op.Response == "":
		responses["200"], responses["204"] = success("done", k.Schema), Object{"description": "done"}
	default:
		responses[strconv.Itoa(op.Status)] = success("done", op.Response)
	}
	if op.Verb == catalogue.Update && created(k) {
		responses["201"] = success("created: nothing had this name", k.Schema)
	}
	if op.Action == "password" {
		plannable(responses)
	}
	if writes {
		responses["202"] = success("accepted; work is left", "Operation")
		responses["412"] = failure("Problem", "application/problem+json")
		plannable(responses)
	}
	return o
}

// queries are the parameters of a creation or an update and of all operations that create objects of the
// kind: one path serves them all.
func queries(k *catalogue.Kind, op *catalogue.Op) []catalogue.Query {
	out := slices.Clone(op.Query)
	for i := range k.Ops {
		if k.Ops[i].Verb != catalogue.Create {
			continue
		}
		for _, q := range k.Ops[i].Query {
			if !slices.ContainsFunc(out, func(other catalogue.Query) bool { return other.Name == q.Name }) {
				out = append(out, q)
			}
		}
	}
	return out
}

// created tells whether objects of a kind can be created.
func created(k *catalogue.Kind) bool {
	for i := range k.Ops {
		if k.Ops[i].Verb == catalogue.Create {
			return true
		}
	}
	return false
}

func nativeOperation(op *catalogue.Op, params []any) Object {
	return describe(op, params, "Problem", "application/problem+json")
}

func page(schema string) Object {
	return object("a page of a list", Object{"items": Object{"type": "array", "items": ref(schema)}, "next": text("cursor of the next page, absent on the last")}, "items")
}

func success(doc, schema string) Object {
	return Object{"description": doc, "content": Object{"application/json": Object{"schema": ref(schema)}}}
}

// nativeSchemas adds what only API v2 has.
func nativeSchemas(all Object) {
	integer := Object{"type": "integer", "format": "int64"}
	stamp := Object{"type": "string", "format": "date-time"}
	all["Problem"] = object("an error (RFC 9457)", Object{"type": text("about:blank"), "title": text("status text"), "status": integer,
		"detail": text("what is wrong and what to do"), "code": text("what kind of failure; branch on this"), "field": text("the input that was wrong"),
		"pointer": text("where it stands in the body (RFC 6901)"), "parameter": text("the query parameter it is"), "request": text("request id")},
		"type", "title", "status", "detail", "code", "request")
	all["Key"] = object("a new key", Object{"id": text("id of the agent or user it is for"), "key": text("the key")}, "id", "key")
	states := []any{string(operation.Running), string(operation.Unwinding), string(operation.Succeeded), string(operation.Failed), string(operation.Cancelled)}
	steps := []any{"pending", string(operation.Started), string(operation.Did), string(operation.Undoing), string(operation.Undid)}
	all["Step"] = object("one step of an operation", Object{"name": text("what is done"), "state": Object{"type": "string", "enum": steps}, "attempt": integer}, "name", "state", "attempt")
	all["Target"] = object("what an operation is about", Object{"kind": text("kind"), "id": text("id"), "name": text("name")}, "kind", "id", "name")
	all["Progress"] = object("how far the running step is", Object{"done": integer, "total": integer, "unit": text("\"bytes\" or empty"), "note": text("in words")}, "done", "total", "unit", "note")
	all["Fault"] = object("why an operation failed", Object{"code": text("kind of failure"), "field": text("input"), "message": text("in words")}, "code", "message")
	all["Fact"] = object("one thing a decision knew", Object{"what": text("in words"), "subject": text("id of an object"), "value": text("with units"),
		"verdict": Object{"type": "string", "enum": []any{"allowed", "refused", "chosen"}}}, "what")
	all["Trace"] = object("why it was decided so", Object{"facts": Object{"type": "array", "items": ref("Fact")}, "hidden": Object{"type": "integer", "description": "facts about what the caller may not know of"}}, "facts", "hidden")
	all["Operation"] = object("one piece of work", Object{"id": text("id"), "kind": Object{"type": "string", "const": "operation"}, "name": text("what it does, in words"),
		"what": text("kind and verb"), "state": Object{"type": "string", "enum": states}, "target": ref("Target"), "project_id": text("project whose members may see it"),
		"actor": text("who asked"), "request": text("request id of the call that asked"), "created": stamp, "updated": stamp, "finished": stamp,
		"cancel": Object{"type": "boolean", "description": "somebody asked to call it off"}, "steps": Object{"type": "array", "items": ref("Step")},
		"progress": ref("Progress"), "fault": ref("Fault"), "trace": ref("Trace")}, "id", "kind", "name", "what", "state", "target", "actor", "created", "updated", "cancel", "steps")
	all["OperationList"] = page("Operation")
	all["Explanation"] = object("the decision behind an object", Object{"kind": text("kind"), "id": text("id"), "name": text("name"), "operation": ref("Operation"),
		"why_not": ref("Objection"), "now": Object{"type": "array", "items": ref("Fact"), "description": "what stands for or against it at present"}}, "kind", "id", "name")
	placementSchemas(all)
	historySchemas(all)
	pairSchemas(all)
	all["WhoAmI"] = object("the caller", Object{"name": text("name"), "role": text("role"), "user": text("id"), "token": text("id of the API key used"), "session": text("id of the login used")}, "name", "role")
	all["Version"] = object("what answers", Object{"version": text("of the program"), "contract": text("release whose contract API v1 is"), "api": Object{"type": "array", "items": Object{"type": "string"}}}, "version", "contract", "api")
}

// nativePaths adds the operations that only API v2 has.
func nativePaths(paths Object) {
	add := func(path, method, id, summary string, params []any, status, schema string) {
		for _, segment := range strings.Split(path, "/") {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				params = append([]any{pathParam(strings.TrimSuffix(name, "}"), "object", true)}, params...)
			}
		}
		o := Object{"operationId": id, "tags": []any{"work"}, "summary": summary}
		if params != nil {
			o["parameters"] = params
		}
		responses := Object{}
		for _, failed := range []string{"400", "401", "404", "503"} {
			responses[failed] = failure("Problem", "application/problem+json")
		}
		if schema == "" {
			responses[status] = Object{"description": "server-sent events: \"change\" per commit, then one of caughtup, end, dropped, gone, denied",
				"content": Object{"text/event-stream": Object{"schema": Object{"type": "string"}}}}
		} else {
			responses[status] = success("done", schema)
		}
		o["responses"] = responses
		place(paths, path, method, o)
	}
	wait := Object{"name": "wait", "in": "query", "description": "answer when it has ended", "schema": Object{"type": "boolean", "default": false}}
	add("/operations", "GET", "ListOperations", "List operations, oldest first", []any{param("state", "only those in this state"), param("target", "only those about this object, by id"),
		param("project", "only those of this project, by id or name"), param("sort", "-id: the newest first; the oldest first when absent"), asOfParam(), limitParam("limit", "items of a page, 1 to 1000", 100), param("cursor", "\"next\" of the page before")}, "200", "OperationList")
	add("/operations/{id}", "GET", "ReadOperation", "Read an operation with its trace", []any{wait, asOfParam()}, "200", "Operation")
	add("/operations/{id}", "DELETE", "CancelOperation", "Call an operation off", []any{planParam()}, "202", "Operation")
	plannable(paths["/operations/{id}"].(Object)["delete"].(Object)["responses"].(Object))
	add("/events", "GET", "Events", "Follow what happens", []any{fromParam(), lastParam(), followParam(), Object{"name": "Last-Event-ID", "in": "header", "description": "as from; what event sources send when they reconnect", "schema": Object{"type": "string"}}}, "200", "")
	add("/explain/{kind}/{id}", "GET", "Explain", "Read why an object is as it is", []any{param("why_not", "host, by id or name: also why the machine is not there, as things are now")}, "200", "Explanation")
	add("/explain/placement", "POST", "ExplainPlacement", "Ask where a machine would go and how many would fit", nil, "200", "Outlook")
	paths["/explain/placement"].(Object)["post"].(Object)["requestBody"] = Object{"required": true, "content": Object{"application/json": Object{"schema": ref("Wish")}}}
	add("/audit", "GET", "Audit", "List who changed what, when and from where, the newest first", auditParams(), "200", "AuditEntryList")
	add("/top", "GET", "Top", "Read how full hosts, projects and pools are", nil, "200", "Top")
	add("/pair", "GET", catalogue.ReadPair.ID, "Read how the Kahunas stand to each other, as the one that is asked knows it", nil, "200", catalogue.ReadPair.Response)
	paths["/pair"].(Object)["get"].(Object)["responses"].(Object)["403"] = failure("Problem", "application/problem+json")
	add("/whoami", "GET", "WhoAmI", "Read who the credentials belong to", nil, "200", "WhoAmI")
	add("/version", "GET", "Version", "Read what answers", nil, "200", "Version")
}

func fromParam() Object {
	return Object{"name": "from", "in": "query", "description": "journal index after which to begin; now when absent", "schema": Object{"type": "integer", "format": "int64", "minimum": int64(0)}}
}

func lastParam() Object {
	return Object{"name": "last", "in": "query", "description": "begin with the last so many journal records instead", "schema": Object{"type": "integer", "format": "int64", "minimum": int64(0)}}
}

func followParam() Object {
	return Object{"name": "follow", "in": "query", "description": "go on with what comes; false ends with what there is", "schema": Object{"type": "boolean", "default": true}}
}
