package api_test

import (
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/roles/kahuna/api"
	"kowabunga/testdata/chance"
)

// Every path leads where http.ServeMux sends it, with the same parameter; those with no parameter but at
// their end do without it.
func TestPathsLeadWhereTheMuxSendsThem(t *testing.T) {
	w := newWorld(t)
	segments := []string{"", "api", "v1", "v2", "docs", "healthz", "x", "{", "{id}", "a b", "%2F", ".", "..", ".x", "kompute:m1", strings.Repeat("0", 24)}
	var paths []string
	for _, op := range catalogue.OpsV1() {
		paths = append(paths, api.BaseV1+op.Path)
		segments = append(segments, strings.Split(op.Path, "/")...)
	}
	for _, k := range catalogue.Kinds {
		paths = append(paths, api.BaseV2+"/"+k.Plural, api.BaseV2+"/"+k.Plural+"/m1", api.BaseV2+"/"+k.Plural+"/m1/explain")
		segments = append(segments, k.Plural)
	}
	check := func(t interface{ Fatalf(string, ...any) }, p string) (direct bool) {
		found, name, value, mux, pattern := w.api.Ways(p)
		if found == nil {
			return false
		}
		last := pattern[strings.LastIndexByte(pattern, '/')+1:]
		want := ""
		if strings.HasPrefix(last, "{") {
			want = p[strings.LastIndexByte(p, '/')+1:]
		}
		if found != mux || want != value || want != "" && last != "{"+name+"}" {
			t.Fatalf("%q: found %v with %s=%q, the mux %q", p, found == mux, name, value, pattern)
		}
		return true
	}
	for _, p := range paths {
		direct := check(t, p)
		if before := p[:strings.LastIndexByte(p, '/')]; strings.HasPrefix(p, api.BaseV1) && direct == strings.Contains(before, "{") {
			t.Errorf("%s is found without the mux: %v", p, direct)
		}
	}
	chance.Check(t, func(t *rapid.T) {
		if rapid.Bool().Draw(t, "known") {
			p := strings.Split(rapid.SampledFrom(paths).Draw(t, "path"), "/")
			p[rapid.IntRange(1, len(p)-1).Draw(t, "at")] = rapid.SampledFrom(segments).Draw(t, "other")
			check(t, strings.Join(p, "/"))
			return
		}
		check(t, "/"+strings.Join(rapid.SliceOfN(rapid.SampledFrom(segments), 1, 6).Draw(t, "segments"), "/"))
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"", "/", "/a", "/a/", "a", "//a", "/a/./b", "/a/..", "/a/.b", "/a/b."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if api.Canonical(p) && path.Clean(p) != p {
			t.Errorf("%q is cleaned to %q", p, path.Clean(p))
		}
	})
}

// The length of every answer is told, and the connection lives on, whether it is told here or by net/http,
// which counts answers to reads of less than 2048 bytes.
func TestEveryAnswerTellsItsLength(t *testing.T) {
	w := newWorld(t)
	for _, length := range []int{1, 1500, 1700, 1780, 1790, 1800, 1810, 1820, 1850, 1900, 2000, 2100, 4000} {
		id := w.id("/api/v1/region", fmt.Sprintf(`{"name":"r%d","description":%q}`, length, strings.Repeat("d", length)))
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			for _, p := range []string{"/api/v1/region/" + id, "/api/v2/regions/" + id, "/api/v1/region/none", "/api/v1/region"} {
				if method == "PUT" && !strings.HasPrefix(p, "/api/v1/region/") {
					continue
				}
				body := ""
				if method == "PUT" {
					body = fmt.Sprintf(`{"name":"r%d","description":%q}`, length, strings.Repeat("e", length))
				}
				r, err := http.NewRequest(method, w.server.URL+p, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-API-Key", masterKey)
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got := new(strings.Builder)
				if err := answer.Write(got); err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				told := answer.Header.Get("Content-Length")
				sent := len(got.String()[strings.Index(got.String(), "\r\n\r\n")+4:])
				if method == "HEAD" {
					full, _ := strconv.Atoi(w.do("GET", p, "").header.Get("Content-Length"))
					sent = full
				}
				if told == "" || told != strconv.Itoa(sent) || len(answer.TransferEncoding) != 0 {
					t.Errorf("%s %s with %d letters: length %q of %d, %v", method, p, length, told, sent, answer.TransferEncoding)
				}
			}
		}
	}
}
