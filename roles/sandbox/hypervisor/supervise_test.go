package hypervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A daemon that crashes is started again; one that ends as soon as it is started is not, for ever, nor one that ends in
// order.
func TestADaemonIsStartedAgainUnlessItEndsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		soon   time.Duration
		starts int
		says   string
	}{
		"it crashed, and then ended in order": {0, 2, "exit status 0"},
		"it ended at once":                    {time.Hour, 1, "segmentation fault"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Daemon{Dir: t.TempDir()}
			starts, script := filepath.Join(d.Dir, "starts"), filepath.Join(d.Dir, "libvirtd")
			text := "#!/bin/sh\necho x >>" + starts + "\nif [ $(wc -l <" + starts + ") = 1 ]; then kill -SEGV $$; fi\n"
			if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := d.supervise(script, c.soon); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("in the end: %v", err)
			}
			if text, _ := os.ReadFile(starts); len(text) != c.starts*len("x\n") {
				t.Errorf("it was started %d times, want %d", len(text)/2, c.starts)
			}
		})
	}
}
