package kahuna

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server with a target makes a backup by itself, and shows it in status and figures; one that fails
// shows why, and logs it.
func TestServerBacksItselfUp(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	dir := t.TempDir()
	to := func(c *Config) { c.Backup.Target = target }
	r := start(t, dir, to)
	wait := func(r *running, what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %s: %+v", what, r.s.status().Backup)
			}
		}
	}
	wait(r, "backup", func() bool { return !r.s.status().Backup.Last.IsZero() })
	if st := r.s.status().Backup; st.Chain == "" || st.Pieces != 1 || st.Failed != "" || !strings.Contains(backupState(st), "1 piece") {
		t.Errorf("status %+v: %s", st, backupState(st))
	}
	w := httptest.NewRecorder()
	r.s.health(true).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), "kowabunga_backup_last_success_seconds 1.") {
		t.Error("the figures do not tell of it")
	}
	r.stop()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target = filepath.Join(blocked, "target")
	r = start(t, dir, to)
	wait(r, "failure", func() bool { return r.s.status().Backup.Failed != "" })
	if st := r.s.status().Backup; st.Since.IsZero() || !strings.Contains(backupState(st), "FAILED 1 time") || !strings.Contains(r.logs.String(), "backup failed") {
		t.Errorf("status %+v: %s", st, backupState(st))
	}
}
