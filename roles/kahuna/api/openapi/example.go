package openapi

import (
	"strings"
)

// Examples are derived from the schemas: every property has the value that is natural for its name,
// else one that its type allows.

const (
	exampleID   = "6b004e3b41afe682dce887dd"
	exampleTime = "2026-05-01T12:00:00.000Z"
)

// natural are values by the names of properties.
var natural = map[string]any{
	"id": exampleID, "name": "web-1", "description": "", "labels": Object{"tier": "gold"}, "operation": exampleID, "version": 42, "phase": "ready",
	"domain": "example.org", "email": "ann@example.org", "mac": "da:1e:70:3f:20:07", "addresses": []any{"10.0.0.10"}, "ip": "10.0.0.10",
	"cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "dns": "10.0.0.1", "first": "10.0.0.200", "last": "10.0.0.210", "extra_routes": []any{"192.168.7.0/24"},
	"memory": 4294967296, "vcpus": 2, "storage": 21474836480, "instances": 1, "disk": 21474836480, "data_disk": 0, "size": 21474836480,
	"capacity": 1099511627776, "available": 824633720832, "price": 120, "currency": "EUR", "source": "https://example.org/debian-12.qcow2",
	"pool": "dir:main", "ceph_address": "localhost", "interface": "br0", "vlan": 201, "overcommit_cpu_ratio": 3, "overcommit_memory_ratio": 2,
	"root_password": "", "ceph_secret_uuid": "", "pre_shared_key": "", "bootstrap_user": "ops", "bootstrap_pubkey": "ssh-ed25519 AAAA… ops@example.org",
	"remote_ip": "198.51.100.7", "remote_subnet": "192.168.7.0/24", "endpoint": "nfs.example.org", "backends": []any{"192.0.2.1"}, "hosts": []any{"10.0.0.10"},
	"key": "tier", "value": "gold", "port": 443, "ports": "443", "protocol": "tcp", "destination": "10.0.0.10",
	"title": "Unprocessable Entity", "status": 422, "detail": "9999 is outside 0 to 4094", "code": "invalid", "field": "vlan", "pointer": "/vlan", "parameter": "filter",
	"request": "c1b70e9f9421-38", "actor": "ann", "actor_id": exampleID, "from": "192.0.2.17", "what": "kompute.create", "index": 1217,
	"hash": "sha256:" + strings.Repeat("5e", 32), "reason": "", "steps": nil, "before": 2147483648, "after": 4294967296, "host": exampleID, "zone": exampleID,
	"arch": "x86_64", "vendor": "AuthenticAMD", "model": "EPYC 9354", "sockets": 1, "cores": 32, "threads": 64, "contract": "0.53.2", "unit": "bytes", "done": 1048576, "total": 4194304,
	"note": "copy the image", "message": "", "role": "user", "user": exampleID, "token": exampleID, "session": exampleID, "next": "eyJpIjoiNmIwMDRlM2I0MWFmZTY4MmRjZTg4N2RkIn0", "attempt": 1,
	"subject": exampleID, "hidden": 0, "expires": exampleTime, "method": "PUT", "path": "/api/v1/resetPassword", "vcpus_promised": 96, "vcpus_total": 192, "memory_promised": 137438953472, "memory_total": 274340970496,
}

// addExamples gives every schema an example.
func addExamples(schemas Object) {
	for _, name := range sortedKeys(schemas) {
		s := schemas[name].(Object)
		if _, has := s["examples"]; !has {
			s["examples"] = []any{example(schemas, s, name, 0)}
		}
	}
}

const exampleDepth = 8

func example(all, s Object, name string, depth int) any {
	if target, ok := s["$ref"].(string); ok {
		name = strings.TrimPrefix(target, "#/components/schemas/")
		s, _ = all[name].(Object)
	}
	for _, key := range []string{"const", "default"} {
		if value, ok := s[key]; ok {
			return value
		}
	}
	for _, key := range []string{"examples", "enum"} {
		if values, ok := s[key].([]any); ok && len(values) > 0 && !strings.Contains(name, "List") {
			return values[0]
		}
	}
	if options, ok := s["oneOf"].([]any); ok {
		return example(all, options[0].(Object), name, depth)
	}
	kind := s["type"]
	if kinds, several := kind.([]any); several {
		kind = kinds[0]
	}
	switch kind {
	case "object":
		return exampleObject(all, s, depth)
	case "array":
		if depth > exampleDepth {
			return []any{}
		}
		return []any{example(all, s["items"].(Object), name, depth+1)}
	case "integer", "number":
		if low, ok := s["minimum"]; ok {
			return low
		}
		return 1
	case "boolean":
		return false
	}
	switch {
	case s["format"] == "date-time":
		return exampleTime
	case s["format"] == "date":
		return "2027-01-31"
	case s["pattern"] == idPattern:
		return exampleID
	}
	return "text"
}

func exampleObject(all, s Object, depth int) Object {
	out := Object{}
	properties, _ := s["properties"].(Object)
	for _, name := range sortedKeys(properties) {
		p := properties[name].(Object)
		value := natural[name]
		if value == nil || !suits(value, p) {
			value = example(all, p, name, depth+1)
		}
		out[name] = value
	}
	return out
}

// suits tells whether a natural value is of the schema's type and within its bounds.
func suits(value any, s Object) bool {
	if s["$ref"] != nil || s["oneOf"] != nil || s["const"] != nil || s["pattern"] != nil && s["pattern"] != "^sha256:[0-9a-f]{64}$" {
		return false
	}
	if options, ok := s["enum"].([]any); ok {
		for _, o := range options {
			if o == value {
				return true
			}
		}
		return false
	}
	kind := s["type"]
	if kinds, several := kind.([]any); several {
		kind = kinds[0]
	}
	switch value := value.(type) {
	case string:
		return kind == "string" && (s["format"] == nil || value == exampleTime)
	case int:
		if low, ok := s["minimum"].(int64); ok && int64(value) < low {
			return false
		}
		if high, ok := s["maximum"].(int64); ok && int64(value) > high {
			return false
		}
		return kind == "integer" || kind == "number" || kind == nil
	case []any:
		items, _ := s["items"].(Object)
		return kind == "array" && items["type"] == "string"
	case Object:
		return kind == "object"
	}
	return false
}

// writable is an example without what only the server sets.
func writable(schemas Object, name string) Object {
	s, _ := schemas[name].(Object)
	if s == nil {
		return nil
	}
	out := exampleObject(schemas, s, 0)
	for property, p := range s["properties"].(Object) {
		if p, ok := p.(Object); ok && p["readOnly"] == true {
			delete(out, property)
		}
	}
	return out
}

// exampleBodies gives every request body an example.
func exampleBodies(paths, schemas Object) {
	for _, item := range paths {
		for _, o := range item.(Object) {
			request, ok := o.(Object)["requestBody"].(Object)
			if !ok {
				continue
			}
			media := request["content"].(Object)["application/json"].(Object)
			target, _ := media["schema"].(Object)["$ref"].(string)
			if value := writable(schemas, strings.TrimPrefix(target, "#/components/schemas/")); value != nil {
				media["example"] = value
			}
		}
	}
}
