package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/catalogue"
	"kowabunga/roles/kahuna/api"
)

// FuzzRequests: nothing that a request says may become a 5xx answer, whatever its path, query and body.
func FuzzRequests(f *testing.F) {
	w := newWorld(f)
	ids := w.topology()
	f.Add(uint8(0), "/api/v1/region", "", "")
	f.Add(uint8(1), "/api/v1/region", "", `{"name":"x","domain":1e999}`)
	f.Add(uint8(1), "/api/v2/komputes", "project=web&zone=eu-a&wait=1", `{"name":"x","memory":1,"vcpus":1,"disk":1}`)
	f.Add(uint8(0), "/api/v2/regions", "limit=-1&cursor=zz", "")
	f.Add(uint8(0), "/api/v2/users", "sort=-name,created&filter=role!=user&label=!a&cursor=eyJpIjoiNmIwMDRlM2I0MWFmZTY4MmRjZTg4N2RkIn0", "")
	f.Add(uint8(0), "/api/v2/audit", "since=-1h&until=9999999d&kind=x&cursor=0", "")
	f.Add(uint8(0), "/api/v2/regions", "as_of=18446744073709551615&as-of=0", "")
	f.Add(uint8(3), "/api/v2/regions/new", "plan=true&pin=sha256:x", `{"labels":{"a":1}}`)
	f.Add(uint8(0), "/api/v2/operations", "state=running&target=x&project=\x00", "")
	f.Add(uint8(0), "/api/v2/explain/kompute/x", "", "")
	f.Add(uint8(0), "/api/v2/explain/kompute/x", "why_not=k1", "")
	f.Add(uint8(1), "/api/v2/explain/placement", "", `{"project":"web","zone":"eu-a","vcpus":9223372036854775807,"memory":1,"pool":"\u0000"}`)
	f.Add(uint8(1), "/api/v1/login", "", `{"email":{},"password":[]}`)
	f.Add(uint8(3), "/api/v2/templates/"+ids["template"], "pool=p1", "")
	f.Fuzz(func(t *testing.T, m uint8, path, query, body string) {
		if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/api/v2/events") {
			w.survives(t, methods[int(m)%len(methods)], path, query, body)
		}
	})
}

// FuzzOperations: the same for the operations of the catalogue on things that exist, in both APIs.
func FuzzOperations(f *testing.F) {
	w := newWorld(f)
	ids := w.topology()
	var ops []*catalogue.Op
	for _, op := range catalogue.Ops() {
		// Logins and passwords are slow on purpose, and deletions would end the world.
		if op.Verb != catalogue.Delete && op.Action != "login" && op.Action != "password" {
			ops = append(ops, op)
		}
	}
	at := func(id string) uint8 {
		return uint8(slices.IndexFunc(ops, func(op *catalogue.Op) bool { return op.ID == id }))
	}
	f.Add(at("CreateProject"), false, "subnetSize=99999999999999999999", `{"name":"x","teams":null}`)
	f.Add(at("CreateAdapter"), false, "assignIP=%", `{"name":"x","addresses":["::","1.2.3"]}`)
	f.Add(at("CreateAdapter"), false, "", `{"name":"x","mac":"00:00:00:00:00:0g","addresses":["10.201.0.300"],"reserved":true}`)
	f.Add(at("UpdateSubnet"), false, "", `{"name":"s","cidr":"10.201.0.0/24","gateway":"10.201.0.1","reserved":[{"first":"z","last":""}]}`)
	f.Add(at("CreateProjectZoneKompute"), false, "public=true", `{"name":"x","memory":1,"vcpus":1,"disk":1,"data_disk":-1}`)
	f.Add(at("CreateProjectZoneInstance"), true, "wait=true", `{"name":"x","memory":9223372036854775807,"vcpus":4096,"adapters":["",""],"volumes":[]}`)
	f.Add(at("SetUserApiToken"), false, "expire=true&expiration_date=0000-00-00", "")
	f.Add(at("UpdateProject"), true, "wait=1", `{"name":"w\u0000","teams":[],"regions":[],"quotas":{"memory":-1}}`)
	f.Fuzz(func(t *testing.T, n uint8, native bool, query, body string) {
		op := ops[int(n)%len(ops)]
		path := "/api/v1" + op.Path
		for _, p := range op.Params {
			id := ids[string(p.Kind)]
			if id == "" {
				id = strings.Repeat("b", 24)
			}
			path = strings.Replace(path, "{"+p.Name+"}", id, 1)
		}
		if native {
			path = "/api/v2/" + catalogue.Of(op.Kind).Plural
			if op.Target() != "" {
				path += "/" + ids[string(op.Kind)]
			}
			query += "&project=web&region=eu&zone=eu-a&vnet=priv&subnet=s1&pool=p1"
		}
		w.survives(t, op.Method, path, query, body)
	})
}

var methods = []string{"GET", "POST", "PUT", "DELETE", "PATCH"}

func (w *world) survives(t *testing.T, method, path, query, body string) {
	r, err := http.NewRequest(method, "http://kahuna.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Path, r.URL.RawQuery = path, query
	r.Header.Set("X-API-Key", masterKey)
	r.RemoteAddr = "192.0.2.1:1"
	a := newRecorder()
	w.api.ServeHTTP(a, r)
	if a.status >= 500 && a.status != 507 {
		t.Errorf("%s %s?%s %q: %d %s", method, path, query, body, a.status, a.body.String())
	}
	if a.status == 0 {
		t.Errorf("%s %s was not answered", method, path)
	}
}

// FuzzCursor: a cursor that is taken is written as it was read.
func FuzzCursor(f *testing.F) {
	f.Add("eyJpIjoiNmIwMDRlM2I0MWFmZTY4MmRjZTg4N2RkIn0")
	f.Add("eyJzIjoiLW5hbWUiLCJrIjpbeyJ0IjoieCJ9LHsiaSI6NywibiI6MS41fV0sImkiOiI2YjAwNGUzYjQxYWZlNjgyZGNlODg3ZGQifQ")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := api.ReadCursor(text)
		if err != nil || text == "" {
			return
		}
		if again, err := api.ReadCursor(first); err != nil || again != first {
			t.Errorf("%q is read as %q, that as %q (%v)", text, first, again, err)
		}
	})
}
