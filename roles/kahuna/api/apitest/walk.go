package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Target is a Kahuna to walk the contract against. Everything made there is removed again.
type Target struct {
	URL       string
	Key       string // of a superAdmin
	Transport http.RoundTripper
	Pool      string // wire field "pool" of the storage pool; "dir:walk" when empty
	Source    string // image of the template; "http://127.0.0.1/walk.img" when empty
	// Connect makes the agent of a host serve it, so that machines can run there; nil when it needs
	// nothing.
	Connect func(t *testing.T, agent, kaktus string)
	Prefix  string // of all names, so that walks do not meet; "walk" when empty
	// Rights makes the walk call everything as everybody as well, and with everything wrong; nil leaves
	// that out.
	Rights Rights
	// From is a transport that sends the nth request of others than Key's owner from one of many addresses,
	// as wrong keys are counted by address; nil when they are not.
	From  func(n int) http.RoundTripper
	State func() string // of all resources, to see that what was refused changed nothing; may be nil
}

// walk is one walk through the contract.
type walk struct {
	t      *testing.T
	wire   *Wire
	target Target
	api    *client
	ids    map[string]string // by name
	called map[string]bool

	valid     map[string]*valid // the last successful call of each operation
	who       credentials
	everybody []string // users that are in no scene
	requests  int
}

// Walk calls every operation of the contract and checks every answer.
func Walk(t *testing.T, wire *Wire, target Target) {
	t.Helper()
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&target.Pool, "dir:walk")
	def(&target.Source, "http://127.0.0.1/walk.img")
	def(&target.Prefix, "walk")
	api, err := newClient(target.URL, target.Transport, "X-API-Key", target.Key)
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{t: t, wire: wire, target: target, api: api, ids: map[string]string{}, called: map[string]bool{}, valid: map[string]*valid{}}
	if target.Rights != nil {
		w.populate()
	}
	w.infrastructure()
	w.people()
	w.tenant()
	w.machines()
	w.shares()
	w.services()
	if target.Rights != nil {
		w.rights()
		w.listed()
		w.probe()
	}
	w.removeServices()
	w.removeShares()
	w.remove()
	if target.Rights != nil {
		w.depopulate()
	}
	w.covered()
	w.absent()
}

// covered fails for operations that were not called.
func (w *walk) covered() {
	w.t.Helper()
	for i := range w.wire.Operations {
		if op := &w.wire.Operations[i]; !w.called[op.ID] {
			w.t.Errorf("%s %s (%s) was not called", op.Method, op.Path, op.ID)
		}
	}
	w.t.Logf("%d operations called", len(w.called))
}

// call runs an operation and checks its answer's status, type and body. Path parameters are the ids of
// named objects, in the path's order, separated by spaces.
func (w *walk) call(id, path string, query map[string]string, body string) (result map[string]any) {
	w.t.Helper()
	op, ok := w.wire.Operation(id)
	if !ok {
		w.t.Fatalf("the contract has no %s", id)
	}
	ids := w.path(path)
	w.called[id] = true
	if _, err := w.api.call(op, ids, query, body); err != nil {
		w.t.Fatalf("%s: the official SDK: %v", id, err)
	}
	w.valid[id] = &valid{op, ids, query, body}
	got := w.api.last
	if want := "/api/v1" + fill(op.Path, ids); got.request.URL.Path != want || got.request.Method != op.Method {
		w.t.Fatalf("%s went to %s %s instead of %s", id, got.request.Method, got.request.URL.Path, want)
	}
	if err := w.check(op, got); err != nil {
		w.t.Errorf("%s: %v", id, err)
	}
	if strings.HasPrefix(string(got.body), "{") {
		if err := json.Unmarshal(got.body, &result); err != nil {
			w.t.Fatal(err)
		}
	}
	return result
}

// path is the ids of named objects, in the path's order.
func (w *walk) path(names string) []string {
	w.t.Helper()
	var ids []string
	for _, name := range strings.Fields(names) {
		if w.ids[name] == "" {
			w.t.Fatalf("there is no %q", name)
		}
		ids = append(ids, w.ids[name])
	}
	return ids
}

// at is the path of an object: a tunnel's also names its gateway.
func at(name string) string {
	if name == "ipsec" {
		return "kawaii ipsec"
	}
	return name
}

func fill(path string, ids []string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i], ids = ids[0], ids[1:]
		}
	}
	return strings.Join(segments, "/")
}

func (w *walk) check(op *Operation, got *exchange) error {
	status, schema := op.Success()
	if strconv.Itoa(got.status) != status {
		return fmt.Errorf("status %d instead of %s", got.status, status)
	}
	if got.status == http.StatusNoContent {
		return w.wire.Check("", got.body)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/json" {
		return fmt.Errorf("content type %q", ct)
	}
	if n := got.header.Get("Content-Length"); n != strconv.Itoa(len(got.body)) {
		return fmt.Errorf("content length %q for %d bytes", n, len(got.body))
	}
	return w.wire.Check(schema, got.body)
}

// make creates an object, remembers its id under a name, then reads it, lists it and writes back what
// was read, as Terraform does. The body must come back as it was sent.
func (w *walk) make(name, schema, create, path string, query map[string]string, body string, lists ...string) map[string]any {
	w.t.Helper()
	made := w.call(create, path, query, body)
	w.ids[name], _ = made["id"].(string)
	w.echoed(create, body, made)
	read := w.call("Read"+schema, at(name), nil, "")
	if a, b := text(made), text(read); a != b {
		w.t.Errorf("%s answers %s and Read%s %s", create, a, schema, b)
	}
	again := w.call("Update"+schema, at(name), nil, text(read))
	if a, b := text(read), text(again); a != b {
		w.t.Errorf("Update%s with what was read changes %s to %s", schema, a, b)
	}
	for _, l := range lists {
		id, under, _ := strings.Cut(l, " ")
		w.call(id, under, nil, "")
		if !strings.Contains(string(w.api.last.body), `"`+w.ids[name]+`"`) {
			w.t.Errorf("%s %s does not list %s: %s", id, under, name, w.api.last.body)
		}
	}
	return made
}

// echoed checks that what was sent is answered.
func (w *walk) echoed(op, sent string, got map[string]any) {
	w.t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(sent), &want); err != nil {
		w.t.Fatal(err)
	}
	for key, value := range want {
		if text(got[key]) != text(value) {
			w.t.Errorf("%s was sent %s = %s and answers %s", op, key, text(value), text(got[key]))
		}
	}
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(raw)
}
