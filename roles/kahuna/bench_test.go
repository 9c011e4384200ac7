package kahuna

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// benchServer is a Kahuna with a hundred regions behind plain HTTP, and beside it the bare handler that
// does nothing but the same check of the key and writes a body of the same length.
type benchServer struct {
	s          *Server
	key, one   string
	full, bare string // addresses
}

func newBenchServer(b *testing.B) *benchServer {
	b.Helper()
	var c Config
	set := c.set()
	if err := set.Load(nil, "", false); err != nil {
		b.Fatal(err)
	}
	c.Dir, c.PlainHTTP = b.TempDir(), true
	if err := initialise(b.Context(), &c, set, nil); err != nil {
		b.Fatal(err)
	}
	s, err := open(c, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		b.Fatal(err)
	}
	failed := make(chan error, 1)
	b.Cleanup(s.drive(b.Context(), failed))
	if err := s.begin(b.Context(), func() {}, failed); err != nil {
		b.Fatal(err)
	}
	key, err := readSecret(c.masterKey())
	if err != nil {
		b.Fatal(err)
	}
	out := &benchServer{s: s, key: key}
	serve := func(h http.Handler) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := s.serving(h)
		go func() { _ = server.Serve(l) }()
		b.Cleanup(func() { _ = server.Close() })
		return l.Addr().String()
	}
	out.full = serve(s.handler(false))
	for i := range 100 {
		status, body := out.post(b, "/api/v1/region", fmt.Sprintf(`{"name":"region-%d","domain":"r%d.example"}`, i, i))
		if status != 201 {
			b.Fatal(status)
		}
		out.one = string(body[7:31])
	}
	_, answer := out.get(b, "/api/v1/region/"+out.one)
	out.bare = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.role.Load().accounts.Authenticate(r); err != nil {
			w.WriteHeader(401)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	}))
	b.Cleanup(func() {
		_ = s.close(context.Background())
		s.role.Load().wait()
		_ = s.store.Close()
	})
	return out
}

func (s *benchServer) request(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: kahuna\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, s.key, len(body), body)
}

func (s *benchServer) get(b *testing.B, path string) (int, []byte) {
	return once(b, s.full, s.request("GET", path, ""))
}

func (s *benchServer) post(b *testing.B, path, body string) (int, []byte) {
	return once(b, s.full, s.request("POST", path, body))
}

func once(b *testing.B, address string, request []byte) (int, []byte) {
	b.Helper()
	c := dial(b, address)
	defer c.conn.Close()
	status, body, err := c.ask(request)
	if err != nil {
		b.Fatal(err)
	}
	return status, body
}

// wire is a client that does as little as possible, so that what is measured is the server.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(b testing.TB, address string) *wire {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return &wire{conn, bufio.NewReaderSize(conn, 64<<10)}
}

func (c *wire) ask(request []byte) (int, []byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	status, length := 0, 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		switch {
		case bytes.HasPrefix(line, []byte("HTTP/1.1 ")):
			status, _ = strconv.Atoi(string(line[9:12]))
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[16:])))
		case len(line) == 2:
			body := make([]byte, length)
			_, err := io.ReadFull(c.in, body)
			return status, body, err
		}
	}
}

// hammer sends n requests over conns connections and returns the rate per second.
func hammer(b *testing.B, address string, conns, n, want int, request func(i int) []byte) float64 {
	b.Helper()
	var next atomic.Int64
	failed := make(chan error, conns)
	began := time.Now()
	for range conns {
		c := dial(b, address)
		go func() {
			defer c.conn.Close()
			for {
				i := int(next.Add(1))
				if i > n {
					failed <- nil
					return
				}
				status, body, err := c.ask(request(i))
				if err == nil && status != want {
					err = fmt.Errorf("status %d: %s", status, body)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for range conns {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkGetBesideBare measures GET of one region in turn with the bare handler; the metric ratio is
// how much of the bare handler's rate is left.
func BenchmarkGetBesideBare(b *testing.B) {
	s := newBenchServer(b)
	request := s.request("GET", "/api/v1/region/"+s.one, "")
	same := func(int) []byte { return request }
	var full, bare float64
	const round = 4000
	hammer(b, s.full, 16, round, 200, same)
	hammer(b, s.bare, 16, round, 200, same)
	for b.Loop() {
		full += hammer(b, s.full, 16, round, 200, same)
		bare += hammer(b, s.bare, 16, round, 200, same)
	}
	b.ReportMetric(full/float64(b.N), "get/s")
	b.ReportMetric(bare/float64(b.N), "bare/s")
	b.ReportMetric(full/bare, "ratio")
}

// BenchmarkList measures the list of a hundred regions.
func BenchmarkList(b *testing.B) {
	s := newBenchServer(b)
	request := s.request("GET", "/api/v1/region", "")
	rate := 0.0
	for b.Loop() {
		rate += hammer(b, s.full, 16, 4000, 200, func(int) []byte { return request })
	}
	b.ReportMetric(rate/float64(b.N), "list/s")
}

// BenchmarkCreate measures durable creations of regions over 32 connections.
func BenchmarkCreate(b *testing.B) {
	s := newBenchServer(b)
	rate, run := 0.0, 0
	for b.Loop() {
		run++
		rate += hammer(b, s.full, 32, 2000, 201, func(i int) []byte {
			return s.request("POST", "/api/v1/region", fmt.Sprintf(`{"name":"new-%d-%d","domain":"n.example"}`, run, i))
		})
	}
	b.ReportMetric(rate/float64(b.N), "create/s")
}
