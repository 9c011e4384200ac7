//go:build failpoint

package failpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var first, second = Register("test.first"), Register("test.second")

// TestMain plays the process that fails when the parent asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_CHILD") == "" {
		os.Exit(m.Run())
	}
	defer func() {
		if recover() != nil {
			os.Exit(11)
		}
	}()
	for range 3 {
		if first.Hit() != nil || second.Hit() != nil {
			os.Exit(10)
		}
	}
	os.Exit(0)
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		plan   string
		exit   int // -1: killed
		passed []string
	}{
		{"", 0, []string{"test.first", "test.second", "test.first", "test.second", "test.first", "test.second"}},
		{"test.second=kill", -1, []string{"test.first", "test.second"}},
		{"test.first=exit@2", 3, []string{"test.first", "test.second", "test.first"}},
		{"test.first=panic", 11, []string{"test.first"}},
		{"test.second=error@2", 10, []string{"test.first", "test.second", "test.first", "test.second"}},
		{"test.first=nonsense", 2, nil},
	} {
		t.Run(c.plan, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "FAILPOINT_CHILD=1", "KOWABUNGA_FAILPOINT="+c.plan, "KOWABUNGA_FAILPOINT_LOG="+file)
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != c.exit {
				t.Errorf("exit status %d, want %d", got, c.exit)
			}
			if c.exit == -1 && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Errorf("ended by %v, want SIGKILL", cmd.ProcessState)
			}
			log, _ := os.ReadFile(file)
			if got := strings.Fields(string(log)); !slices.Equal(got, c.passed) {
				t.Errorf("passed %v, want %v", got, c.passed)
			}
		})
	}
	if names := Names(); !slices.Equal(names, []string{"test.first", "test.second"}) {
		t.Errorf("Names() = %v", names)
	}
}
