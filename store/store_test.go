package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// TestMain also plays the processes that crash_test.go and disk_test.go start from this binary.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

// tables declares two kinds with everything a table can have: a unique name, an index, a reference and
// secrets.
func tables() []model.Table {
	name := model.Index{Name: "name", Keys: func(o model.Object) []string { return []string{o.Base().Name} }}
	return []model.Table{
		{Kind: model.KindRegion, New: func() model.Object { return &model.Region{} }, Unique: []model.Index{name}},
		{
			Kind: model.KindPool, New: func() model.Object { return &model.Pool{} }, Unique: []model.Index{name},
			Indexes: []model.Index{{Name: "region", Keys: func(o model.Object) []string { return []string{string(o.(*model.Pool).Region)} }}},
			Refs:    []model.Ref{{Field: "region", To: model.KindRegion, IDs: func(o model.Object) []model.ID { return []model.ID{o.(*model.Pool).Region} }}},
			Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Pool).CephSecretUUID} },
		},
	}
}

func options(dir string) Options {
	return Options{Dir: dir, Tables: tables(), SealKey: Key{1, 2, 3}}
}

func create(t testing.TB, opts Options) *Store {
	t.Helper()
	if err := Create(opts); err != nil {
		t.Fatal(err)
	}
	return reopen(t, opts)
}

func reopen(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func region(n int) *model.Region {
	return &model.Region{Meta: model.Meta{ID: model.ID(fmt.Sprintf("%024x", n)), Name: "region " + strconv.Itoa(n)}}
}

func pool(n int, in *model.Region, secret string) *model.Pool {
	return &model.Pool{Meta: model.Meta{ID: model.ID(fmt.Sprintf("%024x", n)), Name: "pool " + strconv.Itoa(n)}, Region: in.ID, CephSecretUUID: model.Secret(secret), Agents: []model.ID{}}
}

func put(objects ...model.Object) func(model.Draft) error {
	return func(d model.Draft) error {
		for _, o := range objects {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		return nil
	}
}

func update(t testing.TB, s *Store, f func(model.Draft) error) uint64 {
	t.Helper()
	index, err := s.Update(t.Context(), Cause{Actor: "test", What: "test"}, f)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// sound fails the test unless Check of the store finds nothing.
func sound(t testing.TB, s *Store) {
	t.Helper()
	report, err := s.Check(context.Background())
	if err != nil || !report.OK() {
		t.Fatalf("check: %+v, %v", report, err)
	}
}

func TestDataSurvives(t *testing.T) {
	opts := options(t.TempDir())
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	opts.Now = func() time.Time { return clock }
	s := create(t, opts)
	if got := s.Tip().Index; got != 1 {
		t.Errorf("a new store is at record %d, want 1: the begin of its epoch", got)
	}
	made := update(t, s, put(region(1), pool(2, region(1), "hunter2")))
	clock = clock.Add(-time.Hour) // a clock set back does not make records earlier
	changed := update(t, s, func(d model.Draft) error {
		p, _ := model.Find[*model.Pool](d, pool(2, region(1), "").ID)
		p = model.Edit(p)
		p.Description = "changed"
		return d.Put(p)
	})
	same := update(t, s, put(region(1)))
	if made != 2 || changed != 3 || same != 3 {
		t.Errorf("indexes %d, %d, %d; want 2, 3, 3", made, changed, same)
	}
	before, _ := model.Find[*model.Pool](s.View(), pool(2, region(1), "").ID)
	old := s.Epoch()
	shut(t, s)

	s = reopen(t, opts)
	after, ok := model.Find[*model.Pool](s.View(), before.ID)
	if !ok || fmt.Sprintf("%+v %s", after, after.CephSecretUUID.Reveal()) != fmt.Sprintf("%+v %s", before, before.CephSecretUUID.Reveal()) {
		t.Errorf("after opening again\n%+v\nbefore\n%+v", after, before)
	}
	if after.CephSecretUUID.Reveal() != "hunter2" || after.Version != 3 || after.Updated.Before(after.Created) || s.View().Index() != 4 {
		t.Errorf("%+v at index %d", after, s.View().Index())
	}
	if e := s.Epoch(); e.Counter != old.Counter+1 || e.Node != old.Node {
		t.Errorf("epoch %s after %s", e, old)
	}
	sound(t, s)
}

// No byte of a secret is in any file, in clear, at any time.
func TestSecretsAreNotInClear(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	const secret = "correct-horse-battery"
	update(t, s, put(region(1), pool(2, region(1), secret)))
	update(t, s, put(pool(2, region(1), secret+"-staple")))
	var backup bytes.Buffer
	if _, err := s.Backup(t.Context(), &backup, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(d model.Draft) error { return d.Delete(model.KindPool, pool(2, region(1), "").ID) })
	records, _ := s.Journal(1, 100)
	if text := fmt.Sprintf("%+v", records); strings.Contains(text, secret) {
		t.Error("a secret is in the records")
	}
	shut(t, s)
	files, _ := filepath.Glob(filepath.Join(opts.Dir, "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil || bytes.Contains(raw, []byte(secret)) || bytes.Contains(raw, opts.SealKey[:8]) {
			t.Errorf("a secret or the key is in %s (%v)", f, err)
		}
		if !bytes.Contains(raw, []byte("pool 2")) && filepath.Base(f) == fileName {
			t.Errorf("%s does not even have the plain part: the test looks in the wrong place", f)
		}
	}
	if bytes.Contains(backup.Bytes(), []byte(secret)) || !bytes.Contains(backup.Bytes(), []byte("pool 2")) {
		t.Error("a secret is in the backup, or nothing is")
	}
}

func TestFailedChangesLeaveNothing(t *testing.T) {
	s := create(t, options(t.TempDir()))
	update(t, s, put(region(1)))
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		f    func(model.Draft) error
		code fault.Code
	}{
		"error":      {func(d model.Draft) error { _ = d.Put(region(2)); return mine }, fault.Internal},
		"panic":      {func(d model.Draft) error { _ = d.Put(region(2)); panic("oops") }, fault.Internal},
		"constraint": {put(region(2), pool(3, region(9), "")), fault.Invalid},
		"not JSON":   {put(region(2), &model.Pool{Meta: model.Meta{ID: "x", Name: "x"}, Region: region(2).ID, Cost: model.Cost{Price: nan()}}), fault.Internal},
	} {
		index, err := s.Update(t.Context(), Cause{}, c.f)
		if err == nil || fault.CodeOf(err) != c.code || name == "error" && err != mine {
			t.Errorf("%s: %d, %v", name, index, err)
		}
		if s.View().Len(model.KindRegion) != 1 || s.Tip().Index != 2 {
			t.Errorf("%s left something behind", name)
		}
	}
	// runtime.Goexit, as a failed assertion inside a change does, costs neither the store nor the others.
	ended := make(chan error)
	go func() {
		_, err := s.Update(context.Background(), Cause{}, func(d model.Draft) error { _ = d.Put(region(2)); goexit(); return nil })
		ended <- err
	}()
	if err := <-ended; !fault.Is(err, fault.Internal) {
		t.Errorf("goexit: %v", err)
	}
	if update(t, s, put(region(3))) != 3 || s.View().Len(model.KindRegion) != 2 {
		t.Error("the store does not go on")
	}
	sound(t, s)
}

func TestContextEndsBeforeTheChange(t *testing.T) {
	s := create(t, options(t.TempDir()))
	busy, free := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = s.Update(context.Background(), Cause{}, func(model.Draft) error { close(busy); <-free; return nil })
	})
	<-busy
	ctx, cancel := context.WithCancel(context.Background())
	ran := false
	all.Go(func() {
		_, err := s.Update(ctx, Cause{}, func(model.Draft) error { ran = true; return nil })
		if !fault.Is(err, fault.Cancelled) {
			t.Errorf("withdrawn: %v", err)
		}
		close(free)
	})
	cancel()
	all.Wait()
	if _, err := s.Update(ctx, Cause{}, put(region(1))); !fault.Is(err, fault.Cancelled) || s.View().Len(model.KindRegion) != 0 {
		t.Errorf("with an ended context: %v", err)
	}
	if update(t, s, put(region(1))); ran {
		t.Error("a withdrawn change ran")
	}
	// Ending while it runs is too late: the caller learns what became of it.
	ctx, cancel = context.WithCancel(context.Background())
	index, err := s.Update(ctx, Cause{}, func(d model.Draft) error { cancel(); return d.Put(region(2)) })
	if err != nil || index != s.Tip().Index {
		t.Errorf("ended while it ran: %d, %v", index, err)
	}
}

// Sixteen writers race for the same names; whoever is told yes has it, whoever is told no can see why
// at once (a refusal never tells about a state that is not published yet).
func TestRefusalsTellAboutPublishedState(t *testing.T) {
	s := create(t, options(t.TempDir()))
	var all sync.WaitGroup
	var mu sync.Mutex
	won := map[int]int{}
	for w := range 16 {
		all.Go(func() {
			for n := range 60 {
				r := region(n)
				r.ID = model.ID(fmt.Sprintf("%012x%012x", w, n))
				index, err := s.Update(context.Background(), Cause{}, put(r))
				seen, ok := model.One[*model.Region](s.View(), "name", r.Name)
				switch {
				case err == nil:
					mu.Lock()
					won[n]++
					mu.Unlock()
					if !ok || seen.ID != r.ID || s.View().Index() < index {
						t.Errorf("acknowledged at %d but not visible", index)
					}
				case !fault.Is(err, fault.Conflict):
					t.Error(err)
				case !ok:
					t.Error("refused for a name nobody can see")
				}
			}
		})
	}
	all.Wait()
	for n, times := range won {
		if times != 1 {
			t.Errorf("region %d was created %d times", n, times)
		}
	}
	if len(won) != 60 || s.View().Len(model.KindRegion) != 60 {
		t.Errorf("%d names won, %d regions", len(won), s.View().Len(model.KindRegion))
	}
	sound(t, s)
}

func TestCloseFinishesWhatIsQueued(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	var all sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for n := range 64 {
		all.Go(func() {
			_, err := s.Update(context.Background(), Cause{}, put(region(n)))
			if mu.Lock(); err == nil {
				done++
			} else if !fault.Is(err, fault.Unavailable) {
				t.Error(err)
			}
			mu.Unlock()
		})
	}
	shut(t, s)
	all.Wait()
	if _, err := s.Update(t.Context(), Cause{}, put(region(100))); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after Close: %v", err)
	}
	if s = reopen(t, opts); s.View().Len(model.KindRegion) != done {
		t.Errorf("%d acknowledged, %d there", done, s.View().Len(model.KindRegion))
	}
}

func TestOpenRefuses(t *testing.T) {
	opts := options(t.TempDir())
	if _, err := Open(opts); !fault.Is(err, fault.NotFound) {
		t.Errorf("an empty folder: %v", err)
	}
	if left, _ := os.ReadDir(opts.Dir); len(left) != 0 {
		t.Errorf("opening an empty folder left %v", left)
	}
	s := create(t, opts)
	if _, err := Open(opts); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a store in use: %v", err)
	}
	if _, err := Check(t.Context(), opts); !fault.Is(err, fault.Unavailable) {
		t.Errorf("checking a store in use: %v", err)
	}
	if err := Create(opts); !fault.Is(err, fault.Conflict) {
		t.Errorf("creating again: %v", err)
	}
	update(t, s, put(region(1), pool(2, region(1), "x")))
	shut(t, s)
	if left, _ := filepath.Glob(filepath.Join(opts.Dir, "*")); !slices.Equal(left, []string{filepath.Join(opts.Dir, fileName)}) {
		t.Errorf("a closed store leaves %v", left)
	}

	other := opts
	other.SealKey = Key{9}
	if _, err := Open(other); !fault.Is(err, fault.Denied) {
		t.Errorf("another key: %v", err)
	}
	fewer := opts
	fewer.Tables = tables()[:1]
	if _, err := Open(fewer); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `"pool"`) {
		t.Errorf("a kind nobody knows: %v", err)
	}
	forgetful := opts
	forgetful.Tables = tables()
	forgetful.Tables[1].Secrets = nil
	if _, err := Open(forgetful); !fault.Is(err, fault.Internal) {
		t.Errorf("a secret nobody seals: %v", err)
	}
	if err := os.Truncate(filepath.Join(opts.Dir, fileName), 5000); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(opts); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a truncated file: %v", err)
	}
}
