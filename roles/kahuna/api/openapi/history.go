package openapi

// historySchemas adds what is answered about changes that would be made or were made, and about how full
// everything is.
func historySchemas(all Object) {
	integer := func(doc string) Object {
		return Object{"type": "integer", "format": "int64", "description": doc}
	}
	null := func(schema Object) Object { return Object{"oneOf": []any{schema, Object{"type": "null"}}} }
	list := func(schema string) Object { return Object{"type": "array", "items": ref(schema)} }
	anything := func(doc string) Object {
		return Object{"description": doc, "type": []any{"string", "number", "boolean", "array", "object", "null"}}
	}
	all["FieldChange"] = object("what happens to a field; secrets stand as [secret]", Object{"field": text("name"), "before": anything("null for a new object"), "after": anything("null for a deleted object")}, "field", "before", "after")
	all["Change"] = object("what happens to an object", Object{"action": Object{"type": "string", "enum": []any{"create", "update", "delete"}}, "kind": text("kind"),
		"id": Object{"type": []any{"string", "null"}, "description": "null in a plan for an object that is not there yet"}, "name": text("name"), "fields": list("FieldChange")}, "action", "kind", "id", "name", "fields")
	all["Amounts"] = object("resources", Object{"vcpus": integer("virtual processors"), "memory": integer("bytes"), "storage": integer("bytes"), "instances": integer("virtual machines")}, "vcpus", "memory", "storage", "instances")
	all["PlannedWork"] = object("the operation that would do it", Object{"name": text("what it does"), "steps": Object{"type": "array", "items": Object{"type": "string"}}}, "name", "steps")
	all["Downtime"] = object("what stands still meanwhile", Object{"expected": Object{"type": "boolean"}, "reason": text("in words, empty when nothing does")}, "expected", "reason")
	all["PlannedCost"] = object("what the project costs a month", Object{"before": Object{"type": "number", "format": "double"}, "after": Object{"type": "number", "format": "double"}, "currency": text("ISO 4217 code")}, "before", "after", "currency")
	all["PlannedQuota"] = object("what the project would use", Object{"project": text("id"), "used": ref("Amounts"), "limits": ref("Amounts")}, "project", "used", "limits")
	all["Plan"] = object("what a write would do; chance stands as [new ...]", Object{"hash": Object{"type": "string", "description": "what pin takes", "pattern": "^sha256:[0-9a-f]{64}$"},
		"changes": list("Change"), "operation": null(ref("PlannedWork")), "downtime": ref("Downtime"), "cost": null(ref("PlannedCost")), "quota": null(ref("PlannedQuota")), "trace": ref("Trace")},
		"hash", "changes", "operation", "downtime", "cost", "quota", "trace")
	all["AuditEntry"] = object("one commit", Object{"index": integer("journal index"), "time": Object{"type": "string", "format": "date-time"}, "actor": text("name of who asked; also \"master key\", \"local root\", \"agent\", \"kahuna\""),
		"actor_id": text("id of the user or agent, possibly empty"), "request": text("request id, possibly empty"), "from": text("address the request came from, possibly empty"), "what": text("operation"), "changes": list("Change")},
		"index", "time", "actor", "actor_id", "request", "from", "what", "changes")
	all["AuditEntryList"] = page("AuditEntry")
	all["HostLoad"] = object("how full a host is", Object{"id": text("id"), "name": text("name"), "zone": text("id"), "online": Object{"type": "boolean", "description": "one of its agents is connected"},
		"threads": integer("of its processors"), "memory": integer("bytes"), "vcpus_promised": integer("to machines"), "vcpus_total": integer("that may be promised"),
		"memory_promised": integer("bytes"), "memory_total": integer("bytes that may be promised"), "instances": integer("virtual machines")},
		"id", "name", "zone", "online", "threads", "memory", "vcpus_promised", "vcpus_total", "memory_promised", "memory_total", "instances")
	all["ProjectLoad"] = object("what a project uses", Object{"id": text("id"), "name": text("name"), "usage": ref("Amounts"), "quotas": ref("Amounts"), "cost": ref("Cost")}, "id", "name", "usage", "quotas", "cost")
	all["PoolLoad"] = object("how full a pool is, as last reported", Object{"id": text("id"), "name": text("name"), "capacity": integer("bytes"), "available": integer("bytes")}, "id", "name", "capacity", "available")
	all["Top"] = object("how full everything is", Object{"hosts": list("HostLoad"), "projects": list("ProjectLoad"), "pools": list("PoolLoad")}, "hosts", "projects", "pools")
}

// auditParams narrow the audit.
func auditParams() []any {
	return append([]any{param("kind", "only changes of this kind, by name or plural; also operation, session"), param("id", "only those of the object with this id"),
		param("object", "only those of objects with this name, before or after"), param("actor", "only what somebody did, by name or id"), param("project", "only what happened in a project, by id or name"),
		param("since", "not before: an RFC 3339 time, or how long ago (90m, 24h, 7d)"), param("until", "not after, likewise"),
		Object{"name": "from_index", "in": "query", "description": "not before this journal index", "schema": Object{"type": "integer", "format": "int64", "minimum": int64(0)}}}, pageParams()...)
}
