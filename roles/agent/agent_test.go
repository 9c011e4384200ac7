package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/store/durable"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimDir) != "" {
		victim()
	}
	goleak.VerifyTestMain(m)
}

const testID = "aaaaaaaaaaaaaaaaaaaaaaaa"

func testConfig(dir string) Config {
	return Config{URL: "http://127.0.0.1:1", ID: testID, Kind: agentproto.Kaktus, StateDir: dir, Key: func() (string, error) { return "k", nil }}
}

// TestWRPC13ReconnectsAreSpread: full jitter over a bound that doubles from 1 s to 60 s.
func TestWRPC13ReconnectsAreSpread(t *testing.T) {
	part := 0.0
	b := Backoff{Rand: func() float64 { return part }}.withDefaults()
	for failures, bound := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
		part = 0
		if d := b.Delay(failures); d != 0 {
			t.Errorf("after %d failures at least %s", failures, d)
		}
		part = 0.5
		if d := b.Delay(failures); d != bound/2 {
			t.Errorf("after %d failures %s in the middle, want %s", failures, d, bound/2)
		}
	}
	if d := b.Delay(1000); d != 30*time.Second {
		t.Errorf("after very many failures %s", d)
	}

	// Who knows a second Kahuna comes back to either within 10 s, however long it was away.
	for urls, bound := range map[string]time.Duration{"http://127.0.0.1:1": time.Minute, "http://127.0.0.1:1,http://127.0.0.1:2": 10 * time.Second} {
		c, failures := testConfig(""), 20
		c.URL, c.Backoff = urls, Backoff{Rand: func() float64 { return 0.5 }}
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if d := a.nextDelay(errors.New("refused"), &failures); d != bound/2 || failures != 21 {
			t.Errorf("%s: after 20 failures %v in the middle, want %v", urls, d, bound/2)
		}
	}

	// The loop itself: what it waits for between dials that fail.
	waits := make(chan time.Duration)
	c := testConfig("")
	c.Backoff = Backoff{Rand: func() float64 { return 0.5 }, After: func(d time.Duration) <-chan time.Time {
		waits <- d
		fire := make(chan time.Time, 1)
		fire <- time.Time{}
		return fire
	}}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	for _, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
		select {
		case got := <-waits:
			if got != want {
				t.Errorf("waits %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it does not try again")
		}
	}
	cancel()
	for {
		select {
		case <-waits:
			continue
		case <-done:
		}
		break
	}
}

func TestStateDirectory(t *testing.T) {
	dir := t.TempDir()
	a, err := New(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(testConfig(dir)); !fault.Is(err, fault.Conflict) {
		t.Errorf("two agents share a state directory: %v", err)
	}
	epoch := agentproto.Epoch{Counter: 1<<53 + 1, Node: "n"}
	if err := a.obey(epoch); err != nil {
		t.Fatal(err)
	}
	if err := a.obey(agentproto.Epoch{Counter: 1 << 53, Node: "z"}); !fault.Is(err, fault.Fenced) {
		t.Errorf("an older epoch: %v", err)
	}
	a.disk.close()
	b, err := New(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if b.Identity() != a.Identity() || b.Obeyed() != epoch {
		t.Errorf("after a restart: identity %s, epoch %s", b.Identity(), b.Obeyed())
	}
	b.disk.close()
}

// TestLostStateIsANewIdentity: an agent that lost its promises or whom it obeyed is another one, and
// still refuses the epochs it remembers.
func TestLostStateIsANewIdentity(t *testing.T) {
	epoch := agentproto.Epoch{Counter: 7, Node: "n"}
	for name, c := range map[string]struct {
		harm  func(dir string) error
		floor uint64
	}{
		"no voter":          {func(dir string) error { return os.Remove(filepath.Join(dir, voterName)) }, 7},
		"damaged voter":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, voterName), []byte("{"), 0o600) }, 7},
		"no obedience":      {func(dir string) error { return os.Remove(filepath.Join(dir, obeyedName)) }, 0},
		"damaged obedience": {func(dir string) error { return os.WriteFile(filepath.Join(dir, obeyedName), nil, 0o600) }, 0},
		"another voter": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, voterName), []byte(promisesOf(t, "0123456789abcdef0123456789abcdef")), 0o600)
		}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := restart(t, nil, dir)
			if err := before.obey(epoch); err != nil {
				t.Fatal(err)
			}
			same := restart(t, before, dir)
			if same.Identity() != before.Identity() || same.obedience.blank() {
				t.Fatal("another identity without any loss")
			}
			same.disk.close()
			if err := c.harm(dir); err != nil {
				t.Fatal(err)
			}
			a := restart(t, nil, dir)
			if a.Identity() == before.Identity() || !a.hello().Blank || a.Obeyed().Counter != c.floor {
				t.Errorf("identity %s after %s, blank %v, obeys %s", a.Identity(), before.Identity(), a.hello().Blank, a.Obeyed())
			}
			again := restart(t, a, dir)
			if again.Identity() != a.Identity() {
				t.Error("a third identity")
			}
			again.disk.close()
		})
	}
}

// restart makes an agent of a directory after another one let go of it.
func restart(t *testing.T, before *Agent, dir string) *Agent {
	t.Helper()
	if before != nil {
		before.disk.close()
	}
	a, err := New(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestStateOfTheReleaseBefore is taken over: identity and epoch, in files of their own.
func TestStateOfTheReleaseBefore(t *testing.T) {
	dir := t.TempDir()
	const id = "0123456789abcdef0123456789abcdef"
	for file, content := range map[string]string{"identity": id + "\n", "epoch": `{"counter":7,"node":"n"}`} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := restart(t, nil, dir)
	a = restart(t, a, dir)
	defer a.disk.close()
	if a.Identity() != id || a.Obeyed().Counter != 7 || a.hello().Blank {
		t.Error(a.Identity(), a.Obeyed(), a.hello().Blank)
	}
	// Taken over once and for all: what is lost later does not bring the old identity back.
	a.disk.close()
	for _, name := range []string{voterName, obeyedName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	lost := restart(t, nil, dir)
	defer lost.disk.close()
	if lost.Identity() == id || !lost.hello().Blank {
		t.Error("an agent that lost everything is who it was")
	}
}

// promisesOf is the file of an agent that promised nothing yet.
func promisesOf(t *testing.T, identity string) string {
	t.Helper()
	raw, err := durable.Seal(format, voterFile{Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A crash between the two files of the take-over loses neither identity nor epoch.
func TestTakingOverIsCutShort(t *testing.T) {
	dir := t.TempDir()
	const id = "0123456789abcdef0123456789abcdef"
	for file, content := range map[string]string{"identity": id + "\n", "epoch": `{"counter":7,"node":"n"}`, voterName: promisesOf(t, id)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := restart(t, nil, dir)
	defer a.disk.close()
	if a.Identity() != id || a.Obeyed().Counter != 7 || a.hello().Blank {
		t.Error(a.Identity(), a.Obeyed(), a.hello().Blank)
	}
}

// A disk that cannot be read for the moment costs no identity: the agent does not start.
func TestUnreadableStateIsNoLoss(t *testing.T) {
	dir := t.TempDir()
	a := restart(t, nil, dir)
	a.disk.close()
	path := filepath.Join(dir, voterName)
	if err := errors.Join(os.Rename(path, path+".away"), os.Symlink(voterName, path)); err != nil { // reading it fails with ELOOP, replacing it would not
		t.Fatal(err)
	}
	if _, err := New(testConfig(dir)); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("started: %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	again := restart(t, nil, dir)
	defer again.disk.close()
	if again.Identity() != a.Identity() {
		t.Error("another identity")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	c := testConfig("")
	c.URL = "http://kahuna.example.org"
	if _, err := New(c); !fault.Is(err, fault.Invalid) {
		t.Errorf("plain http over the network: %v", err)
	}
	c = testConfig("")
	c.ID = ""
	if _, err := New(c); !fault.Is(err, fault.Invalid) {
		t.Errorf("no id: %v", err)
	}
	if _, err := readKey(filepath.Join(t.TempDir(), "none")); !fault.Is(err, fault.Invalid) {
		t.Errorf("no key file: %v", err)
	}
}

// TestRepliesAreBounded in number and in bytes, and reading never drives out an operation's answer.
func TestRepliesAreBounded(t *testing.T) {
	r := newReplies()
	do := func(id string, size int) {
		t.Helper()
		c, fresh, err := r.begin(t.Context(), "m", agentproto.Envelope{Request: id}, false)
		if err != nil || !fresh {
			t.Fatal(id, fresh, err)
		}
		r.finish(c, json.RawMessage(strings.Repeat("x", size)), nil)
	}
	known := func(id string) bool { _, ok := r.byID[id]; return ok }
	do("op/1", 1)
	for i := range 10 * keptReads {
		do(fmt.Sprint(agentproto.ReadPrefix, i), 1)
	}
	if !known("op/1") || len(r.byID) != keptReads+1 {
		t.Errorf("%d answers kept, the operation's: %v", len(r.byID), known("op/1"))
	}
	for i := range keptReplies {
		do(fmt.Sprint("more/", i), 1)
	}
	if known("op/1") || !known("more/0") || len(r.byID) != keptReads+keptReplies {
		t.Errorf("%d answers kept", len(r.byID))
	}
	do("huge/1", keptBytes)
	do("huge/2", keptBytes)
	if known("huge/1") || !known("huge/2") {
		t.Error("the bytes kept are not bounded")
	}
	if r.running() != 0 {
		t.Error("something still runs")
	}
}

// TestRepeatExtendsTheDeadline: a call that somebody asks for again is not ended by the first deadline.
func TestRepeatExtendsTheDeadline(t *testing.T) {
	r := newReplies()
	first, _, _ := r.begin(t.Context(), "m", agentproto.Envelope{Request: "r", Deadline: 50}, false)
	again, fresh, err := r.begin(t.Context(), "m", agentproto.Envelope{Request: "r", Deadline: 60000}, false)
	if fresh || err != nil || again != first {
		t.Fatal(fresh, err)
	}
	short, _, _ := r.begin(t.Context(), "m", agentproto.Envelope{Request: "short", Deadline: 60}, false)
	<-short.ctx.Done() // later than the first deadline of the other
	if !fault.Is(context.Cause(short.ctx), fault.Unavailable) {
		t.Errorf("ended with %v", context.Cause(short.ctx))
	}
	if first.ctx.Err() != nil {
		t.Error("ended by the first deadline")
	}
	r.finish(first, nil, nil)
	r.finish(short, nil, nil)
}

func TestEventsAreBounded(t *testing.T) {
	a, err := New(testConfig(""))
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxEvents + 5 {
		a.Event("t", fmt.Sprint(i), i)
	}
	if n := a.Counters().EventsDropped; n != 5 {
		t.Errorf("%d dropped", n)
	}
	if e, _ := a.events.take(); e.Subject != "5" {
		t.Errorf("the oldest left is %s", e.Subject)
	}
}
