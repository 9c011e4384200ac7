package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink"

	"kowabunga/core/fault"
)

// Every check answers on this machine, whatever it is, with facts; a fault comes with advice.
func TestChecksHere(t *testing.T) {
	before, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	results := Examine(context.Background(), Checks(t.TempDir()))
	if len(results) != 13 {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		t.Logf("%-12s %-4s %s | %s", r.Name, r.State, r.Found, r.Advice)
		if r.Found == "" || strings.Contains(r.Found, "\n") {
			t.Errorf("%s found %q", r.Name, r.Found)
		}
		if r.State == Fail && r.Advice == "" {
			t.Errorf("%s fails and does not say what to do", r.Name)
		}
	}
	if after, _ := netlink.LinkList(); len(after) != len(before) {
		t.Errorf("%d network interfaces before, %d after", len(before), len(after))
	}
}

// The verdict about bridges agrees with what the kernel really allows on a thread of its own.
func TestBridgeIsTriedForReal(t *testing.T) {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the namespace ends with the thread
		done <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	allowed := <-done == nil
	if r := bridges(context.Background()); allowed != (r.State == OK) {
		t.Errorf("namespaces allowed: %v, the check says %+v", allowed, r)
	}
	if r := filter(context.Background()); r.State == OK && !allowed || r.State == Fail {
		t.Errorf("namespaces allowed: %v, the check says %+v", allowed, r)
	}
}

func TestDirectoryChecks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "kahuna.yaml"), "listen: 127.0.0.1:1\n", 0o640)
	key := filepath.Join(dir, "secrets", "master-key")
	write(t, key, "correct-horse\n", 0o600)
	if err := os.Chmod(filepath.Dir(key), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for name, r := range map[string]Result{"directory": directory(ctx, dir), "secrets": secrets(ctx, dir)} {
		if r.State != OK {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := running(ctx, dir); r.State != Warn || !strings.Contains(r.Advice, "kahuna serve --dir "+dir) {
		t.Errorf("nothing runs: %+v", r)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := secrets(ctx, dir); r.State != Fail || !strings.Contains(r.Found, "0644") || !strings.Contains(r.Advice, "chmod") {
		t.Errorf("a secret everybody can read: %+v", r)
	}
	if r := directory(ctx, filepath.Join(dir, "nowhere")); r.State != Fail || !strings.Contains(r.Advice, "kahuna init") {
		t.Errorf("no directory: %+v", r)
	}
}

func TestRunningAndReady(t *testing.T) {
	dir, status := t.TempDir(), http.StatusOK
	serveSocket(t, dir, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, "the store is opening")
	})
	if r := running(context.Background(), dir); r.State != OK {
		t.Errorf("ready: %+v", r)
	}
	status = http.StatusServiceUnavailable
	if r := running(context.Background(), dir); r.State != Fail || !strings.Contains(r.Found, "the store is opening") {
		t.Errorf("not ready: %+v", r)
	}
}

// planted are secrets put in every place a bundle looks at; none may be inside, in any encoding.
var planted = map[string]string{
	"master":    "kwm_4f1c9b7ad2e35586a1b0c9d8e7f60123456789ab",
	"sealing":   string([]byte{0x9f, 0x00, 0x13, 0xfe, 0x80, 0x41, 0x42, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x10, 0x20, 0x30}),
	"smtp":      "Tr0ub4dor&3 with spaces",
	"jwt":       "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIwMTIzNDU2Nzg5In0.c2lnbmF0dXJlc2lnbmF0dXJl",
	"urlpass":   "hunter2hunter2",
	"apikey":    "qK8xv2mB7nPz0Lw4",
	"comment":   "pasted-into-a-comment",
	"hash":      "$6$saltsalt$Zq0hashhashhashhash",
	"pem":       "MC4CAQAwBQYDK2VwBCIEIJ+planted+key+bytes",
	"quoted":    "a secret with blanks in quotes",
	"cutinhalf": "never-whole-in-the-tail",
}

func TestBundleHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secrets", "master-key"), planted["master"]+"\n", 0o600)
	write(t, filepath.Join(dir, "secrets", "sealing", "key"), planted["sealing"], 0o600)
	write(t, filepath.Join(dir, "secrets", "smtp"), planted["smtp"], 0o600)
	write(t, filepath.Join(dir, "kahuna.yaml"), fmt.Sprintf(`# %s
listen: 127.0.0.1:8443 # %s
mail: smtp://postmaster:%s@mail.example.org:25
mail-password: %s
master-key-file: /etc/kowabunga/master
note: key %s
access:
  apiKey: "%s"
  projectAdminsCreateProjects: true
pools:
  - {name: fast, ceph_secret: {inner: "%s"}}
`, planted["comment"], planted["comment"], planted["urlpass"], planted["smtp"], planted["master"], planted["apikey"], planted["quoted"]), 0o640)
	log := filepath.Join(t.TempDir(), "kahuna.log")
	const tail = 32 << 10
	sealing := []byte(planted["sealing"])
	lines := []string{
		`level=INFO msg=request authorization="Bearer ` + planted["jwt"] + `"`,
		`{"msg":"x","api_key":"` + planted["apikey"] + `","password":"` + planted["quoted"] + `"}`,
		`{"msg":"nested {\"token\":\"` + planted["apikey"] + `\"}"}`,
		"master " + planted["master"] + " b64 " + base64.StdEncoding.EncodeToString([]byte(planted["master"])),
		"sealing " + base64.RawURLEncoding.EncodeToString(sealing) + fmt.Sprintf(" %x %X", sealing, sealing),
		"X-API-Key: " + planted["apikey"], "cookie=" + planted["jwt"], "GET https://u:" + planted["urlpass"] + "@host/x",
		"shadow root:" + planted["hash"] + ":1:",
		"-----BEGIN PRIVATE KEY-----\n" + planted["pem"] + "\n-----END PRIVATE KEY-----",
		"kept: machine 5f9d1c started on host-7",
	}
	head := strings.Repeat("x", 100) + "token=" + planted["cutinhalf"]
	body := "\n" + strings.Repeat(strings.Join(lines, "\n")+"\n", 3)
	// The tail begins inside the planted secret of the first line.
	filler := strings.Repeat("filler line\n", tail/12+1)
	write(t, log, head+body+filler[len(filler)-(tail-len("e-in-the-tail")-len(body)):], 0o640)
	serveSocket(t, dir, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "answer of %s leaking %s\n", r.URL.Path, planted["master"])
	})
	b := Bundle{Dir: dir, Output: filepath.Join(t.TempDir(), "out.tar.gz"), Logs: []string{log, "/no/such.log"}, Tail: tail, Now: time.Unix(1700000000, 0),
		Checks: []Result{warn("found "+planted["master"], "")}}
	names, err := b.Write(context.Background(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	members := unpack(t, b.Output)
	if len(members) != len(names) {
		t.Errorf("%d members, %d names", len(members), len(names))
	}
	for name, text := range members {
		for what, secret := range planted {
			if strings.Contains(text, secret) || strings.Contains(name, secret) {
				t.Errorf("%s holds the planted secret %q", name, what)
			}
		}
		for _, form := range []string{base64.StdEncoding.EncodeToString([]byte(planted["master"])), base64.RawURLEncoding.EncodeToString(sealing), fmt.Sprintf("%x", sealing), fmt.Sprintf("%X", sealing), "never-whole", "in-the-tail"} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds an encoded secret %q", name, form)
			}
		}
		if strings.Contains(name, "secrets/") {
			t.Errorf("%s comes from the secrets", name)
		}
	}
	for name, want := range map[string]string{
		"config/kahuna.yaml": "projectAdminsCreateProjects: true",
		"logs/00-kahuna.log": "machine 5f9d1c started on host-7",
		"kahuna/metrics.txt": "answer of /metrics",
		"kahuna/readyz.txt":  "# status 200",
		"version.json":       `"platform"`,
		"checks.json":        `"state": "warn"`,
		"MANIFEST":           "Missing: log /no/such.log",
	} {
		if !strings.Contains(members["kowabunga-support/"+name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, short([]byte(members["kowabunga-support/"+name])))
		}
	}
	if !strings.Contains(members["kowabunga-support/config/kahuna.yaml"], "master-key-file: /etc/kowabunga/master") {
		t.Error("the name of a secret's file is no secret and helps")
	}
	if info, _ := os.Stat(b.Output); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o", info.Mode().Perm())
	}
	if _, err := b.Write(context.Background(), io.Discard); !fault.Is(err, fault.Conflict) {
		t.Errorf("an existing file was replaced: %v", err)
	}
}

func TestBundleRefusesSecretsAsLogs(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "secrets", "master-key")
	write(t, key, planted["master"], 0o600)
	link := filepath.Join(t.TempDir(), "innocent.log")
	if err := os.Symlink(key, link); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{key, link} {
		b := Bundle{Dir: dir, Output: filepath.Join(t.TempDir(), "x.tar.gz"), Logs: []string{log}}
		if _, err := b.Write(context.Background(), io.Discard); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", log, err)
		}
		if _, err := os.Stat(b.Output); err == nil {
			t.Error("a refused bundle left its file")
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func serveSocket(t *testing.T, dir string, handler http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, socketFile))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	members, archive := map[string]string{}, tar.NewReader(zip)
	for {
		head, err := archive.Next()
		if err == io.EOF {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		members[head.Name] = string(text)
	}
}
