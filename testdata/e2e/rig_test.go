//go:build lab

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdk "github.com/kowabunga-cloud/kowabunga-go"

	"kowabunga/roles/kahuna"
	"kowabunga/store/failpoint"
	"kowabunga/testdata/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// patience bounds every wait. It is long because the machine that runs this may be busy; nothing waits
// for its end.
const patience = 2 * time.Minute

// build is a program that is built once for all tests that want it.
type build struct {
	name    string   // of its directory in the cache
	args    []string // of go build
	release string   // what it calls itself; empty until it is asked
	once    sync.Once
	path    string
	err     error
}

// present is the program that these tests are about, with failpoints when they have them.
var present = &build{name: fmt.Sprintf("e2e-failpoint-%t", failpoint.Enabled), args: map[bool][]string{true: {"-tags", "failpoint"}}[failpoint.Enabled]}

func program(t testing.TB) string {
	t.Helper()
	return present.in(t)
}

// in builds the program and returns its path.
func (b *build) in(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		cache := os.Getenv("KOWABUNGA_LAB_CACHE")
		if cache == "" {
			if cache, b.err = os.UserCacheDir(); b.err != nil {
				return
			}
			cache = filepath.Join(cache, "kowabunga", "lab")
		}
		dir := filepath.Join(cache, b.name)
		if b.err = os.MkdirAll(dir, 0o755); b.err != nil {
			return
		}
		b.path = filepath.Join(dir, "kowabunga")
		cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", b.path}, b.args...), "kowabunga")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// process is a running daemon of the program.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// launch starts the program. Its output goes to a file, which is shown when the test fails.
func launch(t testing.TB, name, log string, env []string, args ...string) *process {
	t.Helper()
	return launchIn(t, nil, name, log, env, args...)
}

// launchIn starts the program through another command, such as one that enters a namespace.
func launchIn(t testing.TB, through []string, name, log string, env []string, args ...string) *process {
	t.Helper()
	return launchBuild(t, present, through, name, log, env, args...)
}

// launchBuild does the same with a program of another build.
func launchBuild(t testing.TB, b *build, through []string, name, log string, env []string, args ...string) *process {
	t.Helper()
	argv := append(append(through[:len(through):len(through)], b.in(t)), args...)
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C.UTF-8"}, env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill() })
	return p
}

// kill takes the process as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop asks it to end, and fails the test when it does not.
func (p *process) stop(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Errorf("%s does not stop", p.name)
		p.kill()
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// run runs a command of the program to its end and answers what it printed.
func run(t testing.TB, args ...string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kowabunga %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String(), nil
}

func must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := run(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually waits until a condition holds; its error says what is still missing.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// server is a Kahuna with its SDK client.
type server struct {
	t    testing.TB
	dir  string
	url  string
	key  string
	http *http.Client
	api  *sdk.APIClient
	proc *process
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newServer makes and starts a Kahuna whose letters become files.
func newServer(t testing.TB, dir string) *server {
	t.Helper()
	listen := freePort(t)
	s := &server{t: t, dir: filepath.Join(dir, "kahuna"), url: "https://" + listen}
	must(t, "kahuna", "init", "--dir", s.dir, "--listen", listen, "--url", s.url, "--mail", "file:"+filepath.Join(dir, "mail"), "--admin-email", "admin@example.net")
	key, err := os.ReadFile(filepath.Join(s.dir, "secrets", "master-key"))
	if err != nil {
		t.Fatal(err)
	}
	s.key = strings.TrimSpace(string(key))
	s.start()
	return s
}

// start starts the server, with more environment, and returns when it answers. One that is told to die
// may do so before that.
func (s *server) start(env ...string) {
	s.t.Helper()
	s.proc = launch(s.t, "kahuna", s.dir+".log", env, "kahuna", "serve", "--dir", s.dir)
	eventually(s.t, "kahuna answers", func() error {
		if !s.proc.alive() {
			if strings.Contains(strings.Join(env, " "), "=kill@") {
				return nil
			}
			return errors.New("it ended; see " + s.proc.log)
		}
		if s.http == nil {
			if err := s.trust(); err != nil {
				return err
			}
		}
		r, err := http.NewRequest(http.MethodGet, s.url+"/api/v2/whoami", nil)
		if err != nil {
			return err
		}
		r.Header.Set("X-API-Key", s.key)
		answer, err := s.http.Do(r)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
}

func (s *server) ca() string { return filepath.Join(s.dir, "tls", "ca.pem") }

// trust makes the client once the local CA is there.
func (s *server) trust() error {
	pem, err := os.ReadFile(s.ca())
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("no certificate yet")
	}
	// A server that was killed leaves dead connections behind; they must not be used again.
	s.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	cfg := sdk.NewConfiguration()
	cfg.Servers = sdk.ServerConfigurations{{URL: s.url + "/api/v1"}}
	cfg.DefaultHeader["X-API-Key"] = s.key
	cfg.HTTPClient = s.http
	s.api = sdk.NewAPIClient(cfg)
	return nil
}

// status is what the server says of itself.
func (s *server) status() (kahuna.Status, error) {
	var st kahuna.Status
	out, err := run(s.t, "kahuna", "status", "--dir", s.dir, "-o", "json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// get reads a page over plain HTTP, as from a guest.
func get(url string, into any) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
