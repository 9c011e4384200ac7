package kaktus

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/fault"
)

// command runs `kowabunga kaktus` and returns what it printed on both streams.
func command(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := Command()
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	if strings.Contains(out.String(), agentKey) {
		t.Errorf("the key was printed:\n%s", out.String())
	}
	return out.String(), err
}

func TestJoinProvesAndWrites(t *testing.T) {
	k := newKahuna(t)
	dir := filepath.Join(t.TempDir(), "kaktus")
	args := []string{"join", "--dir", dir, "--url", k.url, "--id", agentID, "--key-file", "-", "--pools", "fast.path=/srv/fast", "--accel", "tcg"}

	// A wrong key is found out now, not later, and nothing is written.
	if _, err := command(t, "another-key-with-more-than-128-bits\n", args...); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a wrong key: %v", err)
	}
	out, err := command(t, agentKey+"\n", append(args, "--dry-run")...)
	if err != nil || !strings.Contains(out, "nothing written") || !strings.Contains(out, "fast.path=/srv/fast") {
		t.Errorf("dry run: %v\n%s", err, out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
	if out, err = command(t, agentKey+"\n", args...); err != nil || !strings.Contains(out, "kowabunga kaktus serve --dir "+dir) {
		t.Fatalf("%v\n%s", err, out)
	}
	for file, mode := range map[string]os.FileMode{".": 0o700, "key": 0o600, configFile: 0o640} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if _, err := command(t, agentKey+"\n", args...); !fault.Is(err, fault.Conflict) {
		t.Errorf("joining again: %v", err)
	}
	// What join wrote is what serve reads.
	out, err = command(t, "", "serve", "--dir", dir, "--print-config")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"url: " + k.url, "id: " + agentID, "fast.path=/srv/fast", "key-file: " + dir + "/key", "accel: tcg"} {
		if !strings.Contains(out, want) {
			t.Errorf("the configuration lacks %q:\n%s", want, out)
		}
	}
}

// A host that is told of several Kahunas joins by whichever answers, and looks for all of them later.
func TestJoinBySeveralAddresses(t *testing.T) {
	k := newKahuna(t)
	dir := filepath.Join(t.TempDir(), "kaktus")
	const away = "http://127.0.0.1:1"
	args := []string{"join", "--dir", dir, "--url", away, "--url", k.url, "--id", agentID, "--key-file", "-", "--accel", "tcg"}
	if _, err := command(t, "another-key-with-more-than-128-bits\n", args...); err == nil {
		t.Error("joined with a wrong key")
	}
	if out, err := command(t, agentKey+"\n", args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := command(t, "", "serve", "--dir", dir, "--print-config")
	if err != nil || !strings.Contains(out, `"`+away+","+k.url+`"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := command(t, "", "serve", "--dir", dir, "--url", "https://a,nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("an address that is none: %v", err)
	}
}

// The screens of machines are reached where any of the Kahunas is.
func TestAddressTowardsKahuna(t *testing.T) {
	if ip := towards([]string{"https://nowhere.invalid", "http://127.0.0.1:1"}); ip.String() != "127.0.0.1" {
		t.Errorf("%s", ip)
	}
	if ip := towards(nil); ip != nil {
		t.Errorf("%s towards nobody", ip)
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	dir := t.TempDir()
	for says, args := range map[string][]string{
		"hex digits":      {"serve", "--dir", dir, "--url", "https://h", "--id", "x"},
		"must be given":   {"serve", "--dir", dir, "--url", "https://h"},
		"of this machine": {"serve", "--dir", dir, "--url", "https://h", "--id", agentID, "--listen", "0.0.0.0:1"},
		"key-file":        {"join", "--dir", dir, "--url", "https://h", "--id", agentID},
		"address nor":     {"serve", "--dir", dir, "--url", "https://h", "--id", agentID, "--import-allow", "nowhere"},
	} {
		if _, err := command(t, "", args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte("url: https://h\nid: "+agentID+"\nimport:\n  dris: [/x]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, "", "serve", "--dir", dir); err == nil || !strings.Contains(err.Error(), "dirs") {
		t.Errorf("a misspelt key: %v", err)
	}
}

func TestSocketIsFound(t *testing.T) {
	there := map[string]bool{}
	stat := func(path string) (os.FileInfo, error) {
		if there[path] {
			return nil, nil
		}
		return nil, os.ErrNotExist
	}
	if got := findSocket(stat); got != "/run/libvirt/libvirt-sock" {
		t.Errorf("none is there: %s", got)
	}
	there["/run/libvirt/virtqemud-sock"] = true
	if got := findSocket(stat); got != "/run/libvirt/virtqemud-sock" {
		t.Errorf("got %s", got)
	}
}
