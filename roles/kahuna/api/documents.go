package api

import (
	"net/http"
	"strconv"

	apidocs "kowabunga/embed/apidocs"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/kahuna/api/docs"
	"kowabunga/roles/kahuna/api/openapi"
)

// file is something made at start and served to everybody.
type file struct {
	contentType string
	body        []byte
}

// routeDocuments serves the OpenAPI documents and the documentation pages, none of which is secret.
func (a *API) routeDocuments(t *table) error {
	about := openapi.About{Version: a.Version, URL: a.URL}
	v1, v2 := openapi.V1(about), openapi.V2(about)
	pages, err := docs.Pages(a.Docs,
		docs.Document{Name: "api-v1", Title: "API v1", Base: BaseV1, File: BaseV1 + "/openapi.yaml", Body: v1},
		docs.Document{Name: "api-v2", Title: "API v2", Base: BaseV2, File: BaseV2 + "/openapi.json", Body: v2})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "make the documentation pages")
	}
	serve := func(path, name string, version catalogue.Version, f func(c *call) (file, bool)) {
		t.add(version, path, &method{verb: http.MethodGet, name: name, status: http.StatusOK, public: true, handle: func(c *call) error {
			found, ok := f(c)
			if !ok {
				return fault.New(fault.NotFound, "there is no such page; see /docs/")
			}
			writeFile(c, found)
			return nil
		}})
	}
	one := func(f file) func(*call) (file, bool) { return func(*call) (file, bool) { return f, true } }
	serve(BaseV1+"/openapi.yaml", "OpenAPIv1", catalogue.V1, one(file{"application/yaml", openapi.YAML(v1)}))
	serve(BaseV1+"/openapi.json", "OpenAPIv1", catalogue.V1, one(file{"application/json", openapi.JSON(v1)}))
	serve(BaseV2+"/openapi.json", "OpenAPIv2", catalogue.V2, one(file{"application/json", openapi.JSON(v2)}))
	serve("/docs/{$}", "Docs", catalogue.V2, one(file{"text/html; charset=utf-8", pages[""]}))
	serve("/docs/{topic}", "Docs", catalogue.V2, func(c *call) (file, bool) {
		body, ok := pages[c.path("topic")]
		return file{"text/html; charset=utf-8", body}, ok && len(body) > 0
	})
	serve("/docs/assets/style.css", "Docs", catalogue.V2, one(file{"text/css; charset=utf-8", apidocs.Style}))
	serve("/docs/assets/script.js", "Docs", catalogue.V2, one(file{"text/javascript; charset=utf-8", apidocs.Script}))
	return nil
}

func writeFile(c *call, f file) {
	h := c.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", docs.Policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	c.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		c.Write(f.body)
	}
}
