package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kowabunga/core/fault"
)

// TestMain plays a daemon when it is started as one: "obedient" ends on SIGTERM, "failing" at once.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "obedient" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		if err := os.WriteFile(os.Args[2], nil, 0o600); err != nil {
			os.Exit(1)
		}
		<-stop
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "failing" {
		os.Stderr.WriteString("there is no more of it\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestDaemonIsFoundAgainAndStopped(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	d := daemon{name: "obedient", args: []string{"obedient", there}, log: filepath.Join(dir, "log", "obedient.log")}
	ready := func(context.Context) error {
		_, err := os.Stat(there)
		return err
	}
	if started, err := d.await(t.Context(), time.Minute, ready); err != nil || !started {
		t.Fatalf("await = %v, %v, want a new process", started, err)
	}
	t.Cleanup(func() { d.stop(context.Background()) })
	first := d.pids()
	if len(first) != 1 {
		t.Fatalf("pids = %v, want one", first)
	}
	// Another one of the same kind, found by its arguments alone, is the same process.
	if started, err := d.await(t.Context(), time.Minute, ready); err != nil || started || !slices.Equal(d.pids(), first) {
		t.Errorf("again: %v, %v, pids %v, want the same %v", started, err, d.pids(), first)
	}
	other := daemon{name: "obedient", args: []string{"obedient", filepath.Join(dir, "else")}}
	if pids := other.pids(); len(pids) != 0 {
		t.Errorf("the daemon of another directory is %v", pids)
	}
	if stopped, err := d.stop(t.Context()); err != nil || !stopped || len(d.pids()) != 0 {
		t.Errorf("stop = %v, %v, left %v", stopped, err, d.pids())
	}
	if stopped, err := d.stop(t.Context()); err != nil || stopped {
		t.Errorf("a second stop = %v, %v, want nothing to do", stopped, err)
	}
}

func TestDaemonThatEndsIsQuoted(t *testing.T) {
	dir := t.TempDir()
	d := daemon{name: "kahuna", args: []string{"failing", dir}, log: filepath.Join(dir, "kahuna.log")}
	_, err := d.await(t.Context(), time.Minute, func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "there is no more of it") {
		t.Errorf("await = %v, want the daemon's last words", err)
	}
}

// Every candidate's subnets lie inside its /24, do not overlap, and keep gateways out of their ends.
func TestNetworks(t *testing.T) {
	names := map[string]bool{}
	for n := range 256 {
		bridge, network := networkOf(n)
		if len(bridge) > 15 || names[bridge] {
			t.Fatalf("bridge %q of candidate %d is too long or taken", bridge, n)
		}
		names[bridge] = true
		var before netip.Prefix
		for _, l := range lans(network) {
			if !network.Contains(l.Prefix.Addr()) || before.IsValid() && before.Overlaps(l.Prefix) {
				t.Errorf("subnet %v of %v is outside or overlaps %v", l.Prefix, network, before)
			}
			for _, a := range []netip.Addr{l.Gateway, l.GwFirst, l.GwLast} {
				if !l.Prefix.Contains(a) || a == l.Prefix.Addr() {
					t.Errorf("%v is no host of %v", a, l.Prefix)
				}
			}
			if !l.Gateway.Less(l.GwFirst) || !l.GwFirst.Less(l.GwLast) {
				t.Errorf("gateways of %v: %v %v %v", l.Prefix, l.Gateway, l.GwFirst, l.GwLast)
			}
			before = l.Prefix
		}
	}
	if a, b := (place{"/a"}).number(), (place{"/b"}).number(); a == b {
		t.Errorf("two directories begin at the same candidate %d", a)
	}
}

func TestTemplateName(t *testing.T) {
	for image, want := range map[string]string{
		"": "guest", "/x/debian-12.qcow2": "debian-12", "https://h/a/b.img.xz?x=1#sha256=00": "b", "./päiv ä.raw": "p-iv", "https://h/": "h", ".img": "image",
	} {
		if got := templateName(image); got != want {
			t.Errorf("templateName(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestConsoleCannotRewriteTheScreen(t *testing.T) {
	got := printable([]byte("\x1b[2J\x1b[1;1Hlogin:\x1b]0;title\x07 \x9b31mred\r\n\ttab\x00"))
	if want := "login: 31mred\n\ttab"; string(got) != want {
		// A C1 control is two bytes in UTF-8; a bare 0x9b is no character at all.
		if want = "login: \ufffd31mred\n\ttab"; string(got) != want {
			t.Errorf("printable = %q, want %q", got, want)
		}
	}
}

// What is appended after following began is heard, and a log begun anew is read from its start.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	var heard strings.Builder
	step := 0
	write := func(text string, flags int) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	write("old boot: login:\nnew ", os.O_APPEND)
	err := follow(t.Context(), path, int64(len("old boot: login:\n")), func(piece []byte) bool {
		heard.Write(piece)
		step++
		switch step {
		case 1:
			write("boot\n", os.O_APPEND)
		case 2:
			write("anew", os.O_TRUNC)
		}
		return step < 3
	})
	if err != nil || heard.String() != "new boot\nanew" {
		t.Errorf("follow = %v, heard %q", err, heard.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := follow(ctx, path, 4, func([]byte) bool { return true }); !fault.Is(err, fault.Cancelled) {
		t.Errorf("follow after the end of its context = %v", err)
	}
}

// An object that an interrupted attempt left half made is joined by the same POST; a Kahuna that is
// stopping is asked again; what is refused is refused.
func TestEnsureJoins(t *testing.T) {
	var posts atomic.Int32
	phase := "creating"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/kompute/demo"):
			json.NewEncoder(w).Encode(object{ID: "id", Name: "demo", Phase: phase})
		case r.Method == http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/bad"):
			w.WriteHeader(http.StatusUnprocessableEntity)
			w.Write([]byte(`{"status":422,"error":"x","reason":"cidr: overlaps"}`))
		case posts.Add(1) == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"status":503,"error":"x","reason":"the server is stopping"}`))
		default:
			w.WriteHeader(http.StatusCreated)
			json.NewEncoder(w).Encode(object{ID: "id", Name: "demo"})
		}
	}))
	defer server.Close()
	c := &client{url: server.URL, key: "k", http: server.Client()}
	id, made, err := c.ensure(t.Context(), "kompute", "demo", "/kompute", map[string]any{})
	if err != nil || id != "id" || !made || posts.Load() != 2 {
		t.Errorf("ensure = %q, %v, %v after %d posts, want the joined object after 2", id, made, err, posts.Load())
	}
	phase = "ready"
	if id, made, err := c.ensure(t.Context(), "kompute", "demo", "/kompute", map[string]any{}); err != nil || made || id != "id" || posts.Load() != 2 {
		t.Errorf("ensure of what is there = %q, %v, %v after %d posts", id, made, err, posts.Load())
	}
	if _, _, err := c.ensure(t.Context(), "subnet", "s", "/bad", map[string]any{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("a refusal = %v, want Invalid with the server's sentence", err)
	}
}

func TestClaimLeavesStrangersAlone(t *testing.T) {
	dir := t.TempDir()
	if err := (place{dir}).claim(); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (place{dir}).claim(); !fault.Is(err, fault.Conflict) {
		t.Errorf("a directory with a file: %v, want Conflict", err)
	}
	if err := keepJSON((place{dir}).mark(), decided{Listen: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if err := (place{dir}).claim(); err != nil {
		t.Errorf("a sandbox: %v", err)
	}
}

// Of two who lock, one waits; a lock on a sandbox that was destroyed meanwhile is none.
func TestLock(t *testing.T) {
	p := place{filepath.Join(t.TempDir(), "s")}
	if err := p.claim(); err != nil {
		t.Fatal(err)
	}
	unlock, err := p.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	go func() {
		_, err := p.lock(context.Background())
		late <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := p.lock(ctx); err == nil {
		t.Error("two hold the lock")
	}
	if err := os.Remove(p.dir); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-late; !fault.Is(err, fault.Conflict) {
		t.Errorf("the lock of a destroyed sandbox = %v, want Conflict", err)
	}
}

func TestEveryPackageHasAReason(t *testing.T) {
	for _, name := range Packages(false) {
		if PackageReason(name) == "" {
			t.Errorf("%s has no reason", name)
		}
	}
	if own := Packages(true); slices.Contains(own, "syslinux") || !slices.Contains(own, "qemu-system-x86") {
		t.Errorf("with an image of one's own: %v", own)
	}
}
