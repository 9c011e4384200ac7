package catalogue_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

type contract struct {
	Operations []struct {
		ID, Method, Path string
		Params           []struct{ Name, In, Type string }
		Request          *string
		Responses        map[string]*string
	}
	Schemas map[string]struct {
		Fields map[string]struct {
			Type, Items, Ref   string
			Required, ReadOnly bool
			Enum               []any
		}
	}
}

func frozen(t *testing.T) contract {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/wire/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every operation of the contract is declared with the same method, path, query parameters and status, and
// nothing is declared that the contract has not.
func TestOperationsAreThoseOfTheContract(t *testing.T) {
	have := map[string]*catalogue.Op{}
	for _, op := range catalogue.OpsV1() {
		if have[op.ID] != nil {
			t.Errorf("%s is declared twice", op.ID)
		}
		have[op.ID] = op
	}
	for _, want := range frozen(t).Operations {
		op := have[want.ID]
		if op == nil {
			t.Errorf("%s %s %s is not declared", want.ID, want.Method, want.Path)
			continue
		}
		delete(have, want.ID)
		if op.Method != want.Method || op.Path != want.Path {
			t.Errorf("%s: %s %s, want %s %s", op.ID, op.Method, op.Path, want.Method, want.Path)
		}
		var query, wantQuery []string
		for _, q := range op.QueryOf(catalogue.V1) {
			query = append(query, q.Name)
		}
		for _, p := range want.Params {
			if p.In == "query" {
				wantQuery = append(wantQuery, p.Name)
			}
		}
		slices.Sort(query)
		slices.Sort(wantQuery)
		if !slices.Equal(query, wantQuery) {
			t.Errorf("%s: query %v, want %v", op.ID, query, wantQuery)
		}
		if want.Request == nil && op.Request != "" || want.Request != nil && op.Request != *want.Request {
			t.Errorf("%s: request %q", op.ID, op.Request)
		}
		for status, schema := range want.Responses {
			if status < "300" && (status != reflectStatus(op.Status) || schema == nil && op.Response != "" || schema != nil && op.Response != *schema) {
				t.Errorf("%s: %d %q, want %s %v", op.ID, op.Status, op.Response, status, schema)
			}
		}
	}
	for id := range have {
		t.Errorf("%s is not in the contract", id)
	}
}

func reflectStatus(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// Every field of the contract's schemas is declared with its type, and the other way round.
func TestFieldsAreThoseOfTheContract(t *testing.T) {
	c := frozen(t)
	for _, k := range catalogue.Kinds {
		if k.Native {
			continue
		}
		want := c.Schemas[k.Schema].Fields
		for i := range k.Fields {
			f := &k.Fields[i]
			w, ok := want[f.Name]
			if !ok {
				if f.Since == "" {
					t.Errorf("%s.%s is not in the contract", k.Schema, f.Name)
				}
				continue
			}
			if w.Required != f.Required {
				t.Errorf("%s.%s: required %v, want %v", k.Schema, f.Name, f.Required, w.Required)
			}
			if w.ReadOnly && !f.ReadOnly {
				t.Errorf("%s.%s must be read-only", k.Schema, f.Name)
			}
			if len(w.Enum) != len(f.Enum) {
				t.Errorf("%s.%s: enum %v, want %v", k.Schema, f.Name, f.Enum, w.Enum)
			}
		}
		for name := range want {
			if _, ok := k.Field(name); !ok {
				t.Errorf("%s.%s is not declared", k.Schema, name)
			}
		}
	}
}

// Every field of a struct is bound to exactly one wire field or named as internal, bits are unique, and
// what is written can be read back.
func TestStructsAndEntriesAgree(t *testing.T) {
	for _, k := range catalogue.Kinds {
		o := k.Table.New()
		bound := map[any]string{}
		bits := map[int]string{}
		for i := range k.Fields {
			f := &k.Fields[i]
			if p := f.Address(o); p != nil {
				if other := bound[p]; other != "" {
					t.Errorf("%s: %s and %s are bound to the same field", k.Name, other, f.Name)
				}
				bound[p] = f.Name
			}
			if f.Bit < 0 {
				if !f.ReadOnly {
					t.Errorf("%s.%s can be sent but has no bit", k.Name, f.Name)
				}
			} else if other := bits[f.Bit]; other != "" {
				t.Errorf("%s: %s and %s share bit %d", k.Name, other, f.Name, f.Bit)
			} else {
				bits[f.Bit] = f.Name
			}
		}
		v := reflect.ValueOf(o).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "Meta" {
				continue
			}
			wire := bound[v.Field(i).Addr().Interface()]
			internal := slices.Contains(k.Internal, name)
			if (wire == "") == !internal {
				t.Errorf("%s.%s: wire field %q, internal %v", k.Name, name, wire, internal)
			}
		}
		for _, name := range k.Internal {
			if _, ok := v.Type().FieldByName(name); !ok {
				t.Errorf("%s: no field %s", k.Name, name)
			}
		}
		if len(k.Table.Refs) > 0 && k.Table.New().Kind() != k.Name {
			t.Errorf("%s: table of %s", k.Name, k.Table.New().Kind())
		}
	}
}

func TestPUTKeepsAndReplaces(t *testing.T) {
	k := catalogue.Of(model.KindSubnet)
	o, err := k.DecodeCreate([]byte(`{"name":"a","description":"d","cidr":"10.0.0.0/24","gateway":"10.0.0.1","reserved":[{"first":"10.0.0.2","last":"10.0.0.9"}],"unknown":1}`))
	if err != nil {
		t.Fatal(err)
	}
	got := string(k.Append(nil, nil, o, catalogue.Reader{Version: catalogue.V1}))
	want := `{"id":"","name":"a","description":"d","cidr":"10.0.0.0/24","gateway":"10.0.0.1","reserved":[{"first":"10.0.0.2","last":"10.0.0.9"}],"application":"user"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	next, err := k.DecodeUpdate(o, []byte(`{"name":"a","description":"","cidr":"10.0.0.0/24","gateway":"10.0.0.1","dns":"9.9.9.9"}`))
	if err != nil {
		t.Fatal(err)
	}
	got = string(k.Append(nil, nil, next, catalogue.Reader{Version: catalogue.V1}))
	want = `{"id":"","name":"a","description":"","cidr":"10.0.0.0/24","gateway":"10.0.0.1","dns":"9.9.9.9","application":"user"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(o.(*model.Subnet).Reserved) != 1 {
		t.Error("the old object changed")
	}
}

func TestBadBodies(t *testing.T) {
	k := catalogue.Of(model.KindSubnet)
	for body, want := range map[string]string{
		``:                     "malformed ",
		`{`:                    "malformed ",
		`[]`:                   "malformed ",
		`{"name":1}`:           "malformed name",
		`{"name":"a"}`:         "invalid cidr",
		`{"name":null}`:        "invalid name",
		`{"name":"","cidr":1}`: "invalid name",
		`{"name":"a","name":"b","cidr":"x","gateway":"y"}`:                          "malformed name",
		`{"name":"a","cidr":"x","gateway":"y","reserved":[{"first":"1"}]}`:          "invalid reserved[0].last",
		`{"name":"a","cidr":"x","gateway":"y","reserved":{}}`:                       "malformed reserved",
		`{"name":"a","cidr":"x","gateway":"y","application":"x"}`:                   "invalid application",
		`{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `,"name":""}`: "malformed ",
	} {
		_, err := k.DecodeCreate([]byte(body))
		if got := faultOf(err); got != want {
			t.Errorf("%s: %q, want %q (%v)", body, got, want, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","cidr":"x","gateway":"y","reserved":[{"first":"1","last":"2"}]}`))
	f.Add([]byte("{\"name\":\"\\u00e9\\ud800\", \"x\" : [1 , {\"a\":null}]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, k := range catalogue.Kinds {
			o, err := k.DecodeCreate(body)
			if err != nil || k.Name == model.KindProject || k.Name == model.KindKwarantine { // they show what others refer to
				continue
			}
			if out := k.Append(nil, nil, o, catalogue.Reader{Version: catalogue.V1, Secrets: true}); !json.Valid(out) {
				t.Fatalf("%s: %s", k.Name, out)
			}
		}
	})
}
