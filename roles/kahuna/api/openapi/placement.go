package openapi

// placementSchemas adds what is answered about where machines would go.
func placementSchemas(all Object) {
	integer := func(doc string) Object {
		return Object{"type": "integer", "format": "int64", "description": doc}
	}
	verdict := Object{"type": "string", "enum": []any{"allowed", "refused", "chosen"}}
	all["Objection"] = object("why a machine is not on a host, as things are now", Object{"host": text("id"), "name": text("name"),
		"here": Object{"type": "boolean", "description": "it is there after all"}, "verdict": verdict, "value": text("what is against the host, or how good it is"),
		"instead": object("the host that would be chosen now", Object{"host": text("id"), "value": text("how good it is")}, "host", "value")},
		"host", "name", "here", "verdict", "value")
	all["Wish"] = object("a machine that is thought of; objects by id or name", Object{"project": text("whose it would be"), "zone": text("where"),
		"vcpus": integer("virtual processors"), "memory": integer("bytes"), "pool": text("where its disks would be; the region's default when absent"),
		"kwarantine": text("group it would be apart from")}, "project", "zone", "vcpus", "memory")
	all["Outlook"] = object("what would come of a creation", Object{
		"host":    Object{"oneOf": []any{object("where it would go, for superAdmins", Object{"id": text("id"), "name": text("name")}, "id", "name"), Object{"type": "null"}}},
		"fits":    integer("machines of this shape that the zone could take now, whatever the quota"),
		"refused": Object{"type": []any{"string", "null"}, "description": "what the creation would be refused with"},
		"facts":   Object{"type": "array", "items": ref("Fact")}}, "host", "fits", "refused", "facts")
}
