package openapi

import (
	"strconv"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

const idPattern = "^[0-9a-f]{24}$"

// schemasOf are the schemas of all kinds and of what their operations send and answer besides.
func schemasOf(version catalogue.Version) Object {
	out := Object{}
	for _, k := range catalogue.Kinds {
		if k.Native && version == catalogue.V1 {
			continue
		}
		schema := objectSchema(out, k.Fields, version)
		schema["description"] = k.Summary
		if version == catalogue.V2 {
			addMeta(schema["properties"].(Object), k)
		}
		out[k.Schema] = schema
	}
	integer := Object{"type": "integer", "format": "int64"}
	out["KaktusCPU"] = object("the processors of a host", Object{"arch": text("architecture"), "model": text("model"), "vendor": text("vendor"),
		"sockets": integer, "cores": integer, "threads": integer}, "arch", "model", "vendor", "sockets", "cores", "threads")
	out["KaktusCaps"] = object("what a host last reported", Object{"cpu": ref("KaktusCPU"), "memory": integer}, "cpu", "memory")
	out["InstanceState"] = object("how a machine is", Object{"state": Object{"type": "string", "description": "as its host says",
		"examples": []any{"Running", "Shutoff"}}, "reason": text("why, possibly empty")}, "state", "reason")
	if version == catalogue.V2 {
		addStanding(out)
		costs := Object{"type": "array", "items": ref("Cost"), "description": "by currency, the largest first; empty for what is free"}
		out["ProjectCost"] = object("what a project costs a month", Object{"price": Object{"type": "number"}, "currency": text("the one that most is paid in"), "costs": costs,
			"kinds":     Object{"type": "array", "items": object("what a kind costs", Object{"kind": text("kind"), "costs": costs}, "kind", "costs")},
			"resources": Object{"type": "array", "items": object("what a resource costs", Object{"kind": text("kind"), "id": text("id"), "name": text("name"), "costs": costs}, "kind", "id", "name", "costs")}},
			"price", "currency", "costs", "kinds", "resources")
	}
	out["InstanceRemoteAccess"] = object("where a machine's screen is", Object{"url": Object{"type": "string", "format": "uri",
		"description": "vnc URI (RFC 7869) with a password for one client, good for a minute", "examples": []any{"vnc://192.0.2.10:5900?VncPassword=ABCDEFGH"}}}, "url")
	out["Password"] = object("a new password", Object{"value": Object{"type": "string", "writeOnly": true}}, "value")
	if version == catalogue.V1 {
		out["UserEmail"] = object("whose password is to be replaced", Object{"email": text("address of the account")}, "email")
		out["UserCredentials"] = object("what a login sends and is answered", Object{"email": text("address of the account"),
			"password": Object{"type": "string", "description": "empty in answers"}, "jwt": Object{"type": "string", "readOnly": true, "description": "token for Authorization: Bearer"}}, "email", "password")
	}
	return out
}

func object(doc string, properties Object, required ...string) Object {
	var list []any
	for _, name := range required {
		list = append(list, name)
	}
	out := Object{"type": "object", "description": doc, "properties": properties}
	if list != nil {
		out["required"] = list
	}
	return out
}

func addMeta(p Object, k *catalogue.Kind) {
	stamp := Object{"type": "string", "format": "date-time", "readOnly": true}
	p["kind"] = Object{"type": "string", "const": string(k.Name), "readOnly": true}
	p["created"], p["updated"] = stamp, stamp
	p["labels"] = Object{"type": "object", "description": "words to sort and select by; sent, they replace all there were", "maxProperties": int64(catalogue.MaxLabels),
		"additionalProperties": Object{"type": "string", "maxLength": int64(catalogue.MaxLabelValue)}}
	p["version"] = Object{"type": "integer", "format": "int64", "readOnly": true, "description": "journal index of the last change"}
	p["phase"] = Object{"type": "string", "readOnly": true, "enum": []any{"ready", string(model.Creating), string(model.Updating), string(model.Deleting)}}
	p["operation"] = Object{"type": "string", "readOnly": true, "description": "the operation behind a phase other than ready"}
	for _, parent := range k.Parents {
		p[string(parent.Kind)+"_id"] = Object{"type": "string", "readOnly": true, "pattern": idPattern}
	}
}

// objectSchema is the schema of fields; schemas of nested objects are added to all.
func objectSchema(all Object, fields []catalogue.Field, version catalogue.Version) Object {
	properties := Object{}
	var required []string
	for i := range fields {
		f := &fields[i]
		if version == catalogue.V1 && f.Since != "" {
			continue
		}
		properties[f.Name] = fieldSchema(all, f, version)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return object("", properties, required...)
}

func fieldSchema(all Object, f *catalogue.Field, version catalogue.Version) Object {
	var s Object
	switch f.Type {
	case catalogue.Object:
		all[f.Schema] = objectSchema(all, f.Fields, version)
		s = ref(f.Schema)
	case catalogue.Array:
		s = Object{"type": "array"}
		switch f.Items {
		case catalogue.Object:
			all[f.Schema] = objectSchema(all, f.Fields, version)
			s["items"] = ref(f.Schema)
		case catalogue.Integer:
			s["items"] = Object{"type": "integer", "format": "int64"}
		default:
			s["items"] = Object{"type": string(f.Items)}
		}
	case catalogue.Date:
		s = Object{"type": "string", "format": "date"}
	case catalogue.Integer:
		s = Object{"type": "integer", "format": "int64"}
		if f.Max > f.Min {
			s["minimum"], s["maximum"] = f.Min, f.Max
		}
	case catalogue.Number:
		s = Object{"type": "number", "format": "double"}
	default:
		s = Object{"type": string(f.Type)}
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	if f.ReadOnly {
		s["readOnly"] = true
	}
	if f.Default != nil {
		s["default"] = f.Default
	}
	if len(f.Enum) > 0 {
		var values []any
		for _, v := range f.Enum {
			if n, err := strconv.Atoi(v); err == nil && (f.Type == catalogue.Integer || f.Items == catalogue.Integer) {
				values = append(values, n)
				continue
			}
			values = append(values, v)
		}
		if items, ok := s["items"].(Object); ok {
			items["enum"] = values
		} else {
			s["enum"] = values
		}
	}
	return s
}
