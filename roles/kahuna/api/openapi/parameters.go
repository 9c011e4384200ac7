package openapi

import (
	"kowabunga/core/catalogue"
)

func param(name, doc string) Object {
	return Object{"name": name, "in": "query", "description": doc, "schema": Object{"type": "string"}}
}

func switchParam(name, doc string) Object {
	return Object{"name": name, "in": "query", "description": doc, "schema": Object{"type": "boolean", "default": false}}
}

func header(name, doc string) Object {
	return Object{"name": name, "in": "header", "description": doc, "schema": Object{"type": "string", "maxLength": int64(255)}}
}

// several is a parameter that may stand more than once.
func several(name, doc, example string) Object {
	return Object{"name": name, "in": "query", "description": doc, "style": "form", "explode": true, "example": []any{example},
		"schema": Object{"type": "array", "items": Object{"type": "string"}, "maxItems": int64(32)}}
}

// limitParam is a page size.
func limitParam(name, doc string, value int64) Object {
	return Object{"name": name, "in": "query", "description": doc, "schema": Object{"type": "integer", "default": value, "minimum": int64(1), "maximum": int64(1000)}}
}

func pageParams() []any {
	return []any{limitParam("limit", "items of a page, 1 to 1000", 100), param("cursor", "\"next\" of the page before")}
}

func asOfParam() Object {
	o := param("as_of", "the state as it was: a journal index, an RFC 3339 time, or how long ago (90m, 24h, 7d); also spelt as-of")
	o["example"] = "24h"
	return o
}

func secretsParam() Object {
	return Object{"name": "secrets", "in": "query", "description": "false: secret fields stand empty, as they do for who may not read them", "schema": Object{"type": "boolean", "default": true}}
}

// listParams are what a list of a kind takes besides parents.
func listParams(k *catalogue.Kind) []any {
	fields, sorts := "", ""
	for _, a := range k.Attributes() {
		fields += ", " + a.Name
		if !a.List {
			sorts += ", " + a.Name
		}
	}
	sort := param("sort", "fields to sort by, separated by commas, falling with a minus before: any of "+sorts[2:]+"; by id when absent")
	sort["example"] = "name,-created"
	return append([]any{param("name", "only those of this name"),
		several("filter", "only those that fulfil it: field=value, field!=value, field>=value, field<=value, field~part. Sizes take units. Fields are "+fields[2:], "name~web"),
		several("label", "only those whose labels fulfil it: key=value, key!=value, key, !key", "tier=gold"),
		sort, secretsParam(), asOfParam()}, pageParams()...)
}

func planParam() Object { return switchParam("plan", "answer what would happen, and change nothing") }

// writeParams are what every write takes.
func writeParams() []any {
	return []any{
		switchParam("wait", "answer when the work has ended"),
		planParam(),
		param("pin", "hash of a plan: do it only if it still comes to that"),
		header("Idempotency-Key", "repeats under the same key within a day get the first answer"),
		header("If-Match", "only if the object has this version (ETag), or, with *, exists; else 412"),
		header("If-None-Match", "* : only if there is no such object yet; else 412"),
	}
}

// plannable adds the plan to the answers of a write.
func plannable(responses Object) {
	plan := ref("Plan")
	if ok, there := responses["200"].(Object); there {
		media := ok["content"].(Object)["application/json"].(Object)
		media["schema"] = Object{"oneOf": []any{media["schema"], plan}}
		ok["description"] = "done; with plan=true, what would happen"
	} else {
		responses["200"] = success("with plan=true: what would happen", "Plan")
	}
}
