package openapi

// addStanding describes core/agentproto's Standing.
func addStanding(out Object) {
	generation := Object{"type": "integer", "format": "int64"}
	list := func(doc string) Object {
		return Object{"type": "array", "items": Object{"type": "string"}, "description": doc}
	}
	out["StateHeld"] = object("one desired state of one agent", Object{"agent": text("id of the agent; empty for who may not see hosts"), "name": text("its name"),
		"node": text("id of the node that the state is about"), "state": Object{"type": "string", "enum": []any{"kaktus", "services", "kiwi"}},
		"online": Object{"type": "boolean"}, "wanted": generation, "held": generation, "applied": Object{"type": "boolean", "description": "it runs what is wanted"},
		"problems": list("what the agent says is wrong")}, "agent", "name", "state", "online", "wanted", "held", "applied", "problems")
	out["Standing"] = object("how agents stand to what is wanted of them", Object{"problems": list("what could not be planned"),
		"states": Object{"type": "array", "items": ref("StateHeld")}}, "problems", "states")
}
