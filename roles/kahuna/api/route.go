package api

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/access"
	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
)

// Prefixes of the two APIs.
const (
	BaseV1 = "/api/v1"
	BaseV2 = "/api/v2"
)

// method is one operation at one path.
type method struct {
	verb   string // HTTP method
	name   string // operation id, the label in metrics and logs
	status int    // of success
	public bool   // served to callers without credentials
	// query names the parameters it takes. Below /api/v2 others are refused, as people mistype filters;
	// API v1 ignores them, as it always did.
	query  []string
	handle func(c *call) error

	good    prometheus.Counter
	seconds prometheus.Observer
}

// label names the operation, "none" for requests that met no operation.
func (m *method) label() string {
	if m == nil {
		return "none"
	}
	return m.name
}

// endpoint is everything that is served at one path.
type endpoint struct {
	api     *API
	version catalogue.Version
	native  bool // below /api/v2
	methods []*method
	allow   string
}

// table collects endpoints before they are installed, as several operations share a path.
type table struct {
	api       *API
	endpoints map[string]*endpoint // by path with nameless parameters
	patterns  map[string]string
}

func newTable(a *API) *table {
	return &table{api: a, endpoints: map[string]*endpoint{}, patterns: map[string]string{}}
}

// add declares a method at a path of http.ServeMux's form, without a method in it. Parameters of one
// path must have the same names in all its methods.
func (t *table) add(version catalogue.Version, pattern string, m *method) {
	shape := nameless(pattern)
	e := t.endpoints[shape]
	if e == nil {
		e = &endpoint{api: t.api, version: version, native: strings.HasPrefix(pattern, BaseV2+"/")}
		t.endpoints[shape], t.patterns[shape] = e, pattern
	}
	t.api.meter.bind(m)
	e.methods = append(e.methods, m)
}

func nameless(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") && s != "{$}" {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

func (t *table) install() {
	for shape, e := range t.endpoints {
		var allow []string
		for _, m := range e.methods {
			allow = append(allow, m.verb)
			if m.verb == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
		slices.Sort(allow)
		e.allow = strings.Join(allow, ", ")
		t.api.mux.Handle(t.patterns[shape], e)
		t.api.direct.add(t.patterns[shape], e)
	}
	t.api.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c := w.(*call)
		c.version = versionOf(r.URL.Path)
		t.api.fail(c, fault.New(fault.NotFound, "there is nothing at this path; %s lists what there is", "/docs/"))
	})
}

func versionOf(p string) catalogue.Version {
	if p == BaseV2 || strings.HasPrefix(p, BaseV2+"/") {
		return catalogue.V2
	}
	return catalogue.V1
}

// route sends a request to its endpoint. Paths of the API that are not in canonical form - slashes
// twice or at the end, dot segments - are redirected to the one that is. It is the escaped path that is
// looked at: an escaped slash belongs to an id.
func (a *API) route(c *call) {
	if u := c.r.URL; u.RawPath == "" && canonical(u.Path) {
		if e, name, value := a.direct.find(u.Path); e != nil {
			c.name, c.value = name, value
			e.serve(c)
			return
		}
	}
	if p := c.r.URL.EscapedPath(); strings.HasPrefix(p, "/") && (strings.HasPrefix(p, "/api/") || strings.Contains(p, "//")) {
		if clean := path.Clean(p); clean != p && !(strings.HasPrefix(clean, "/docs") && p == clean+"/") {
			to := clean
			if q := c.r.URL.RawQuery; q != "" {
				to += "?" + q
			}
			c.version = versionOf(clean)
			c.Header().Set("Location", to)
			a.write(c, http.StatusMovedPermanently, "moved", "", "the path is "+clean)
			return
		}
	}
	a.mux.ServeHTTP(c, c.r)
}

// ServeHTTP serves what http.ServeMux routed.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := w.(*call)
	c.r = r
	e.serve(c)
}

// serve finds the method, authenticates and answers errors in the form of the API's version.
func (e *endpoint) serve(c *call) {
	c.version, c.native = e.version, e.native
	verb := c.r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	for _, m := range e.methods {
		if m.verb != verb {
			continue
		}
		c.method = m
		if !m.public {
			who, err := e.api.Auth.Authenticate(c.r)
			if err == nil && !who.Known() {
				err = fault.New(fault.Unauthenticated, "send an API key in X-API-Key or a token in Authorization: Bearer")
			}
			if err != nil {
				e.api.fail(c, err)
				return
			}
			c.who = who
		}
		err := c.known()
		if err == nil {
			err = m.handle(c)
		}
		if err != nil {
			e.api.fail(c, err)
		}
		return
	}
	c.Header().Set("Allow", e.allow)
	e.api.write(c, http.StatusMethodNotAllowed, "method_not_allowed", "", "this path knows "+e.allow)
}

// known refuses query parameters that the method does not take.
func (c *call) known() error {
	if c.r.URL.RawQuery == "" || !c.native {
		return nil
	}
	q, err := values(c.r)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if slices.Contains(c.method.query, name) {
			continue
		}
		if len(c.method.query) == 0 {
			return bad(name, "is no parameter of this path, which takes none")
		}
		return bad(name, "is no parameter of this path; it takes %s", strings.Join(c.method.query, ", "))
	}
	return nil
}

// readable tells whether the visibility of an object is all that reading it asks for.
func readable(op *catalogue.Op) bool {
	return op.Access == access.Read || op.Access == access.Authenticated
}
