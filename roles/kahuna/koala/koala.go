// Package koala serves Koala, the web interface: one page under every path that is a view of it, and its files
// under a path that names their content, so that browsers keep them for good and a new release has new names.
// Each Kahuna serves them by itself, whichever acts: they hold nothing of the cloud.
package koala

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"kowabunga/core/fault"
	"kowabunga/embed/koala"
)

// Base is below what the files are.
const Base = "/koala/"

// Paths are what belongs to Koala, as patterns of http.ServeMux: its page at the root, where the earlier interface
// had its views, which people have bookmarks of, and its files.
var Paths = []string{"/{$}", "/pages/", "/auth/", Base}

// Pair is what a page is told of the Kahunas.
type Pair struct {
	// Nodes are the addresses that the page may ask besides the one it came from: scheme, host and port. None where
	// there is one Kahuna, or where the others would not answer a page from where this one is asked for.
	Nodes []string
}

// Koala serves the interface.
type Koala struct {
	pair func(*http.Request) Pair
	*content
}

// content is what is served, the same in every server of a program.
type content struct {
	hash  string
	files map[string]*file
	page  *template.Template
}

var prepared = sync.OnceValues(func() (*content, error) {
	all, err := sources()
	if err != nil {
		return nil, err
	}
	return prepare(all)
})

// New prepares it. pair is asked at every request for the page.
func New(pair func(*http.Request) Pair) (*Koala, error) {
	c, err := prepared()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "prepare Koala")
	}
	return &Koala{pair, c}, nil
}

func prepare(all map[string][]byte) (*content, error) {
	page, err := template.New("index.html").Parse(string(all["index.html"]))
	if err != nil {
		return nil, err
	}
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	defer p.zstd.Close()
	c := &content{hash: digest(all), page: page, files: map[string]*file{}}
	for name, body := range all {
		if name == "index.html" {
			continue
		}
		if c.files[name], err = p.file(name, body); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// sources are the files as they are in the program, and the one that is made of the catalogue.
func sources() (map[string][]byte, error) {
	all, err := read(koala.Files)
	if err != nil {
		return nil, err
	}
	all["kinds.js"], err = kinds()
	return all, err
}

// ServeHTTP implements http.Handler for Paths.
func (k *Koala) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this is only read", http.StatusMethodNotAllowed)
		return
	}
	name, asset := strings.CutPrefix(r.URL.Path, Base)
	if !asset {
		k.index(w, r)
		return
	}
	hash, name, _ := strings.Cut(name, "/")
	f := k.files[name]
	if hash != k.hash || f == nil {
		// Of another release, perhaps: a page that asks for it is loaded anew.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file in this release", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

// index answers the page. It is small and asked for anew each time: it names the files of this release and the
// Kahunas there are.
func (k *Koala) index(w http.ResponseWriter, r *http.Request) {
	nodes := k.pair(r).Nodes
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(address string) bool { return !nameable(address) })
	var b bytes.Buffer
	err := k.page.Execute(&b, map[string]any{"Base": Base + k.hash + "/", "Nodes": strings.Join(nodes, " "), "Modules": k.modules()})
	if err != nil {
		http.Error(w, "the page could not be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", fmt.Sprint(b.Len()))
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy(nodes))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY") // frame-ancestors, for browsers that do not know it
	if r.Method == http.MethodGet {
		_, _ = w.Write(b.Bytes())
	}
}

// modules are the names of all modules, for the page to load at once: nothing is left to be fetched when the Kahuna
// is gone that it came from.
func (k *content) modules() []string {
	var out []string
	for name := range k.files {
		if strings.HasSuffix(name, ".js") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// policy is the Content-Security-Policy of the page: scripts, styles and pictures of this server alone and none in
// the page itself, no text made into markup, no frame around it, and requests to the Kahunas alone.
func policy(nodes []string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src " +
		strings.Join(append([]string{"'self'"}, nodes...), " ") +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// nameable tells whether an address can stand in a Content-Security-Policy: its grammar knows no IPv6 addresses
// (CSP level 3, section 2.3.1), and what is no address at all must not change the policy.
func nameable(address string) bool {
	scheme, rest, found := strings.Cut(address, "://")
	return found && (scheme == "https" || scheme == "http") && rest != "" &&
		!strings.ContainsFunc(rest, func(c rune) bool {
			return c != '.' && c != '-' && c != ':' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
		})
}
