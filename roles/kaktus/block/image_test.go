package block

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// disk is a raw image of n bytes with holes, that ends in bytes which are not zero.
func disk(n int) []byte {
	b := make([]byte, n)
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := 0; i < n; i += 1 << 20 {
		for j := i; j < min(i+100_000, n); j++ {
			b[j] = byte(random.Uint32())
		}
	}
	for i := max(0, n-33); i < n; i++ {
		b[i] = 0xa5
	}
	b[0] = 0xeb
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func packed(t *testing.T, wrap func(io.Writer) (io.WriteCloser, error), content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := wrap(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packings(t *testing.T, content []byte) map[string][]byte {
	return map[string][]byte{
		"plain": content,
		"gzip":  packed(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, content),
		"xz":    packed(t, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }, content),
		"zstd":  packed(t, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, content),
	}
}

// W-KAK-1: every byte arrives, at every length, packed in every way.
func TestWKAK1OddTailsAreKept(t *testing.T) {
	for _, n := range []int{1, 511, 512, 513, hole - 1, hole, hole + 1, 4<<20 + 1234} {
		content := disk(n)
		for name, served := range packings(t, content) {
			s := open(t, t.TempDir())
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(served) })
			image, err := fetch(s, url)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", n, name, err)
			}
			want := agentproto.Image{ImageRef: agentproto.ImageRef{Pool: poolID, Image: imageID}, Size: int64((n + 511) / 512 * 512), SHA256: sum(served), Format: "raw"}
			if image != want {
				t.Errorf("%d bytes, %s: got %+v, want %+v", n, name, image, want)
			}
			p, err := s.pool(poolID)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(p.image(imageID), "disk.raw"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[:n], content) || len(bytes.Trim(got[n:], "\x00")) != 0 || int64(len(got)) != image.Size {
				t.Errorf("%d bytes, %s: the image is not what was served, followed by zeros", n, name)
			}
			again, err := fetch(s, "http://127.0.0.1:1/gone")
			if err != nil || again != image {
				t.Errorf("a repeat got %+v, %v", again, err)
			}
		}
	}
}

func TestZerosTakeNoSpace(t *testing.T) {
	s := open(t, t.TempDir())
	content := make([]byte, 64<<20)
	content[0], content[len(content)-1] = 0xeb, 1
	if err := os.WriteFile(filepath.Join(s.cfg.Import.Dirs[0], "i.raw"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(s, "file://"+s.cfg.Import.Dirs[0]+"/i.raw"); err != nil {
		t.Fatal(err)
	}
	p, err := s.pool(poolID)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(p.image(imageID), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != 64<<20 || got > 1<<20 {
		t.Errorf("%d bytes take %d", info.Size(), got)
	}
}

// W-KAK-2 and W-KAK-12: every way a download can fail is a failure that says why, leaves nothing, and
// a later try succeeds.
func TestWKAK2WKAK12FailedImportsLeaveNothing(t *testing.T) {
	content := disk(1 << 20)
	gz := packings(t, content)
	hijack := func(w http.ResponseWriter, head string, body []byte, reset bool) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, head)
		conn.Write(body)
		if reset {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
	}
	cases := []struct {
		name   string
		code   fault.Code
		says   string
		handle http.HandlerFunc
		change func(*agentproto.ImageImport)
	}{
		{"not found", fault.NotFound, "status 404", http.NotFound, nil},
		{"forbidden", fault.Denied, "status 403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, nil},
		{"broken server", fault.Unavailable, "status 502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, nil},
		{"no content", fault.Invalid, "status 204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, nil},
		{"empty", fault.Invalid, "empty", func(http.ResponseWriter, *http.Request) {}, nil},
		{"empty chunked", fault.Invalid, "empty", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, nil},
		{"cut off", fault.Unavailable, "before the whole image", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2000000")
			w.Write(content)
		}, nil},
		{"cut off chunked", fault.Unavailable, "before the whole image", func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n", content[:5000], false)
		}, nil},
		{"no length at all", fault.Invalid, "sha256", func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.0 200 OK\r\n\r\n", content, false)
		}, nil},
		{"reset", fault.Unavailable, "", func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", content, true)
		}, nil},
		{"stalls", fault.Unavailable, "sent nothing", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2000000")
			w.Write(content)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, nil},
		{"wrong checksum", fault.Invalid, sum(content), func(w http.ResponseWriter, _ *http.Request) { w.Write(content) },
			func(w *agentproto.ImageImport) { w.SHA256 = strings.Repeat("0", 64) }},
		{"malformed checksum", fault.Invalid, "hex", func(w http.ResponseWriter, _ *http.Request) { w.Write(content) },
			func(w *agentproto.ImageImport) { w.SHA256 = "abc" }},
		{"too large", fault.Invalid, "larger than", func(w http.ResponseWriter, _ *http.Request) { w.Write(content) },
			func(w *agentproto.ImageImport) { w.MaxBytes = 1<<20 - 1 }},
		{"bomb", fault.Invalid, "larger than", func(w http.ResponseWriter, _ *http.Request) { w.Write(gz["gzip"]) },
			func(w *agentproto.ImageImport) { w.MaxBytes = 1 << 19 }},
		{"web page", fault.Invalid, "web page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<!doctype html><p>login") }, nil},
		{"web page in disguise", fault.Invalid, "a text", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			io.WriteString(w, "<html>"+strings.Repeat("Bitte anmelden – ü ", 200))
		}, nil},
		{"damaged gzip", fault.Invalid, "damaged", func(w http.ResponseWriter, _ *http.Request) {
			bad := bytes.Clone(gz["gzip"])
			bad[len(bad)-5] ^= 1
			w.Write(bad)
		}, nil},
		{"cut off xz", fault.Invalid, "damaged", func(w http.ResponseWriter, _ *http.Request) { w.Write(gz["xz"][:len(gz["xz"])-100]) }, nil},
		{"cut off zstd", fault.Invalid, "damaged", func(w http.ResponseWriter, _ *http.Request) { w.Write(gz["zstd"][:len(gz["zstd"])-100]) }, nil},
		{"packed transfer cut off", fault.Unavailable, "before the whole image", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2000000")
			w.Write(gz["gzip"][:1000])
		}, nil},
		{"archive", fault.Invalid, "tar archive", func(w http.ResponseWriter, _ *http.Request) {
			tar := disk(10_000)
			copy(tar[257:], "ustar")
			w.Write(tar)
		}, nil},
		{"other format", fault.Invalid, "VMDK", func(w http.ResponseWriter, _ *http.Request) { w.Write(append([]byte("KDMV"), content...)) }, nil},
		{"packed twice", fault.Invalid, "compressed twice", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(packed(t, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, gz["gzip"]))
		}, nil},
	}
	s := open(t, t.TempDir(), func(c *Config) { c.Import.Stall = 2 * time.Second })
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*agentproto.ImageImport) {}
			}
			_, err := fetch(s, serve(t, c.handle), change)
			f := fault.From(err)
			if f == nil || f.Code != c.code || !strings.Contains(f.Public(), c.says) {
				t.Errorf("got %v, want %s: …%s…", err, c.code, c.says)
			}
			empty(t, s)
		})
	}
	if _, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })); err != nil {
		t.Errorf("after all the failures: %v", err)
	}
}

func TestLengthlessSourceWithChecksum(t *testing.T) {
	content := disk(100_000)
	s := open(t, t.TempDir())
	_, err := fetch(s, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
		conn.Write(content)
		conn.Close()
	}), func(w *agentproto.ImageImport) { w.SHA256 = strings.ToUpper(sum(content)) })
	if err != nil {
		t.Error(err)
	}
}

func TestRepeatWithOtherChecksumIsConflict(t *testing.T) {
	content := disk(1000)
	s := open(t, t.TempDir())
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	if _, err := fetch(s, url); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(s, url, func(w *agentproto.ImageImport) { w.SHA256 = strings.Repeat("0", 64) }); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := s.DeleteImage(t.Context(), agentproto.ImageRef{Pool: poolID, Image: imageID}); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, s)
}

func TestCancelledImportEndsAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2000000")
		w.Write(disk(1 << 20))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	var last, total int64
	_, err := s.ImportImage(ctx, agentproto.ImageImport{ImageRef: agentproto.ImageRef{Pool: poolID, Image: imageID}, Source: url}, func(done, all int64) {
		if done < last {
			t.Errorf("progress went back from %d to %d", last, done)
		}
		if last, total = done, all; done >= 1<<20 {
			cancel()
		}
	})
	if !fault.Is(err, fault.Cancelled) || total != 2_000_000 {
		t.Errorf("got %v, total %d", err, total)
	}
	empty(t, s)
}

func TestRestsOfACrashAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	rest := filepath.Join(s.cfg.Pools["local"], workDir, "image-123")
	if err := os.MkdirAll(rest, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Apply(s.declared) // a new declaration must not remove running work
	if _, err := os.Stat(rest); err != nil {
		t.Fatal(err)
	}
	empty(t, open(t, dir))
}
