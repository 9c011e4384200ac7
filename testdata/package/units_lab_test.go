//go:build lab

package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze security may find, in tenths of its points from 0 to 10. It
// counts what a role cannot do without: the network, for Kaktus root, bridges and KVM too.
var exposure = map[string]string{
	"kowabunga-kahuna.service": "20",
	"kowabunga-kaktus.service": "35",
}

func TestUnits(t *testing.T) {
	dir, units := t.TempDir(), os.DirFS("../../embed/units")
	entries, err := fs.ReadDir(units, ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(exposure) {
		t.Errorf("%d units, of %d the exposure is bounded", len(entries), len(exposure))
	}
	for _, entry := range entries {
		text, err := fs.ReadFile(units, entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		// verify wants the program to exist.
		path := filepath.Join(dir, entry.Name())
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/kowabunga", "/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		// What it complains of (an unknown setting, say) it only prints.
		out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), entry.Name()) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", entry.Name(), err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager",
			"--threshold="+exposure[entry.Name()], path).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v: more than %s tenths\n%s", entry.Name(), err, exposure[entry.Name()], out)
		}
		t.Log(lines[len(lines)-1])
	}
}
