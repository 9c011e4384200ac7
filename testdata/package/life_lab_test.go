//go:build lab

package packaging

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// build makes a package of this tree as the given version.
func build(t *testing.T, version string) (deb string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	program := filepath.Join(dir, "kowabunga")
	for _, args := range [][]string{
		{"go", "build", "-trimpath", "-ldflags", "-s -w -X kowabunga/roles.version=" + version, "-o", program, "."},
		{"go", "run", "./testdata/package/deb", "--program", program, "--version", version, "--target", dir},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		deb = strings.TrimSpace(string(out))
	}
	return deb
}

const (
	state = "/var/lib/kowabunga/kahuna"
	serve = "/usr/bin/kowabunga kahuna serve --dir " + state // as in the unit
)

// The package's life on a clean Debian: installed, initialised, served, upgraded with its state, removed
// without losing it, purged without leaving anything.
func TestLife(t *testing.T) {
	t.Parallel()
	first, second := build(t, "1.0.0"), build(t, "1.1.0")
	c := newChroot(t)
	before := c.inventory()
	listen := freeAddress(t)

	c.install(first)
	if out := c.run("kowabunga", "version"); !strings.HasPrefix(out, "kowabunga 1.0.0\n") {
		t.Errorf("the installed program says %q", out)
	}
	c.run("bash", "-n", "/usr/share/bash-completion/completions/kowabunga")
	if out := c.run("stat", "-c", "%U:%G %a", "/var/lib/kowabunga"); out != "root:kowabunga 750\n" {
		t.Errorf("the state directory is %s", out)
	}
	if out := c.run("getent", "passwd", "kowabunga"); !strings.HasSuffix(out, ":/var/lib/kowabunga:/usr/sbin/nologin\n") {
		t.Errorf("the user is %s", out)
	}
	if out := c.run("sh", "-c", "ls /etc/systemd/system/*.wants/ | grep kowabunga || true"); out != "" {
		t.Errorf("a service was enabled: %s", out)
	}
	unit, err := os.ReadFile(filepath.Join(c.dir, "usr/lib/systemd/system/kowabunga-kahuna.service"))
	if err != nil || !strings.Contains(string(unit), "\nExecStart="+serve+"\n") {
		t.Errorf("the unit does not run what is tried here: %v\n%s", err, unit)
	}
	c.run("kowabunga", "kaktus", "serve", "--help")

	c.run("install", "-d", "-o", "kowabunga", "-g", "kowabunga", "-m", "0700", state)
	c.run("setpriv", "--reuid=kowabunga", "--regid=kowabunga", "--clear-groups",
		"kowabunga", "kahuna", "init", "--dir", state, "--listen", listen, "--plain-http")
	stop := c.service(strings.Fields(serve)...)
	api := client{t, "http://" + listen, strings.TrimSpace(readFile(t, filepath.Join(c.dir, state, "secrets", "master-key")))}
	if code, body := api.do("GET", "/readyz", ""); code != http.StatusOK {
		t.Fatalf("/readyz answered %d %s", code, body)
	}
	code, body := api.do("POST", "/api/v1/region", `{"name":"kept","description":"outlives the upgrade"}`)
	if code != http.StatusCreated {
		t.Fatalf("a region was answered %d %s", code, body)
	}
	var region struct{ ID string }
	if err := json.Unmarshal(body, &region); err != nil {
		t.Fatal(err)
	}

	c.install(second)
	if code, _ := api.do("GET", "/readyz", ""); code != http.StatusOK {
		t.Errorf("the upgrade disturbed the running server: /readyz answers %d", code)
	}
	stop()
	if out := c.run("kowabunga", "version"); !strings.HasPrefix(out, "kowabunga 1.1.0\n") {
		t.Errorf("after the upgrade the program says %q", out)
	}
	stop = c.service(strings.Fields(serve)...)
	if code, body := api.do("GET", "/api/v1/region/"+region.ID, ""); code != http.StatusOK || !bytes.Contains(body, []byte("outlives the upgrade")) {
		t.Errorf("after the upgrade the region was answered %d %s", code, body)
	}
	stop()

	c.run("dpkg", "--remove", "kowabunga")
	if _, err := os.Stat(filepath.Join(c.dir, state, "secrets", "master-key")); err != nil {
		t.Errorf("removing the package lost state: %v", err)
	}
	// Someone enabled the service and added settings of their own.
	c.run("sh", "-ec", `d=/etc/systemd/system
		mkdir -p $d/multi-user.target.wants $d/kowabunga-kaktus.service.d
		ln -s /usr/lib/systemd/system/kowabunga-kahuna.service $d/multi-user.target.wants/
		echo "[Service]" >$d/kowabunga-kaktus.service.d/override.conf`)
	c.run("dpkg", "--purge", "kowabunga")
	after := c.inventory()
	after = slices.DeleteFunc(after, func(line string) bool { return strings.HasSuffix(line, " /etc/systemd/system/multi-user.target.wants") })
	before = slices.DeleteFunc(before, func(line string) bool { return strings.HasSuffix(line, " /etc/systemd/system/multi-user.target.wants") })
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Errorf("purging left or changed: %s", line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("purging removed or changed: %s", line)
		}
	}
}

// A purge must not reach into what is mounted below the state directory, a pool for instance.
func TestPurgeSparesMounts(t *testing.T) {
	t.Parallel()
	c := newChroot(t)
	c.install(build(t, "1.0.0"))
	c.run("sh", "-ec", `mkdir -p /srv/pool /var/lib/kowabunga/kaktus/pool
		mount -t tmpfs pool /var/lib/kowabunga/kaktus/pool
		echo disk >/var/lib/kowabunga/kaktus/pool/disk
		dpkg --purge kowabunga
		test "$(cat /var/lib/kowabunga/kaktus/pool/disk)" = disk`)
}

type client struct {
	t        *testing.T
	url, key string
}

func (c client) do(method, path, body string) (int, []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // the server is replaced between requests
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, text
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
