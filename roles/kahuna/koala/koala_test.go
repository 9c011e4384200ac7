package koala

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func serving(t *testing.T, nodes ...string) *Koala {
	t.Helper()
	k, err := New(func(*http.Request) Pair { return Pair{Nodes: nodes} })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// routed answers as the server does that routes Paths.
func routed(k *Koala, method, path string, headers ...string) *http.Response {
	mux := http.NewServeMux()
	for _, path := range Paths {
		mux.Handle(path, k)
	}
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The page is the same at every path of a view, also at those that people have bookmarks of, and nowhere else.
func TestThePageIsAtEveryView(t *testing.T) {
	k := serving(t)
	first := body(t, routed(k, "GET", "/"))
	for path, want := range map[string]int{"/": 200, "/pages/": 200, "/pages/instances/x": 200, "/auth/login": 200, "/api/v2/regions": 404, "/docs/": 404, "/other": 404, "/koala/": 404, "/koala/x/main.js": 404, Base + k.hash + "/nothing.js": 404, Base + k.hash + "/index.html": 404, Base + k.hash + "/": 404} {
		got := routed(k, "GET", path)
		if got.StatusCode != want || want == 200 && !bytes.Equal(body(t, got), first) {
			t.Errorf("%s: %s", path, got.Status)
		}
		if cache := got.Header.Get("Cache-Control"); strings.Contains(cache, "immutable") {
			t.Errorf("%s is kept for good", path)
		}
	}
	head, get := routed(k, "HEAD", "/"), routed(k, "GET", "/")
	if len(body(t, head)) != 0 || !maps.EqualFunc(head.Header, get.Header, slices.Equal) {
		t.Errorf("HEAD of the page: %v", head.Header)
	}
	for _, method := range []string{"POST", "DELETE"} {
		if got := routed(k, method, "/"); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s", method, got.Status)
		}
	}
}

// A page runs the scripts of its server alone and asks the Kahunas alone. What is no address, or has no place in
// a policy, is left out of it and of what the page is told.
func TestThePageMayAskTheKahunasAlone(t *testing.T) {
	got := routed(serving(t, "https://a.example:8443", "https://b.example", "https://[fd00::1]:8443", "https://evil.example; script-src *", "https://x.example/path", "ftp://c.example", ""), "GET", "/pages/pair")
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self' https://a.example:8443 https://b.example; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	if policy := got.Header.Get("Content-Security-Policy"); policy != want {
		t.Errorf("%s", policy)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %s", name, value)
		}
	}
	if page := string(body(t, got)); !strings.Contains(page, `content="https://a.example:8443 https://b.example"`) {
		t.Errorf("the page is told otherwise: %s", page)
	}
}

// Everything that the page names is there, and is kept for good under a name of its content.
func TestThePageNamesWhatThereIs(t *testing.T) {
	k := serving(t)
	page := string(body(t, routed(k, "GET", "/")))
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?:href|src)="(/koala/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		named[found[1]] = true
		got := routed(k, "GET", found[1])
		if got.StatusCode != 200 || got.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %v", found[1], got.Status, got.Header)
		}
	}
	for name := range k.files {
		if strings.HasSuffix(name, ".js") && !named[Base+k.hash+"/"+name] {
			t.Errorf("%s is loaded late or never", name)
		}
	}
}

// Whatever a browser takes, the bytes are the same in the end; HEAD tells the same without them.
func TestCompressedFilesAreTheSame(t *testing.T) {
	k := serving(t)
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	shorter := 0
	for name, plain := range all {
		if name == "index.html" {
			continue
		}
		for accepted, may := range map[string][]string{"": {""}, "identity": {""}, "gzip": {"gzip", ""}, "br, GZIP;q=0.5": {"gzip", ""}, "gzip;q=0, zstd;q=0.0": {""}, "gzip, deflate, br, zstd": {"zstd", "gzip", ""}} {
			got := routed(k, "GET", Base+k.hash+"/"+name, "Accept-Encoding", accepted)
			coding, packed := got.Header.Get("Content-Encoding"), body(t, got)
			if !slices.Contains(may, coding) || got.Header.Get("Vary") != "Accept-Encoding" || got.ContentLength != int64(len(packed)) {
				t.Errorf("%s to %q: %q %v", name, accepted, coding, got.Header)
			}
			if len(packed) < len(plain) {
				shorter++
			}
			if back := unpack(t, coding, packed); !bytes.Equal(back, plain) {
				t.Errorf("%s as %q is something else", name, coding)
			}
			head := routed(k, "HEAD", Base+k.hash+"/"+name, "Accept-Encoding", accepted)
			if len(body(t, head)) != 0 || !maps.EqualFunc(head.Header, got.Header, slices.Equal) {
				t.Errorf("HEAD of %s: %v", name, head.Header)
			}
		}
	}
	if shorter == 0 {
		t.Error("nothing is compressed")
	}
}

func unpack(t *testing.T, coding string, packed []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(packed)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r); err == nil {
			defer z.Close()
			r = z
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// Other content has another name, whatever file it is in and however it is cut.
func TestOtherContentHasAnotherName(t *testing.T) {
	files := rapid.MapOfN(rapid.StringMatching(`[ab ]{1,3}`), rapid.SliceOfN(rapid.ByteRange('0', '2'), 0, 3), 1, 3)
	chance.Check(t, func(t *rapid.T) {
		a, b := files.Draw(t, "one"), files.Draw(t, "other")
		if same := maps.EqualFunc(a, b, bytes.Equal); same != (digest(a) == digest(b)) {
			t.Fatalf("%q and %q: %s and %s", a, b, digest(a), digest(b))
		}
	})
}

// A coding is sent to those alone who named it.
func FuzzAccepts(f *testing.F) {
	for _, header := range []string{"", "gzip", "gzip;q=0", "zstd ; Q = 0.7, br", "gzip;q=x", "*", ",;=", "identity;q=1, gzip;q=1"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if accepts(header, "gzip") && !strings.Contains(strings.ToLower(header), "gzip") {
			t.Fatalf("%q accepts gzip", header)
		}
		if accepts("gzip;q=0,"+header, "gzip") != accepts("gzip;q=0", "gzip") {
			t.Fatalf("%q after a refusal of gzip", header)
		}
	})
}
