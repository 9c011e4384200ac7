//go:build lab

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kowabunga/roles/sandbox"
	"kowabunga/testdata/lab"
)

// home is a sandbox's directory.
type home struct {
	t   testing.TB
	dir string
}

// up runs `sandbox up` to its end and answers what it printed.
func (h home) up() string {
	h.t.Helper()
	begin := time.Now()
	out := must(h.t, "sandbox", "up", "--dir", h.dir, "--yes")
	h.t.Logf("up took %.1f s", time.Since(begin).Seconds())
	return out
}

func (h home) status() sandbox.Status {
	h.t.Helper()
	var st sandbox.Status
	if err := json.Unmarshal([]byte(must(h.t, "sandbox", "status", "--dir", h.dir, "-o", "json")), &st); err != nil {
		h.t.Fatal(err)
	}
	return st
}

// processes are all that belong to the sandbox: those that name its directory, its machines among them.
func (h home) processes() map[int]string {
	h.t.Helper()
	out := map[int]string{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && bytes.Contains(text, []byte(h.dir)) {
			out[pid] = strings.ReplaceAll(string(text), "\x00", " ")
		}
	}
	return out
}

// killAll takes everything at once, as the worst of crashes does.
func (h home) killAll() {
	h.t.Helper()
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} { // stopped first, nobody notices another's end
		for pid := range h.processes() {
			_ = syscall.Kill(pid, signal)
		}
	}
	eventually(h.t, "everything is dead", func() error {
		if left := h.processes(); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
}

// interfaces are the network interfaces of this machine that a sandbox might leave behind.
func interfaces(t testing.TB) []string {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range links {
		if strings.HasPrefix(link.Name, "kbsandbox") {
			names = append(names, link.Name)
		}
	}
	slices.Sort(names)
	return names
}

// A sandbox is killed while it is made, finished, made again, killed whole, resumed, stopped, started and
// destroyed, after which nothing of it is left.
func TestSandbox(t *testing.T) {
	image := lab.GuestImage(t)
	before := interfaces(t)
	parent, err := os.MkdirTemp("", "kbsb-")
	if err != nil {
		t.Fatal(err)
	}
	h := home{t, filepath.Join(parent, "s")}
	t.Cleanup(func() {
		if t.Failed() {
			for _, log := range []string{"kahuna.log", "kaktus.log"} {
				text, _ := os.ReadFile(filepath.Join(h.dir, "log", log))
				t.Logf("%s:\n%s", log, text[max(0, len(text)-8<<10):])
			}
		}
		if _, err := run(t, "sandbox", "destroy", "--dir", h.dir, "--yes"); err != nil {
			t.Log(err)
		}
		os.RemoveAll(parent)
	})

	// Killed as soon as anything stands; the image that was built before is put in the place of the one
	// that is being built, which spares a download.
	h.interrupted(func() bool { return exists(h.dir, "credentials.json") })
	if err := os.MkdirAll(filepath.Join(h.dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".img", ".json"} {
		copyFile(t, strings.TrimSuffix(image.Path, ".img")+ext, filepath.Join(h.dir, "images", strings.TrimSuffix(filepath.Base(image.Path), ".img")+ext))
	}
	// Killed while its machine is being made.
	h.interrupted(func() bool { return len(glob(t, h.dir, "kaktus/machines/*.json")) > 0 })

	out := h.up()
	first := h.check(out)
	again := h.check(h.up())
	if first != again {
		t.Errorf("the second up made another machine: %s, then %s", first, again)
	}
	h.tryNext(out)

	h.killAll()
	if got := h.check(h.up()); got != first {
		t.Errorf("after the crash the machine is %s, want %s", got, first)
	}

	must(t, "sandbox", "down", "--dir", h.dir)
	if left := h.processes(); len(left) > 0 {
		t.Errorf("down left %v", left)
	}
	if got := h.check(h.up()); got != first {
		t.Errorf("after down and up the machine is %s, want %s", got, first)
	}

	must(t, "sandbox", "destroy", "--dir", h.dir, "--yes")
	if left := h.processes(); len(left) > 0 {
		t.Errorf("destroy left processes: %v", left)
	}
	if after := interfaces(t); !slices.Equal(before, after) {
		t.Errorf("destroy left interfaces: before %v, after %v", before, after)
	}
	if files := glob(t, parent, "*"); len(files) > 0 {
		t.Errorf("destroy left files: %v", files)
	}
	must(t, "sandbox", "destroy", "--dir", h.dir, "--yes")
}

// interrupted runs up and kills everything once a condition holds.
func (h home) interrupted(when func() bool) {
	h.t.Helper()
	p := launch(h.t, "sandbox", filepath.Join(filepath.Dir(h.dir), "up.log"), nil, "sandbox", "up", "--dir", h.dir, "--yes")
	eventually(h.t, "the sandbox gets so far", func() error {
		if when() || !p.alive() {
			return nil
		}
		return errors.New("not yet")
	})
	h.killAll()
	<-p.ended
	if p.cmd.ProcessState.Success() {
		h.t.Error("up was through before it was killed")
	}
	os.Remove(p.log)
}

var shown = regexp.MustCompile(`machine +demo at (10\.\S+),`)

// check holds that a sandbox that said it is up is: every part, its credentials, its machine. It answers
// which machine that is.
func (h home) check(out string) string {
	h.t.Helper()
	found := shown.FindStringSubmatch(out)
	if found == nil {
		h.t.Fatalf("up does not name its machine:\n%s", out)
	}
	for _, p := range h.status().Parts {
		if p.State != "running" && p.State != "ready" {
			h.t.Errorf("part %s %s is %s (%s)", p.Part, p.Name, p.State, p.Detail)
		}
	}
	info, err := os.Stat(filepath.Join(h.dir, "credentials.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		h.t.Errorf("credentials: %v %v, want mode 0600", info.Mode(), err)
	}
	var raw map[string]string
	text, err := os.ReadFile(filepath.Join(h.dir, "credentials.json"))
	if err == nil {
		err = json.Unmarshal(text, &raw)
	}
	if err != nil || len(raw) != 2 || raw["url"] == "" || raw["apiKey"] == "" {
		h.t.Fatalf("credentials hold %d keys (%v), want url and apiKey", len(raw), err)
	}
	// The official SDK, with nothing but the credentials and the certificate beside them.
	s := &server{t: h.t, dir: filepath.Join(h.dir, "kahuna"), url: raw["url"], key: raw["apiKey"]}
	if err := s.trust(); err != nil {
		h.t.Fatal(err)
	}
	ids, _, err := s.api.KomputeAPI.ListKomputes(context.Background()).Execute()
	if err != nil || len(ids) != 1 {
		h.t.Fatalf("komputes: %v %v, want one", ids, err)
	}
	var st struct{ Hostname string }
	eventually(h.t, "the machine answers", func() error { return get("http://"+found[1]+"/status", &st) })
	if st.Hostname != "demo" {
		h.t.Errorf("the machine at %s calls itself %q", found[1], st.Hostname)
	}
	if out, err := run(h.t, "kahuna", "check", "--dir", s.dir); err != nil {
		h.t.Errorf("check: %s%v", out, err)
	}
	return ids[0] + " " + found[1]
}

// tryNext runs the three commands that up proposes. The one that follows a console goes on until it is
// stopped.
func (h home) tryNext(out string) {
	h.t.Helper()
	_, list, _ := strings.Cut(out, "Try next:\n")
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if len(lines) != 3 {
		h.t.Fatalf("up proposes %d commands, want 3:\n%s", len(lines), out)
	}
	for _, line := range lines {
		args := strings.Fields(line)
		if args[0] != program(h.t) { // it is not in PATH and was called by this name
			h.t.Errorf("%q is not how this program was called", line)
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		var said bytes.Buffer
		cmd.Stderr = &said
		pipe, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			h.t.Fatal(err)
		}
		var text []byte
		if slices.Contains(args, "console") {
			buffer := make([]byte, 4096)
			for !bytes.Contains(text, []byte("login:")) {
				n, err := pipe.Read(buffer)
				if text = append(text, buffer[:n]...); err != nil {
					break
				}
			}
			_ = cmd.Process.Signal(syscall.SIGINT)
		} else if text, err = io.ReadAll(pipe); err != nil {
			h.t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || len(text) == 0 {
			h.t.Errorf("%s: %v, printed %q\n%s", line, err, text, said.String())
		}
		if slices.Contains(args, "console") && !bytes.Contains(text, []byte("login:")) {
			h.t.Errorf("the console shows no login: %q", text)
		}
		cancel()
	}
}

func exists(parts ...string) bool {
	_, err := os.Stat(filepath.Join(parts...))
	return err == nil
}

func glob(t testing.TB, parts ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
