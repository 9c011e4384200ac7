// Package apitest walks the frozen contract against a running API v1: every operation that this release
// has is called through the official SDK, and every answer's bytes are checked against the contract by
// rules stricter than any client's.
package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Wire is the contract: testdata/wire/wire.json.
type Wire struct {
	Operations []Operation
	Schemas    map[string]Schema
}

// Operation is one operation of the contract.
type Operation struct {
	ID, Method, Path string
	Params           []struct{ Name, In, Type string }
	Request          *string
	Responses        map[string]*string
}

// Schema is one schema of the contract.
type Schema struct{ Fields map[string]Field }

// Field is one field of a schema.
type Field struct {
	Type, Format, Items, Ref string
	Required, ReadOnly       bool
	Enum                     []any
}

// Load reads the contract.
func Load(file string) (*Wire, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	w := new(Wire)
	return w, json.Unmarshal(raw, w)
}

// Operation finds an operation by its id.
func (w *Wire) Operation(id string) (*Operation, bool) {
	for i := range w.Operations {
		if w.Operations[i].ID == id {
			return &w.Operations[i], true
		}
	}
	return nil, false
}

// Success is the status and the schema of an operation's success; the schema is empty for no body.
func (o *Operation) Success() (status, schema string) {
	for status, schema := range o.Responses {
		if status < "300" {
			if schema == nil {
				return status, ""
			}
			return status, *schema
		}
	}
	return "", ""
}

var idForm = regexp.MustCompile(`^[0-9a-f]{24}$`)

// Check compares a body with a schema: nothing undeclared, everything required, exact types, declared
// enumerators, lists that are lists, ids that are ids.
func (w *Wire) Check(schema string, body []byte) error {
	if schema == "" {
		if len(body) != 0 {
			return fmt.Errorf("a body stands where there is none: %.100s", body)
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return fmt.Errorf("no JSON: %w: %.100s", err, body)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON value")
	}
	if schema == "[]string" {
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%.100s is no list", body)
		}
		for _, item := range list {
			if s, ok := item.(string); !ok || !idForm.MatchString(s) {
				return fmt.Errorf("%v in the list is no id", item)
			}
		}
		return nil
	}
	return w.object(schema, schema, value)
}

func (w *Wire) object(path, name string, value any) error {
	schema, ok := w.Schemas[name]
	if !ok {
		return fmt.Errorf("%s: the contract has no schema %q", path, name)
	}
	members, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: %v is no object", path, value)
	}
	for key, member := range members {
		f, declared := schema.Fields[key]
		if !declared {
			return fmt.Errorf("%s: key %q is not declared", path, key)
		}
		if err := w.field(path+"."+key, key, f, member); err != nil {
			return err
		}
	}
	for key, f := range schema.Fields {
		if _, there := members[key]; f.Required && !there {
			return fmt.Errorf("%s: required key %q is missing", path, key)
		}
	}
	return nil
}

func (w *Wire) field(path, key string, f Field, value any) error {
	switch f.Type {
	case "array":
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: %v is no list", path, value)
		}
		for i, item := range list {
			at := fmt.Sprintf("%s[%d]", path, i)
			var err error
			switch f.Items {
			case "string", "integer", "number", "boolean":
				err = w.field(at, "", Field{Type: f.Items}, item)
			default:
				err = w.object(at, f.Items, item)
			}
			if err != nil {
				return err
			}
		}
		return nil
	case "object":
		return w.object(path, f.Ref, value)
	}
	if err := scalar(path, f, value); err != nil {
		return err
	}
	if len(f.Enum) > 0 && !slices.ContainsFunc(f.Enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(value) }) {
		return fmt.Errorf("%s: %v is none of %v", path, value, f.Enum)
	}
	if key == "id" && !idForm.MatchString(value.(string)) {
		return fmt.Errorf("%s: %v is no id", path, value)
	}
	return nil
}

func scalar(path string, f Field, value any) error {
	ok := false
	switch f.Type {
	case "string":
		var s string
		if s, ok = value.(string); ok && f.Format == "date" {
			_, err := time.Parse(time.DateOnly, s)
			ok = err == nil
		}
	case "integer":
		var n json.Number
		if n, ok = value.(json.Number); ok {
			ok = !strings.ContainsAny(n.String(), ".eE")
		}
	case "number":
		_, ok = value.(json.Number)
	case "boolean":
		_, ok = value.(bool)
	}
	if !ok {
		return fmt.Errorf("%s: %v (%T) is no %s %s", path, value, value, f.Type, f.Format)
	}
	return nil
}

// CheckError is the check of an error's body and header.
func (w *Wire) CheckError(status int, contentType string, body []byte) error {
	if contentType != "application/json" {
		return fmt.Errorf("content type %q", contentType)
	}
	if err := w.Check("ApiErrorNotFound", body); err != nil {
		return err
	}
	var e struct {
		Status        int
		Error, Reason string
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	if e.Status != status || e.Error == "" || e.Reason == "" {
		return fmt.Errorf("%s with status %d", body, status)
	}
	return nil
}
