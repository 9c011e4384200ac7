package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Rights is the table of rights: for every operation how a call ends for nobody, a user, a projectAdmin
// and a superAdmin, for the latter three on own objects and on those of others.
type Rights map[string][]string

// LoadRights reads the table that core/access is tested against.
func LoadRights(file string) (Rights, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	table := Rights{}
	var ops []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
		case !strings.HasPrefix(line, " "):
			ops = nil
		case strings.Contains(line, "|"):
			for _, op := range ops {
				table[op] = strings.Fields(strings.ReplaceAll(line, "|", " "))
			}
		default:
			ops = append(ops, strings.Fields(line)...)
		}
	}
	if len(table) == 0 {
		return nil, fmt.Errorf("%s has no rows", file)
	}
	return table, nil
}

// credentials are what callers present.
type credentials struct {
	dead map[string]string    // by what is wrong with them
	in   map[string]*identity // by role: members of the walk's project
	out  map[string]*identity // by role: members of nothing of the walk
}

type identity struct{ user, key string }

// populate makes the people that the table speaks of: of each role one in the project's team and one
// outside, and credentials that are no longer worth anything.
func (w *walk) populate() {
	w.t.Helper()
	w.who = credentials{dead: map[string]string{"no credentials": "", "wrong key": "wrong", "long key": strings.Repeat("k", 8000),
		"short authorization": "Authorization x", "bare scheme": "Authorization Bearer", "other scheme": "Authorization Basic YTpi", "forged login": "Bearer eyJhbGciOiJub25lIn0.eyJ1aWQiOiJ4In0."},
		in: map[string]*identity{}, out: map[string]*identity{}}
	person := func(name, role string) *identity {
		made := w.native(http.MethodPost, "/users", fmt.Sprintf(`{"name":%q,"email":"%s@walk.test","role":%q}`, w.n(name), w.n(name), role))
		id, _ := made["id"].(string)
		key, _ := w.native(http.MethodPatch, "/users/"+id+"/token?expire=false", "")["key"].(string)
		if key == "" {
			w.t.Fatalf("user %s got no key", name)
		}
		w.everybody = append(w.everybody, id)
		return &identity{id, key}
	}
	for _, role := range []string{"user", "projectAdmin"} {
		w.who.in[role], w.who.out[role] = person("in-"+role, role), person("out-"+role, role)
	}
	w.ids["insiders"], _ = w.native(http.MethodPost, "/teams", fmt.Sprintf(`{"name":%q,"users":[%q,%q]}`, w.n("insiders"), w.who.in["user"].user, w.who.in["projectAdmin"].user))["id"].(string)
	expired, revoked := person("expired", "superAdmin"), person("revoked", "superAdmin")
	token := func(user string) string {
		for _, id := range w.list("/api/v1/token") {
			if owner, _ := w.native(http.MethodGet, "/tokens/"+id, "")["name"].(string); strings.HasPrefix(owner, w.n(user)+"-") {
				return id
			}
		}
		w.t.Fatalf("%s has no token", user)
		return ""
	}
	if status, _, raw := w.send(http.MethodPut, "/token/"+token("expired"), w.target.Key, `{"name":"expired-api-key","expire":true,"expiration_date":"2001-01-01"}`); status != http.StatusOK {
		w.t.Fatalf("a key cannot be ended: %d %s", status, raw)
	}
	if status, _, raw := w.send(http.MethodDelete, "/token/"+token("revoked"), w.target.Key, ""); status != http.StatusOK {
		w.t.Fatalf("a key cannot be revoked: %d %s", status, raw)
	}
	agent, _ := w.native(http.MethodPost, "/agents", fmt.Sprintf(`{"name":%q,"type":"Kaktus"}`, w.n("key-agent")))["id"].(string)
	key, _ := w.native(http.MethodPatch, "/agents/"+agent+"/token?expire=false", "")["key"].(string)
	w.ids["key-agent"] = agent
	w.who.dead["expired key"], w.who.dead["revoked key"], w.who.dead["agent key"] = expired.key, revoked.key, key
}

// rights calls every operation that was called with success once more as everybody else.
func (w *walk) rights() {
	w.t.Helper()
	cells := 0
	for _, id := range slices.Sorted(maps.Keys(w.valid)) {
		c := w.valid[id]
		row := w.target.Rights[id]
		if row == nil {
			w.t.Errorf("%s is not in the table of rights", id)
			continue
		}
		if row[0] == "ok" {
			continue // login and resetting a password, which nobody in particular may
		}
		for what, key := range w.who.dead {
			cells++
			w.denied(id+" with "+what, c.op.Method, c.path(), key, c.body, http.StatusUnauthorized)
		}
		for i, role := range []string{"user", "projectAdmin"} {
			cells += 2
			w.cell(c, role+" inside", w.who.in[role], row[1+2*i+w.foreign(id)])
			w.cell(c, role+" outside", w.who.out[role], row[2+2*i])
		}
	}
	w.pair()
	cells += len(w.who.dead) + 2*len(w.who.in)
	// The gateway's public addresses are of a subnet that nobody owns; whoever uses it may look at it.
	subnet, _ := w.wire.Operation("ReadSubnet")
	w.cell(&valid{op: subnet, ids: w.path("outside")}, "user inside, of a subnet his gateway uses", w.who.in["user"], "ok")
	w.cell(&valid{op: subnet, ids: w.path("outside")}, "user outside, of that subnet", w.who.out["user"], "404")
	w.t.Logf("%d cells of the table of rights", cells+2)
}

// pair asks how the Kahunas stand to each other, which is of API v2 alone, as everybody.
func (w *walk) pair() {
	w.t.Helper()
	row := w.target.Rights["ReadPair"]
	if row == nil {
		w.t.Error("ReadPair is not in the table of rights")
		return
	}
	ask := func(caller, key, want string) {
		w.t.Helper()
		status, _, raw := w.raw(http.MethodGet, "/api/v2/pair", key, "")
		if got := strconv.Itoa(status); got != strings.ReplaceAll(want, "ok", "200") {
			w.t.Errorf("the pair is read by %s: %s %.300s instead of %s", caller, got, raw, want)
		}
	}
	for what, key := range w.who.dead {
		ask(what, key, row[0])
	}
	for i, role := range []string{"user", "projectAdmin"} {
		ask(role+" inside", w.who.in[role].key, row[1+2*i])
		ask(role+" outside", w.who.out[role].key, row[2+2*i])
	}
	ask("a superAdmin", w.target.Key, row[5])
}

// foreign is 1 for operations on people and keys, which the walk's members share nothing with.
func (w *walk) foreign(id string) int {
	for _, of := range []string{"ReadUser", "UpdateUser", "DeleteUser", "SetUserPassword", "SetUserApiToken", "ResetUserPassword", "Team", "ApiToken"} {
		if strings.HasSuffix(id, of) && !strings.HasPrefix(id, "Create") && !strings.HasPrefix(id, "List") {
			return 1
		}
	}
	return 0
}

// cell calls as one caller. What he may is done where doing it again changes nothing that later calls
// need; creations are asked for with a body that is refused for what it is.
func (w *walk) cell(c *valid, caller string, who *identity, want string) {
	w.t.Helper()
	what := c.op.ID + " by a " + caller
	if want != "ok" {
		status, _ := strconv.Atoi(want)
		w.denied(what, c.op.Method, c.path(), who.key, c.body, status)
		return
	}
	switch {
	case c.op.Method == http.MethodDelete, c.op.ID == "Logout":
	case strings.HasPrefix(c.op.ID, "Create"):
		status, _, raw := w.send(c.op.Method, c.path(), who.key, `[`+c.body+`]`)
		if status != http.StatusBadRequest {
			w.t.Errorf("%s: %d %s instead of a complaint about the body", what, status, raw)
		}
	case strings.HasPrefix(c.op.ID, "Update"):
		status, _, raw := w.send(c.op.Method, c.path(), who.key, c.body)
		if status != http.StatusOK && status != http.StatusForbidden { // some fields are not his to change
			w.t.Errorf("%s: %d %s", what, status, raw)
		}
	default:
		status, _, raw := w.send(c.op.Method, c.path(), who.key, c.body)
		want, schema := c.op.Success()
		if strconv.Itoa(status) != want {
			w.t.Errorf("%s: %d %s instead of %s", what, status, raw, want)
		} else if err := w.wire.Check(schema, raw); err != nil {
			w.t.Errorf("%s: %v", what, err)
		}
	}
}

// listed checks that lists hold exactly what a read would return, for each caller.
func (w *walk) listed() {
	w.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.valid)) {
		c := w.valid[id]
		_, schema := c.op.Success()
		if schema != "[]string" {
			continue
		}
		all := w.list("/api/v1" + c.path())
		for caller, who := range map[string]*identity{"user inside": w.who.in["user"], "user outside": w.who.out["user"], "projectAdmin outside": w.who.out["projectAdmin"]} {
			status, _, raw := w.send(c.op.Method, c.path(), who.key, "")
			if status != http.StatusOK {
				continue
			}
			var mine []string
			if err := json.Unmarshal(raw, &mine); err != nil {
				w.t.Fatal(err)
			}
			read := w.reader(id)
			for _, object := range all {
				if read == "" {
					break
				}
				status, _, _ := w.send(http.MethodGet, "/"+read+"/"+object, who.key, "")
				if (status == http.StatusOK) != slices.Contains(mine, object) {
					w.t.Errorf("%s shows a %s %v, and reading %s answers %d", id, caller, mine, object, status)
				}
			}
		}
	}
}

// reader is the path that objects of a list are read at.
func (w *walk) reader(list string) string {
	for kind, suffixes := range map[string][]string{"region": {"Regions"}, "zone": {"Zones"}, "kaktus": {"Kaktuss", "Kaktuses"}, "agent": {"Agents"}, "kiwi": {"Kiwis"}, "vnet": {"VNets"},
		"subnet": {"Subnets"}, "adapter": {"Adapters"}, "pool": {"StoragePools"}, "template": {"Templates"}, "volume": {"Volumes"}, "nfs": {"NFSs"}, "kylo": {"Kylos"},
		"project": {"Projects"}, "record": {"DnsRecords"}, "instance": {"Instances"}, "kompute": {"Komputes"}, "kawaii": {"Kawaiis"}, "konvey": {"Konveys"}, "user": {"Users"}, "team": {"Teams"}, "token": {"ApiTokens"}} {
		for _, s := range suffixes {
			if strings.HasSuffix(list, s) {
				return kind
			}
		}
	}
	return ""
}

// native makes a request of API v2 that must succeed.
func (w *walk) native(method, path, body string) map[string]any {
	w.t.Helper()
	status, _, raw := w.raw(method, "/api/v2"+path, w.target.Key, body)
	if status < 200 || status > 299 {
		w.t.Fatalf("%s /api/v2%s: %d %s", method, path, status, raw)
	}
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

func (w *walk) list(path string) []string {
	w.t.Helper()
	status, _, raw := w.raw(http.MethodGet, path, w.target.Key, "")
	var out []string
	if err := json.Unmarshal(raw, &out); status != http.StatusOK || err != nil {
		w.t.Fatalf("%s: %d %s", path, status, raw)
	}
	return out
}

// depopulate removes the people again.
func (w *walk) depopulate() {
	w.t.Helper()
	w.native(http.MethodDelete, "/teams/"+w.ids["insiders"], "")
	for _, id := range w.everybody {
		w.native(http.MethodDelete, "/users/"+id, "")
	}
	w.native(http.MethodDelete, "/agents/"+w.ids["key-agent"], "")
}
