package backups

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/config"
	"kowabunga/store"
)

var key = store.Key{1, 2, 3}

// cloud is a store at work and what writes its backups.
type cloud struct {
	t     *testing.T
	dir   string
	store *store.Store
	b     *Backups
	place Place
	to    []string
	keep  Keep
	clock *time.Time
	made  int
}

// begin makes a store and opens it; end and again are a restart.
func begin(t *testing.T, place Place, recipients ...string) *cloud {
	t.Helper()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &cloud{t: t, dir: t.TempDir(), place: place, to: recipients, clock: &now}
	if err := store.Create(c.options()); err != nil {
		t.Fatal(err)
	}
	c.open()
	return c
}

func (c *cloud) now() time.Time { *c.clock = c.clock.Add(time.Second); return *c.clock }

func (c *cloud) options() store.Options {
	return store.Options{Dir: filepath.Join(c.dir, "data"), Tables: catalogue.Tables(), SealKey: key, Now: c.now}
}

func (c *cloud) open() {
	c.t.Helper()
	s, err := store.Open(c.options())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = s.Close() })
	c.store = s
	c.b = c.backups(s)
}

func (c *cloud) backups(s Source) *Backups {
	c.t.Helper()
	b, err := New(Config{Store: s, Key: key, Tables: catalogue.Tables(), Place: c.place, Recipients: c.to, Keep: c.keep, Every: time.Hour, FullEvery: 24 * time.Hour,
		Scratch: filepath.Join(c.dir, "scratch"), Now: c.now})
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *cloud) restart() {
	c.t.Helper()
	if err := c.store.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.open()
}

// change records something.
func (c *cloud) change() {
	c.t.Helper()
	c.made++
	r := &model.Region{Meta: model.Meta{ID: model.ID(fmt.Sprintf("%024x", c.made)), Name: fmt.Sprintf("r%d", c.made)}}
	if _, err := c.store.Update(c.t.Context(), store.Cause{Actor: "test", What: "test"}, func(d model.Draft) error { return d.Put(r) }); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) take(full bool) *Result {
	c.t.Helper()
	r, err := c.b.Take(c.t.Context(), full)
	if err != nil {
		c.t.Fatal(err)
	}
	if left, _ := os.ReadDir(c.b.Scratch); len(left) != 0 {
		c.t.Errorf("scratch files stay: %v", left)
	}
	return r
}

func (c *cloud) target() Target {
	c.t.Helper()
	t, err := c.place.Open()
	if err != nil {
		c.t.Fatal(err)
	}
	return t
}

func (c *cloud) survey() []*Chain {
	c.t.Helper()
	chains, err := Survey(c.t.Context(), c.target(), Family(key), &key)
	if err != nil {
		c.t.Fatal(err)
	}
	return chains
}

func (c *cloud) verdict(chain *Chain, identities string) *Verdict {
	c.t.Helper()
	with, err := Identities(identities)
	if err != nil {
		c.t.Fatal(err)
	}
	v := &Verifier{Target: c.target(), Key: &key, Identities: with, Tables: catalogue.Tables(), Scratch: c.t.TempDir()}
	out, err := v.Verify(c.t.Context(), chain)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// regions are what a restored store holds.
func (c *cloud) regions(at Moment, identities string, k *store.Key) (*store.Restored, int, error) {
	c.t.Helper()
	plan, err := Choose(c.survey(), at)
	if err != nil {
		return nil, 0, err
	}
	with, err := Identities(identities)
	if err != nil {
		c.t.Fatal(err)
	}
	r := &Restorer{Target: c.target(), Identities: with, Authentic: k != nil}
	o := store.Options{Dir: filepath.Join(c.t.TempDir(), "restored"), Tables: catalogue.Tables()}
	made, got, err := r.Restore(c.t.Context(), plan, c.t.TempDir(), store.RestoreOptions{Dir: o.Dir, Tables: o.Tables, SealKey: k, Identities: identities})
	if err != nil {
		return nil, 0, err
	}
	o.SealKey = got
	s, err := store.Open(o)
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	if st := s.Status(); !st.Drill || c.store != nil && st.Epoch.Node == c.store.Epoch().Node {
		c.t.Errorf("a restored store is %+v", st)
	}
	return made, s.View().Len(model.KindRegion), nil
}

// shelf takes an empty delimiter for none, as S3 does; the server's own takes it for one.
type shelf struct{ *s3mem.Backend }

func (s shelf) ListBucket(ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix != nil && prefix.Delimiter == "" {
		prefix.HasDelimiter = false
	}
	return s.Backend.ListBucket(ctx, name, prefix, page)
}

// storage is an S3 server that checks signatures (version 4).
type storage struct {
	*httptest.Server
	backend gofakes3.Backend
	place   Place
	// before, when set, may answer a request instead of the server.
	before atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func serveS3(t *testing.T, secure bool) *storage {
	t.Helper()
	s := &storage{backend: shelf{s3mem.New()}}
	if err := s.backend.CreateBucket(t.Context(), "vault"); err != nil {
		t.Fatal(err)
	}
	api := gofakes3.New(s.backend, gofakes3.WithV4Auth(map[string]string{"ACCESS": "hunter2"})).Server()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := s.before.Load(); f != nil && (*f)(w, r) {
			return
		}
		api.ServeHTTP(w, r)
	})
	dir := t.TempDir()
	s.place = Place{Target: "s3://vault/some/where", S3: S3{Key: config.Secret{File: filepath.Join(dir, "key")}}}
	if secure {
		s.Server = httptest.NewTLSServer(h)
		s.place.S3.CA = filepath.Join(dir, "ca.pem")
		writeFile(t, s.place.S3.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	} else {
		s.Server = httptest.NewServer(h)
	}
	t.Cleanup(s.Close)
	s.place.S3.Endpoint = s.URL
	writeFile(t, s.place.S3.Key.File, []byte("ACCESS:hunter2\n"))
	return s
}

// answering has the server answer requests by itself until the function that is returned is called.
func (s *storage) answering(f func(http.ResponseWriter, *http.Request) bool) func() {
	s.before.Store(&f)
	return func() { s.before.Store(nil) }
}

func refuse(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message></Error>", code)
		return true
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// content is an object of a target.
func content(t *testing.T, from Target, name string) []byte {
	t.Helper()
	in, err := from.Get(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// overwrite makes an object another.
func overwrite(t *testing.T, in Target, name string, b []byte) {
	t.Helper()
	if err := in.Remove(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	if err := in.Put(context.Background(), name, bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
}

// names are the objects of a target, without what differs from run to run.
func objects(t *testing.T, in Target) (out []string) {
	t.Helper()
	all, err := in.List(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// kinds counts objects by what they are.
func kinds(names []string) map[string]int {
	out := map[string]int{}
	for _, n := range names {
		kind, _, _ := strings.Cut(n[strings.LastIndex(n, "/")+1:], "-")
		out[kind]++
	}
	return out
}

func code(t *testing.T, what string, err error, want fault.Code, says ...string) {
	t.Helper()
	if fault.CodeOf(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: %v does not say %q", what, err, s)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: the secret is shown: %v", what, err)
	}
}
