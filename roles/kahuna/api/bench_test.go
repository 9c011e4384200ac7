package api_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"kowabunga/roles/kahuna/api"
)

// hammer sends the same request over kept-alive connections and reads the answers, with as little work
// on the client's side as possible.
func hammer(b *testing.B, address, path string) {
	b.Helper()
	request := []byte(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: kahuna\r\nX-API-Key: %s\r\n\r\n", path, masterKey))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			resp, err := http.ReadResponse(in, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if err != nil || resp.StatusCode != 200 {
				b.Errorf("%v %v", err, resp)
				return
			}
		}
	})
}

// quiet is a world that logs as a production server does: not what is read.
func quiet(b *testing.B) *world {
	return newWorld(b, func(c *api.Config) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
}

// bare is what the others are measured against: net/http with the same key check and the same body.
func (w *world) bare(path string) *httptest.Server {
	body := []byte(w.do("GET", path, "").body)
	return httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := w.api.Auth.Authenticate(r); err != nil {
			rw.WriteHeader(401)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
		rw.Write(body)
	}))
}

func BenchmarkBareHandler(b *testing.B) {
	w := quiet(b)
	s := w.bare("/api/v1/kompute/" + w.kompute(w.topology(), "m1"))
	defer s.Close()
	hammer(b, s.Listener.Addr().String(), "/api/v1/kompute/x")
}

func BenchmarkGetOne(b *testing.B) {
	w := quiet(b)
	ids := w.topology()
	hammer(b, w.server.Listener.Addr().String(), "/api/v1/kompute/"+w.kompute(ids, "m1"))
}

func BenchmarkGetOneV2ByName(b *testing.B) {
	w := quiet(b)
	w.kompute(w.topology(), "m1")
	hammer(b, w.server.Listener.Addr().String(), "/api/v2/komputes/m1")
}

func BenchmarkList100(b *testing.B) {
	w := quiet(b)
	for i := range 100 {
		w.id("/api/v1/region", fmt.Sprintf(`{"name":"r%d"}`, i))
	}
	hammer(b, w.server.Listener.Addr().String(), "/api/v1/region")
}

// BenchmarkHandler is one read without the network: what the layer itself costs.
func BenchmarkHandler(b *testing.B) {
	w := quiet(b)
	ids := w.topology()
	r := httptest.NewRequest("GET", "/api/v1/kompute/"+w.kompute(ids, "m1"), nil)
	r.Header.Set("X-API-Key", masterKey)
	b.ReportAllocs()
	for b.Loop() {
		a := recorder{header: make(http.Header, 8)}
		w.api.ServeHTTP(&a, r)
		if a.status != 200 {
			b.Fatal(a.status)
		}
	}
}

// BenchmarkShareOfBareHandler alternates between the two, so that what else the machine does concerns
// both alike, and reports the API's rate as a share of the bare handler's. The aim is 0.75 or more.
func BenchmarkShareOfBareHandler(b *testing.B) {
	w := quiet(b)
	path := "/api/v1/kompute/" + w.kompute(w.topology(), "m1")
	s := w.bare(path)
	defer s.Close()
	request := []byte(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: kahuna\r\nX-API-Key: %s\r\n\r\n", path, masterKey))
	var conns [2]net.Conn
	var ins [2]*bufio.Reader
	for i, address := range []string{s.Listener.Addr().String(), w.server.Listener.Addr().String()} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i], ins[i] = conn, bufio.NewReader(conn)
	}
	var took [2]time.Duration
	const slice = 20
	for b.Loop() {
		for i := range conns {
			began := time.Now()
			for range slice {
				if _, err := conns[i].Write(request); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(ins[i], nil)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			took[i] += time.Since(began)
		}
	}
	b.ReportMetric(float64(took[0])/float64(took[1]), "share")
}
