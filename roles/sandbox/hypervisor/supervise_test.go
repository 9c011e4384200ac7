package hypervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A daemon that crashes is started again; one that ends as soon as it is started is not, for ever.
func TestADaemonIsStartedAgainUnlessItEndsAtOnce(t *testing.T) {
	d := Daemon{Dir: t.TempDir()}
	starts := filepath.Join(d.Dir, "starts")
	script := filepath.Join(d.Dir, "libvirtd")
	// The first lives for a little longer than what counts as at once.
	text := "#!/bin/sh\necho x >>" + starts + "\nif [ $(wc -l <" + starts + ") = 1 ]; then sleep 1.2; kill -SEGV $$; fi\nexit 3\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	err := d.supervise(script)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the second, which ended at once: %v", err)
	}
	if text, _ := os.ReadFile(starts); len(text) != 2*len("x\n") {
		t.Errorf("it was started %d times, want 2", len(text)/2)
	}
}
