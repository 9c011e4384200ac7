package openapi

// pairSchemas adds how Kahunas stand to each other: core/nodes' Status.
func pairSchemas(all Object) {
	count := func(doc string) Object {
		return Object{"type": "integer", "format": "int64", "description": doc, "minimum": int64(0)}
	}
	is := func(doc string) Object { return Object{"type": "boolean", "description": doc} }
	seconds := func(doc string) Object {
		return Object{"type": "number", "format": "double", "description": doc, "minimum": int64(0)}
	}
	words := func(doc string) Object {
		return Object{"type": "array", "items": Object{"type": "string"}, "description": doc}
	}
	one := func(values ...any) Object { return Object{"type": "string", "enum": values} }
	list := func(schema string) Object { return Object{"type": "array", "items": ref(schema)} }
	stamp := Object{"type": "string", "format": "date-time"}
	all["PairNode"] = object("a Kahuna", Object{"id": text("random id"), "address": text("as clients reach it"), "self": is("the one that is asked"), "named": is("one of the two; any other only follows"),
		"release": text("of its program, as it said last; absent where it never did"),
		"acts":    is("it commands"), "in_sync": is("it has every acknowledged write"), "connected": is("to the one that is asked"), "acked": count("index of the last record on its disk"),
		"lag": count("published records it has not"), "heard": is("the one that is asked acts and heard it: acked, lag and silent count"), "silent": seconds("seconds since it was heard")},
		"id", "address", "self", "named", "acts", "in_sync", "connected", "acked", "lag", "heard", "silent")
	all["PairWitness"] = object("an agent that helps to decide which Kahuna acts", Object{"agent": text("id"), "name": text("name"), "connected": is("to the one that is asked"),
		"knows": count("as the primary was told: index of the last published record that it remembers; 0 elsewhere"), "change": one("joins", "leaves")}, "agent", "name", "connected", "knows")
	all["PairNote"] = object("something that happened to the one that is asked", Object{"at": stamp, "what": text("in a few words"), "detail": text("in words")}, "at", "what")
	all["Pair"] = object("how the Kahunas stand to each other, as the one that is asked knows it", Object{"asked": text("address of the one that answers"),
		"role": one("primary", "standby", "candidate", "restored", "copy"), "phase": text("how far that is"), "epoch": text("of the one that is asked: counter@node"), "mode": one("sync", "async"),
		"primary": text("address of the one that acts, absent where that is not known"), "published": count("index of the last record that everybody may see"), "end": count("index of the last record in the journal"),
		"behind": count("of one that follows: records published at the primary and not here"), "silent": seconds("of one that follows: seconds since the primary was heard"),
		"right": is("it may act"), "right_until": stamp, "alone": is("its right needs nobody and does not end"), "nodes": list("PairNode"), "witnesses": list("PairWitness"),
		"releases": words("of Kahunas that are more than one release from the one that is asked"), "take_over": words("why the one that does not act could not take over now; empty when it could"), "missing": words("of one that tried to take over: what it waits for"),
		"pending": words("changes that are not agreed on yet"), "lost": is("records may be lost, and not all agents reported since"), "notes": list("PairNote")},
		"asked", "role", "epoch", "published", "end", "behind", "silent", "right", "alone", "nodes", "witnesses", "releases", "take_over", "missing", "pending", "lost", "notes")
	const a, b, id = "https://a.example.net:8443", "https://b.example.net:8443", "5f3a0c1d9be24786"
	all["Pair"].(Object)["examples"] = []any{Object{"asked": a, "role": "primary", "phase": "serving", "epoch": "7@" + id, "mode": "sync", "primary": a, "published": 10482, "end": 10482,
		"behind": 0, "silent": 0, "right": true, "right_until": exampleTime, "alone": false, "nodes": []any{
			Object{"id": id, "address": a, "release": "1.5.0", "self": true, "named": true, "acts": true, "in_sync": true, "connected": true, "acked": 10482, "lag": 0, "heard": false, "silent": 0},
			Object{"id": "0d4be877a1c36295", "address": b, "release": "1.4.2", "self": false, "named": true, "acts": false, "in_sync": true, "connected": true, "acked": 10482, "lag": 0, "heard": true, "silent": 0.2}},
		"witnesses": []any{Object{"agent": exampleID, "name": "eu-west-a-1", "connected": true, "knows": 10482}}, "releases": []any{}, "take_over": []any{}, "missing": []any{}, "pending": []any{}, "lost": false,
		"notes": []any{Object{"at": exampleTime, "what": "sync set grows", "detail": b}}}}
}
