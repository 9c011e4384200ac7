package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/cli/client"
)

// complete asks for completions as a shell does.
func (w *world) complete(words ...string) []string {
	w.t.Helper()
	out, _, code := run(w.t.Context(), "", append([]string{"__complete"}, words...)...)
	if code != 0 {
		w.t.Errorf("completing %v: exit code %d", words, code)
	}
	var offered []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, ":") {
			word, _, _ := strings.Cut(line, "\t")
			offered = append(offered, word)
		}
	}
	return offered
}

func TestCompletion(t *testing.T) {
	w := newWorld(t, shortDir(t))
	t.Setenv("KOWABUNGA_CREDENTIALS", filepath.Join(w.dir, "credentials.json"))
	for _, name := range []string{"eu-north", "eu-south", "us"} {
		w.must("region", "create", name, "--domain", name+".test")
	}
	w.must("region", "create", "with blank", "--domain", "blank.test")
	w.must("user", "create", "ann", "--email", "ann@eu.test", "--role", "user")
	w.must("user", "create", "bob", "--email", "bob@eu.test", "--role", "user")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, name := range []string{"robot", "prod"} {
		if err := (client.Contexts{}).Write(name, client.Context{URL: "https://eu.test"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"region", "get", "eu"}, "eu-north eu-south"},
		{[]string{"region", "get", ""}, "eu-north eu-south us"},
		{[]string{"region", "get", "us", ""}, ""},
		{[]string{"region", "delete", "us", ""}, "eu-north eu-south"},
		{[]string{"zone", "list", "--region", "u"}, "us"},
		{[]string{"team", "create", "t", "--users", "ann,b"}, "ann,bob"},
		{[]string{"agent", "create", "a", "--type", ""}, "Kiwi Kaktus"},
		{[]string{"vnet", "create", "v", "--private="}, "true false"},
		{[]string{"explain", "kom"}, "kompute"},
		{[]string{"explain", "region", "u"}, "us"},
		{[]string{"operations", "list", "--state", "r"}, "running"},
		{[]string{"region", "list", "-o", ""}, "table wide json yaml name"},
		{[]string{"region", "list", "--sort", "do"}, "domain"},
		{[]string{"reg"}, "region"},
		{[]string{"export", "regi"}, "region"},
		{[]string{"export", "region", "us", "eu-"}, "eu-north eu-south"},
		{[]string{"context", "use", ""}, "prod robot"},
		{[]string{"context", "delete", "prod", ""}, "robot"},
		{[]string{"region", "list", "--context", "r"}, "robot"},
		{[]string{"audit", "--actor", "b"}, "bob"},
		{[]string{"top", "h"}, "hosts"},
		{[]string{"project", "create", "p", "--set", "quotas.m"}, "quotas.memory"},
		{[]string{"explain", "placement", "--zone", ""}, ""},
	} {
		got := w.complete(c.words...)
		// Shells drop what does not begin with the typed word; cobra leaves that to them for flags.
		typed := c.words[len(c.words)-1]
		got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, typed) && !strings.HasSuffix(typed, "=") })
		want := strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%v: offered %v, want %v", c.words, got, want)
		}
	}
	// Without a server nothing is offered, nothing is said and nobody waits long.
	began := time.Now()
	out, errs, code := run(t.Context(), "", "__complete", "region", "get", "--credentials", "/nonexistent", "")
	if code != 0 || strings.TrimSpace(out) != ":4" || strings.Contains(errs, "nonexistent") || time.Since(began) > 5*time.Second {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// shortDir is a directory whose name leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestKeysAreShownOnce(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.must("agent", "create", "a1", "--type", "Kaktus")
	w.must("user", "create", "ann", "--email", "ann@eu.test", "--role", "superAdmin")
	id := w.id("user", "ann")
	out, errs, code := run(t.Context(), "", append([]string{"user", "token", "ann", "--expire", "--expiration-date", "2099-01-31"}, w.credentials()...)...)
	key := strings.TrimSpace(out)
	if code != 0 || len(strings.Fields(out)) != 1 || !strings.Contains(errs, id) || strings.Contains(errs, key) {
		t.Fatalf("%d, %q, %q", code, out, errs)
	}
	if got := w.must("token", "list"); !strings.Contains(got, "2099-01-31") {
		t.Errorf("the token does not end as asked:\n%s", got)
	}
	// The key is good, and is the user's.
	raw, err := os.ReadFile(filepath.Join(w.dir, "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("ann.json", strings.Replace(string(raw), masterKey, key, 1))
	if out, errs, code := run(t.Context(), "", "whoami", "--credentials", filepath.Join(w.dir, "ann.json")); code != 0 || !strings.Contains(out, id) {
		t.Errorf("%d %s %s", code, out, errs)
	}

	file := filepath.Join(w.dir, "a1.key")
	out = w.must("agent", "token", "a1", "--key-file", file)
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 || strings.Contains(out, strings.TrimSpace(string(kept))) || len(kept) < 20 {
		t.Errorf("mode %v, printed %q", info.Mode(), out)
	}
	// A key that could not be kept is not drawn: the one before stays good.
	before := w.must("events", "-n", "1000", "-o", "json")
	if _, errs, code := run(t.Context(), "", append([]string{"agent", "token", "a1", "--key-file", file}, w.credentials()...)...); code != 1 || !strings.Contains(errs, "exists already") {
		t.Errorf("%d %s", code, errs)
	}
	if after := w.must("events", "-n", "1000", "-o", "json"); after != before {
		t.Error("something changed although the key file existed")
	}
	if _, errs, code := run(t.Context(), "", append([]string{"agent", "token", "nobody", "--key-file", file + "2"}, w.credentials()...)...); code != 1 {
		t.Errorf("%d %s", code, errs)
	}
	if _, err := os.Stat(file + "2"); err == nil {
		t.Error("an empty key file was left")
	}
}

func TestPassword(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.must("user", "create", "ann", "--email", "ann@eu.test", "--role", "user")
	out, errs, code := run(t.Context(), "four green Rabbits sing 7\n", append([]string{"user", "password", "ann", "--password-file", "-"}, w.credentials()...)...)
	if code != 0 || out != "password: user ann\n" || strings.Contains(errs, "Rabbits") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	_, errs, code = run(t.Context(), "secret\n", append([]string{"user", "password", "ann"}, w.credentials()...)...)
	if code != 2 || !strings.Contains(errs, "--password-file") {
		t.Errorf("without a terminal: %d %q", code, errs)
	}
	_, errs, code = run(t.Context(), "abc\n", append([]string{"user", "password", "ann", "--password-file", "-"}, w.credentials()...)...)
	if code != 1 || strings.Contains(errs, "abc") {
		t.Errorf("too weak: %d %q", code, errs)
	}
}

// Over the local socket no credentials are needed, and none are sent.
func TestLocalSocket(t *testing.T) {
	w := newWorld(t, shortDir(t))
	t.Setenv("KOWABUNGA_CREDENTIALS", "/nonexistent")
	dir := filepath.Join(w.dir, "local")
	if out, errs, code := run(t.Context(), "", "region", "create", "eu", "--domain", "eu.test", "--dir", dir); code != 0 || !strings.Contains(out, "eu.test") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// An operation can be left alone, followed later, called off; interrupting the one who follows does not
// interrupt the work.
func TestOperationsOutliveTheirFollower(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.topology()
	gate := make(chan struct{})
	w.hosts.hold.Store(&gate)
	args := []string{"kompute", "create", "web-1", "--project", "web", "--zone", "eu-a", "--vcpus", "1", "--memory", "1GiB", "--disk", "20GiB"}

	out := w.must(append(args, "--no-wait", "-o", "json")...)
	var o struct{ ID, State string }
	if err := json.Unmarshal([]byte(out), &o); err != nil || o.State != "running" {
		t.Fatalf("%s: %v", out, err)
	}
	if out := w.must("kompute", "list"); !strings.Contains(out, "PHASE") || !regexp.MustCompile(`web-1 .* creating `).MatchString(out) {
		t.Errorf("while it is made:\n%s", out)
	}
	if out := w.must("operations", "list", "--state", "running", "--project", "web"); !strings.Contains(out, o.ID) {
		t.Errorf("%s is not listed:\n%s", o.ID, out)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	var looks atomic.Int64
	interrupt := func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, o.ID) && looks.Add(1) == 3 {
			cancel(fault.New(fault.Cancelled, "stopped by signal"))
		}
	}
	w.heard.Store(&interrupt)
	_, errs, code := run(ctx, "", append([]string{"operations", "get", o.ID, "--wait"}, w.credentials()...)...)
	if code != 1 || !strings.Contains(errs, "operation "+o.ID+" goes on\nnext step: kowabunga operations get "+o.ID+" --wait\nnext step: kowabunga operations cancel "+o.ID) {
		t.Errorf("interrupted: %d %s", code, errs)
	}
	w.heard.Store(nil)
	close(gate)
	w.hosts.hold.Store(nil)
	if out := w.must("operations", "get", o.ID, "--wait"); !regexp.MustCompile(`(?m)^state +succeeded$`).MatchString(out) || !regexp.MustCompile(`(?m)^start machine +done +1$`).MatchString(out) {
		t.Errorf("afterwards:\n%s", out)
	}

	gate = make(chan struct{})
	w.hosts.hold.Store(&gate)
	args[2] = "web-2"
	if err := json.Unmarshal([]byte(w.must(append(args, "--no-wait", "-o", "json")...)), &o); err != nil {
		t.Fatal(err)
	}
	w.must("operations", "cancel", o.ID, "--no-wait")
	close(gate)
	w.hosts.hold.Store(nil)
	if _, errs, code := run(t.Context(), "", append([]string{"operations", "get", o.ID, "--wait"}, w.credentials()...)...); code != 1 || !strings.Contains(errs, "called off") {
		t.Errorf("of a cancelled operation: %d %s", code, errs)
	}
	if _, _, code := run(t.Context(), "", append([]string{"kompute", "get", "web-2"}, w.credentials()...)...); code != 1 {
		t.Error("what was called off is still there")
	}
}

// events -f tells what happens as it happens, and ends without complaint when it is interrupted.
func TestEventsFollow(t *testing.T) {
	w := newWorld(t, shortDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := &watched{until: "eu", found: cancel}
	root := tree()
	root.SetArgs(append([]string{"events", "-f", "-n", "0"}, w.credentials()...))
	root.SetOut(seen)
	opened := make(chan error, 1)
	go func() { opened <- root.ExecuteContext(ctx) }()
	// The stream may open after the first region was made; one of them it sees.
	for i := 0; ctx.Err() == nil && i < 200; i++ {
		w.must("region", "create", "eu"+strings.Repeat("x", i), "--domain", "eu.test")
	}
	if err := <-opened; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if !regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+  create  region     eux*  by master key$`).MatchString(seen.text.String()) {
		t.Errorf("printed %q", seen.text.String())
	}
}

// watched is an output that calls found when a text was written.
type watched struct {
	text  strings.Builder
	until string
	found func()
}

func (s *watched) Write(b []byte) (int, error) {
	s.text.Write(b)
	if strings.Contains(s.text.String(), s.until) {
		s.found()
	}
	return len(b), nil
}

// list --watch shows what there is, then what changes, each once, what is deleted too, and ends without
// complaint when it is interrupted.
func TestWatch(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.must("region", "create", "old", "--domain", "old.test")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := [][]string{
		{"region", "create", "new", "--domain", "new.test"},
		{"region", "update", "new", "--domain", "changed.test"},
		{"region", "delete", "new", "--yes"},
	}
	next := make(chan struct{}, len(steps))
	seen := &markedOutput{marks: []string{"old.test", "new.test", "changed.test", "deleted"}, next: next, found: cancel}
	root := tree()
	root.SetArgs(append([]string{"region", "list", "--watch"}, w.credentials()...))
	root.SetOut(seen)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	for _, step := range steps {
		select {
		case <-next:
		case err := <-ended:
			t.Fatalf("it ended early: %v", err)
		}
		w.must(step...)
	}
	if err := <-ended; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	want := regexp.MustCompile(`^NAME +DOMAIN +PHASE +ID\nold +old\.test +ready .*\nnew +new\.test +ready .*\nnew +changed\.test +ready .*\nnew +changed\.test +deleted .*\n$`)
	if got := seen.text.String(); !want.MatchString(got) {
		t.Errorf("printed\n%s", got)
	}
}

// As JSON every line of a watch is an object by itself, in every form what is gone is told.
func TestWatchForms(t *testing.T) {
	for form, want := range map[string]string{
		"json": `^\{[^\n]*"name":"eu"[^\n]*"phase":"ready"[^\n]*\}\n\{[^\n]*"phase":"deleted"[^\n]*\}\n$`,
		"yaml": `(?s)^---\nid: .*name: eu\n.*phase: ready\n---\n.*phase: deleted\n`,
		"name": `^region/eu\nregion/eu\n$`,
	} {
		w := newWorld(t, shortDir(t))
		w.must("region", "create", "eu", "--domain", "eu.test")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		next := make(chan struct{}, 1)
		marks := []string{"eu", "deleted"}
		if form == "name" {
			marks[1] = "eu\nregion/eu"
		}
		seen := &markedOutput{marks: marks, next: next, found: cancel}
		root := tree()
		root.SetArgs(append([]string{"region", "get", "eu", "--watch", "-o", form}, w.credentials()...))
		root.SetOut(seen)
		ended := make(chan error, 1)
		go func() { ended <- root.ExecuteContext(ctx) }()
		<-next
		w.must("region", "delete", "eu", "--yes")
		if err := <-ended; err != nil {
			t.Errorf("interrupted: %v", err)
		}
		if got := seen.text.String(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s printed\n%s", form, got)
		}
	}
}

// markedOutput is an output that lets the next step begin when its mark was written.
type markedOutput struct {
	text  strings.Builder
	marks []string
	next  chan<- struct{}
	found func()
}

func (s *markedOutput) Write(b []byte) (int, error) {
	s.text.Write(b)
	for len(s.marks) > 0 && strings.Contains(s.text.String(), s.marks[0]) {
		if s.marks = s.marks[1:]; len(s.marks) == 0 {
			s.found()
			break
		}
		s.next <- struct{}{}
	}
	return len(b), nil
}

// top --watch shows it again and again and ends without complaint; a log gets no screen controls.
func TestTopWatch(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.topology()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := make(chan struct{}, 1)
	seen := &markedOutput{marks: []string{"k1", "HOST"}, next: next, found: cancel}
	root := tree()
	root.SetArgs(append([]string{"top", "hosts", "--watch", "--every", "1ms"}, w.credentials()...))
	root.SetOut(seen)
	if err := root.ExecuteContext(ctx); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if got := seen.text.String(); strings.Count(got, "HOST") < 1 || strings.Contains(got, "\x1b") {
		t.Errorf("printed %q", got)
	}
}

// What somebody else changed between the reading and the writing of an update is not overwritten.
func TestUpdateOverwritesNothing(t *testing.T) {
	w := newWorld(t, shortDir(t))
	w.topology()
	var once atomic.Bool
	meanwhile := func(r *http.Request) {
		if r.Method == http.MethodPut && !once.Swap(true) {
			w.must("project", "update", "web", "--tags", "theirs")
		}
	}
	w.heard.Store(&meanwhile)
	_, errs, code := run(t.Context(), "", append([]string{"project", "update", "web", "--description", "mine"}, w.credentials()...)...)
	if code != 1 || !strings.Contains(errs, "update project web: ") || !strings.Contains(errs, "next step: the same command again") {
		t.Errorf("%d %s", code, errs)
	}
	if got := w.must("project", "get", "web"); !regexp.MustCompile(`(?m)^tags +theirs$`).MatchString(got) || strings.Contains(got, "mine") {
		t.Errorf("afterwards:\n%s", got)
	}
}
