package backups

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/store"
)

// A backup that cannot be written counts for nothing, says why, and the next one makes good for it.
func TestStorageThatFails(t *testing.T) {
	s := serveS3(t, false)
	w := begin(t, s.place)
	first := w.take(false)
	w.change()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		code   fault.Code
		says   string
	}{
		"full":    {refuse(507, "InsufficientStorage"), fault.Exhausted, "it is full"},
		"quota":   {refuse(409, "QuotaExceeded"), fault.Exhausted, "it is full"},
		"refused": {refuse(403, "AccessDenied"), fault.Denied, "refuses the credentials (AccessDenied)"},
		"gone": {func(w http.ResponseWriter, r *http.Request) bool {
			c, _, _ := w.(http.Hijacker).Hijack()
			return c.Close() == nil
		}, fault.Unavailable, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			restored := s.answering(c.answer)
			_, err := w.b.Take(ctx, false)
			restored()
			code(t, name, err, c.code, c.says, "s3://vault/some/where/")
			if st := w.b.Status(); st.Failed == "" || st.Since.IsZero() || st.Index != first.Index {
				t.Errorf("status %+v", st)
			}
		})
	}
	chains := w.survey()
	if len(chains) != 1 || len(chains[0].Manifest.Pieces) != 1 || len(chains[0].leftovers()) != 0 {
		t.Errorf("what failed left %+v", chains[0])
	}
	if r := w.take(false); r.Full || r.Chain != first.Chain {
		t.Errorf("afterwards %+v", r)
	}
	if st := w.b.Status(); st.Failed != "" || st.Retries != 0 || !st.Since.IsZero() || st.Index != w.store.Tip().Index {
		t.Errorf("status %+v", st)
	}
}

func TestMistakenPlaces(t *testing.T) {
	s := serveS3(t, true)
	for name, c := range map[string]struct {
		change func(*Place)
		code   fault.Code
		says   string
	}{
		"another scheme":    {func(p *Place) { p.Target = "ftp://a/b" }, fault.Invalid, "backup.target"},
		"a password":        {func(p *Place) { p.Target = "s3://me:hunter2@vault/b" }, fault.Invalid, "backup.target"},
		"no key":            {func(p *Place) { p.S3.Key.File = "" }, fault.Invalid, "backup.s3.key-file"},
		"key from stdin":    {func(p *Place) { p.S3.Key.File = "-" }, fault.Invalid, "backup.s3.key-file"},
		"key missing":       {func(p *Place) { p.S3.Key.File += "x" }, fault.NotFound, "does not exist"},
		"key without colon": {func(p *Place) { p.S3.Key.File = file(t, "hunter2") }, fault.Invalid, "ACCESSKEY:SECRETKEY"},
		"no TLS":            {func(p *Place) { p.S3.Endpoint = "http://s3.example.net" }, fault.Invalid, "backup.s3.endpoint"},
		"a path":            {func(p *Place) { p.S3.Endpoint += "/x" }, fault.Invalid, "backup.s3.endpoint"},
		"CA missing":        {func(p *Place) { p.S3.CA += "x" }, fault.NotFound, ""},
		"CA is none":        {func(p *Place) { p.S3.CA = p.S3.Key.File }, fault.Invalid, "backup.s3.ca"},
		"another CA":        {func(p *Place) { p.S3.CA = "" }, fault.Unavailable, "certificate"},
		"another secret":    {func(p *Place) { p.S3.Key.File = file(t, "ACCESS:other") }, fault.Denied, "SignatureDoesNotMatch"},
		"another bucket":    {func(p *Place) { p.Target = "s3://attic/x" }, fault.NotFound, "there is no bucket attic"},
		"a file":            {func(p *Place) { p.Target = file(t, "x") + "/y" }, fault.Unavailable, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.place
			c.change(&p)
			to, err := p.Open()
			if err == nil {
				err = to.Put(t.Context(), "a/b/c", bytes.NewReader([]byte("x")), 1)
			}
			code(t, name, err, c.code, c.says)
		})
	}
}

func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, []byte(text))
	return path
}

func TestFullDirectory(t *testing.T) {
	err := directory("/backup").fault("write x", &os.PathError{Op: "write", Err: syscall.ENOSPC})
	code(t, "no space", err, fault.Exhausted, "/backup", "it is full")
	// A source that ends early leaves nothing, whatever was written of it.
	d := directory(t.TempDir())
	if err := d.Put(t.Context(), "a/b/c", bytes.NewReader([]byte("half")), 8); err == nil {
		t.Error("half an object is taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Put(ctx, "a/b/d", bytes.NewReader([]byte("x")), 1); err == nil {
		t.Error("an ended context does not end it")
	}
	if all := objects(t, d); len(all) != 0 {
		t.Errorf("%v stays", all)
	}
}

// Storage that says it has the object and has half of it, or another: the backup does not count, and the
// fault names the object.
func TestHalfWrittenObject(t *testing.T) {
	s := serveS3(t, false)
	w := begin(t, s.place)
	w.take(false)
	for name, spoil := range map[string]func([]byte) []byte{"half": func(b []byte) []byte { return b[:len(b)/2] }, "another": func(b []byte) []byte { b[len(b)/2]++; return b }} {
		t.Run(name, func(t *testing.T) {
			w.change()
			before := objects(t, w.target())
			stop := s.answering(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/segment-") {
					key := strings.TrimPrefix(r.URL.Path, "/vault/")
					o, err := s.backend.GetObject(r.Context(), "vault", key, nil)
					if err != nil {
						t.Error(err)
						return false
					}
					b, _ := io.ReadAll(o.Contents)
					b = spoil(b)
					rw.Header().Set("ETag", `"x"`)
					rw.Header().Set("Last-Modified", "Tue, 01 Jan 2030 00:00:00 GMT")
					rw.Header().Set("Content-Length", fmt.Sprint(len(b)))
					_, _ = rw.Write(b)
					return true
				}
				return false
			})
			// Only segments are spoilt: the attempt ends with a full backup, which begins another chain.
			r, err := w.b.Take(t.Context(), false)
			stop()
			if err != nil || !r.Full {
				t.Fatalf("%+v, %v", r, err)
			}
			after := kinds(objects(t, w.target()))
			was := kinds(before)
			if after["segment"] != was["segment"] || after["full"] != was["full"]+1 {
				t.Errorf("before %v, after %v", was, after)
			}
		})
	}
}

// A wrong byte anywhere in any object is found, and the object named; so is one that is missing.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	w.take(false)
	for range 2 {
		w.change()
		w.take(false)
	}
	to := w.target()
	look := func() *Verdict { return w.verdict(w.survey()[0], "") }
	if v := look(); len(v.Findings) != 0 {
		t.Fatalf("nothing is wrong, yet %+v", v)
	}
	for _, name := range objects(t, to) {
		good := content(t, to, name)
		object := name[strings.LastIndexByte(name, '/')+1:]
		for at := 0; at < len(good); at += 1 + len(good)/200 {
			bad := bytes.Clone(good)
			bad[at] ^= 4
			overwrite(t, to, name, bad)
			if v := look(); len(v.Findings) != 1 || !strings.Contains(v.Findings[0], object) {
				t.Fatalf("%s with a wrong byte at %d of %d: %+v", object, at, len(good), v)
			}
		}
		overwrite(t, to, name, good[:len(good)-1])
		if v := look(); len(v.Findings) != 1 || !strings.Contains(v.Findings[0], object) {
			t.Errorf("%s cut off: %+v", object, v)
		}
		_, _, err := w.regions(Moment{}, "", &key)
		code(t, "restore without "+object, err, fault.NotFound, "1 are not whole")
		if err := to.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		v := look()
		switch {
		case strings.HasPrefix(object, "segment"):
			if len(v.Findings) != 1 || !strings.Contains(v.Findings[0], object) || !strings.Contains(v.Findings[0], "records ") || !strings.Contains(v.Findings[0], "missing") {
				t.Errorf("%s missing: %+v", object, v)
			}
		case strings.HasPrefix(object, "full"):
			if len(v.Findings) != 1 || !strings.Contains(v.Findings[0], object) {
				t.Errorf("%s missing: %+v", object, v)
			}
		default: // without its manifest nothing of a chain counts
			if v.Restored || v.Remark == "" || len(v.Unused) != 3 {
				t.Errorf("%s missing: %+v", object, v)
			}
		}
		overwrite(t, to, name, good)
	}
	if v := look(); len(v.Findings) != 0 || !v.Restored {
		t.Errorf("mended, yet %+v", v)
	}
}

// A chain that somebody damaged is not continued.
func TestDamagedChainIsLeft(t *testing.T) {
	for what, spoil := range map[string]func(Target, *Chain){
		"a missing segment":  func(to Target, c *Chain) { _ = to.Remove(t.Context(), c.prefix()+c.Manifest.Pieces[1].Object) },
		"a damaged full one": func(to Target, c *Chain) { overwriteFirst(t, to, c.prefix()+c.Manifest.Pieces[0].Object) },
		"a damaged manifest": func(to Target, c *Chain) { overwriteFirst(t, to, c.prefix()+c.newest) },
		"nothing there at all": func(to Target, c *Chain) {
			for name := range c.objects {
				_ = to.Remove(t.Context(), c.prefix()+name)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := begin(t, Place{Target: t.TempDir()})
			first := w.take(false)
			w.change()
			w.take(false)
			spoil(w.target(), w.survey()[0])
			w.change()
			r := w.take(false)
			if !r.Full || r.Chain == first.Chain {
				t.Errorf("%+v", r)
			}
			if _, n, err := w.regions(Moment{}, "", &key); err != nil || n != 2 {
				t.Errorf("%d regions, %v", n, err)
			}
		})
	}
}

func overwriteFirst(t *testing.T, to Target, name string) {
	b := content(t, to, name)
	b[len(b)/2] ^= 1
	overwrite(t, to, name, b)
}

// When the journal was cut meanwhile, a full backup begins another chain.
func TestJournalCutMeanwhile(t *testing.T) {
	w := begin(t, Place{Target: t.TempDir()})
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Retention = store.Retention{Bytes: 1}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.store, w.b = s, w.backups(s)
	w.take(false)
	for range 30 {
		w.change()
	}
	if r := w.take(false); !r.Full {
		t.Errorf("%+v", r)
	}
}

func FuzzManifest(f *testing.F) {
	m := (&Manifest{Family: Family(key), Chain: "1-2-n-r", Sealed: true}).with(Piece{Object: "full-1-0", Bytes: 3}).with(Piece{Object: "segment-1-2-0", From: 1})
	text, err := m.encode(key)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := decodeManifest(text, &key); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"manifest":{"pieces":[{}]},"mac":""}` + "\n"))
	f.Fuzz(func(t *testing.T, other []byte) {
		_, _ = decodeManifest(other, nil)
		if _, err := decodeManifest(other, &key); err == nil && !bytes.Equal(other, text) {
			t.Error("bytes that nobody with the key wrote are accepted")
		}
	})
}
