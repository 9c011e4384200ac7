package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"kowabunga/core/catalogue"
)

// Both documents are valid OpenAPI 3.1, and every operation in them is routed.
func TestDocumentsAreValidAndServed(t *testing.T) {
	w := newWorld(t)
	for path, base := range map[string]string{"/api/v1/openapi.yaml": "/api/v1", "/api/v1/openapi.json": "/api/v1", "/api/v2/openapi.json": "/api/v2"} {
		a := w.do("GET", path, "", "X-API-Key", "")
		if a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		doc, err := openapi3.NewLoader().LoadFromData([]byte(a.body))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if doc.OpenAPI != "3.1.0" {
			t.Errorf("%s is OpenAPI %s", path, doc.OpenAPI)
		}
		if err := doc.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for p, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				if p == "/events" {
					continue
				}
				at := base + regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(p, strings.Repeat("f", 24))
				got := w.do(method, at, "", "X-API-Key", "")
				if got.status == 405 || strings.Contains(got.body, "nothing at this path") {
					t.Errorf("%s %s of %s is not served: %d", method, p, path, got.status)
				}
			}
		}
	}
}

// The document of v1 says what the contract says: operations, parameters, statuses and fields.
func TestDocumentV1IsTheContract(t *testing.T) {
	w := newWorld(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(w.do("GET", "/api/v1/openapi.yaml", "").body))
	if err != nil {
		t.Fatal(err)
	}
	c := contract(t)
	for i := range c.Operations {
		want := &c.Operations[i]
		got := doc.Paths.Value(want.Path).GetOperation(want.Method)
		if got == nil || got.OperationID != want.ID {
			t.Errorf("%s is not in the document", want.ID)
			continue
		}
		for _, p := range want.Params {
			if q := got.Parameters.GetByInAndName(p.In, p.Name); q == nil || !q.Schema.Value.Type.Is(p.Type) {
				t.Errorf("%s: parameter %s %s", want.ID, p.In, p.Name)
			}
		}
		if (got.RequestBody != nil) != (want.Request != nil) {
			t.Errorf("%s: request body", want.ID)
		}
		status, _ := want.Success()
		if got.Responses.Value(status) == nil {
			t.Errorf("%s: no answer %s", want.ID, status)
		}
	}
	for _, k := range catalogue.Kinds {
		if k.Native {
			continue
		}
		got, want := doc.Components.Schemas[k.Schema].Value, c.Schemas[k.Schema]
		for name, f := range want.Fields {
			p := got.Properties[name]
			if p == nil || f.Type != "object" && !p.Value.Type.Is(f.Type) {
				t.Errorf("%s.%s", k.Schema, name)
			}
		}
		if len(got.Properties) != len(want.Fields) {
			t.Errorf("%s has %d fields, the contract %d", k.Schema, len(got.Properties), len(want.Fields))
		}
	}
}

// What v2 answers is what its document says.
func TestAnswersOfV2FitTheirSchemas(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.kompute(ids, "m1")
	w.must("POST", "/api/v2/kwarantines?project="+ids["project"], `{"name":"apart"}`)
	w.services(ids)
	made := w.must("POST", "/api/v2/users?password=generated", `{"name":"zoe","email":"zoe@eu.test","role":"user"}`)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(w.do("GET", "/api/v2/openapi.json", "").body))
	if err != nil {
		t.Fatal(err)
	}
	check := func(schema, body string) {
		t.Helper()
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		s := doc.Components.Schemas[schema].Value
		if err := s.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse()); err != nil {
			t.Errorf("%s: %v: %s", schema, err, body)
		}
		object, _ := value.(map[string]any)
		for name := range object {
			if s.Properties[name] == nil {
				t.Errorf("%s: %q is not in the document", schema, name)
			}
		}
	}
	raw, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	check("User", string(raw))
	check("NewPassword", w.do("PATCH", "/api/v2/users/zoe/newPassword", "").body)
	check("Device", w.do("POST", "/api/v2/device", "").body)
	w.must("POST", "/api/v1/login", fmt.Sprintf(`{"email":"yan@eu.test","password":%q}`, w.must("POST", "/api/v2/users?password=generated", `{"name":"yan","email":"yan@eu.test","role":"user"}`)["password"]), "X-API-Key", "")
	for _, k := range catalogue.Kinds {
		list := w.do("GET", "/api/v2/"+k.Plural, "").body
		check(k.Schema+"List", list)
		items := decode(t, list)["items"].([]any)
		if len(items) == 0 && k.Schema != "ApiToken" {
			t.Errorf("nothing to check for %s", k.Schema)
		}
		for _, item := range items {
			raw, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			check(k.Schema, string(raw))
		}
	}
	operations := decode(t, w.do("GET", "/api/v2/operations", "").body)["items"].([]any)
	id := operations[len(operations)-1].(map[string]any)["id"].(string)
	check("Operation", w.do("GET", "/api/v2/operations/"+id, "").body)
	check("OperationList", w.do("GET", "/api/v2/operations", "").body)
	check("Explanation", w.do("GET", "/api/v2/explain/kompute/m1", "").body)
	check("Explanation", w.do("GET", "/api/v2/explain/kompute/m1?why_not=k1", "").body)
	check("Outlook", w.do("POST", "/api/v2/explain/placement", `{"project":"web","zone":"eu-a","vcpus":1,"memory":1}`).body)
	check("Outlook", w.do("POST", "/api/v2/explain/placement", `{"project":"web","zone":"eu-a","vcpus":4000,"memory":1}`).body)
	check("Plan", w.do("PUT", "/api/v2/komputes/m1?plan=true", `{"memory":2147483648,"vcpus":1,"disk":4294967296}`).body)
	check("Plan", w.do("POST", "/api/v2/regions?plan=true", `{"name":"us"}`).body)
	check("AuditEntryList", w.do("GET", "/api/v2/audit?limit=1000", "").body)
	check("Pair", w.do("GET", "/api/v2/pair", "").body)
	check("Top", w.do("GET", "/api/v2/top", "").body)
	check("Problem", w.do("GET", "/api/v2/regions?sort=colour", "").body)
	check("Problem", w.do("PUT", "/api/v2/regions/eu", `{"labels":7}`).body)
	check("WhoAmI", w.do("GET", "/api/v2/whoami", "").body)
	check("Version", w.do("GET", "/api/v2/version", "").body)
	check("Problem", w.do("GET", "/api/v2/regions/none", "").body)
	check("Key", w.do("PATCH", "/api/v2/agent/a1/token", "").body)
	check("KaktusCaps", w.do("GET", "/api/v2/kaktus/k1/caps", "").body)
	check("InstanceState", w.do("GET", "/api/v2/kompute/m1/state", "").body)
	check("InstanceRemoteAccess", w.do("GET", "/api/v2/kompute/m1/connect", "").body)
	check("ProjectCost", w.do("GET", "/api/v2/projects/web/cost", "").body)
	check("ProjectResources", w.do("GET", "/api/v2/projects/web/usage", "").body)
}

// Every schema of v2 has an example that fits it, every body one that can be sent.
func TestExamplesOfV2FitTheirSchemas(t *testing.T) {
	w := newWorld(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(w.do("GET", "/api/v2/openapi.json", "").body))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range doc.Components.Schemas {
		examples := s.Value.Examples
		if len(examples) == 0 {
			t.Errorf("%s has no example", name)
			continue
		}
		if err := s.Value.VisitJSON(examples[0], openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse()); err != nil {
			t.Errorf("the example of %s: %v: %v", name, err, examples[0])
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			media := op.RequestBody.Value.Content["application/json"]
			if media.Example == nil {
				t.Errorf("the body of %s %s has no example", method, path)
			} else if err := media.Schema.Value.VisitJSON(media.Example, openapi3.EnableJSONSchema2020(), openapi3.VisitAsRequest()); err != nil {
				t.Errorf("the example body of %s %s: %v", method, path, err)
			}
		}
	}
}

// The parameters that the document of v2 names are those that are taken.
func TestParametersOfV2AreThoseOfTheDocument(t *testing.T) {
	w := newWorld(t)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(w.do("GET", "/api/v2/openapi.json", "").body))
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			at := "/api/v2" + regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(path, strings.Repeat("f", 24)) + "?surely_unknown=1"
			a := w.do(method, at, "{}")
			_, list, _ := strings.Cut(a.body, "it takes ")
			list, _, _ = strings.Cut(list, `"`)
			taken := map[string]bool{}
			for name := range strings.SplitSeq(list, ", ") {
				taken[name] = true
			}
			delete(taken, "")
			if a.status != 400 || !strings.Contains(a.body, "surely_unknown") {
				t.Errorf("%s %s takes whatever comes: %d", method, path, a.status)
				continue
			}
			for _, p := range op.Parameters {
				if p.Value.In == "query" && !taken[p.Value.Name] {
					t.Errorf("%s %s does not take %s", method, path, p.Value.Name)
				}
				delete(taken, p.Value.Name)
			}
			delete(taken, "as-of") // the other spelling
			for name := range taken {
				t.Errorf("%s %s takes %s, of which the document does not know", method, path, name)
			}
		}
	}
}

// The pages are whole without any other host and run nothing that is not the server's own file.
func TestPagesWorkOfflineUnderAStrictPolicy(t *testing.T) {
	w := newWorld(t)
	reference := regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	for _, path := range []string{"/docs/", "/docs/api-v1", "/docs/api-v2", "/docs/install", "/docs/tour"} {
		a := w.do("GET", path, "", "X-API-Key", "")
		csp := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Fatalf("%s: %d %s %s", path, a.status, csp, a.header.Get("Content-Type"))
		}
		for _, odd := range []string{"<script>", "style=", "onclick", "javascript:", "http://", "https://"} {
			if strings.Contains(a.body, odd) {
				t.Errorf("%s contains %s", path, odd)
			}
		}
		for _, m := range reference.FindAllStringSubmatch(a.body, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if to != "" {
				if got := w.do("GET", to, "", "X-API-Key", ""); got.status != 200 {
					t.Errorf("%s refers to %s: %d", path, to, got.status)
				}
			} else if !strings.Contains(a.body, `id="`+anchor+`"`) {
				t.Errorf("%s refers to #%s", path, anchor)
			}
		}
	}
	for path, want := range map[string]string{
		"/docs/api-v1": `id="CreateProjectZoneKompute"`, "/docs/api-v2": "/api/v2/explain/{kind}/{id}", "/docs/": `href="/docs/install"`,
		"/docs/install": `<code>make sandbox</code> &amp; &lt;wait&gt;, see <a href="/docs/tour">the tour</a>`,
	} {
		if !strings.Contains(w.do("GET", path, "").body, want) {
			t.Errorf("%s lacks %s", path, want)
		}
	}
	for _, path := range []string{"/docs/nothing", "/docs/../api", "/docs/assets/other"} {
		if a := w.do("GET", path, ""); a.status != http.StatusNotFound && a.status/100 != 3 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := w.do("GET", "/docs", ""); a.status/100 != 3 || a.header.Get("Location") != "/docs/" {
		t.Errorf("/docs: %d %s", a.status, a.header.Get("Location"))
	}
}

func TestContractChecksCanFail(t *testing.T) {
	c := contract(t)
	for body, want := range map[string]string{
		`{"id":"0123456789abcdef01234567","name":"x","domain":"","extra":1}`: "not declared",
		`{"id":"0123456789abcdef01234567","domain":""}`:                      "missing",
		`{"id":"x","name":"x","domain":""}`:                                  "no id",
		`{"name":null,"domain":""}`:                                          "no string",
		`{"name":"x","domain":""} 1`:                                         "follows",
		`null`:                                                               "no object",
	} {
		if err := c.Check("Region", []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for schema, body := range map[string]string{"[]string": "null", "Team": `{"name":"x","users":null}`, "Agent": `{"name":"x","type":"Kontroller"}`,
		"Volume": `{"name":"x","type":"os","size":1.0}`, "ApiToken": `{"name":"x","expire":false,"expiration_date":""}`, "VNet": `{"name":"x","interface":"b","private":"true"}`} {
		if c.Check(schema, []byte(body)) == nil {
			t.Errorf("%s: %s passes", schema, body)
		}
	}
}
