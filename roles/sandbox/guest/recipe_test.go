package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/fault"
)

// plant puts a finished image of the present recipe into a directory.
func plant(t *testing.T, dir string, body []byte) string {
	t.Helper()
	sum := sha256.Sum256(body)
	name := filepath.Join(dir, "guest-"+recipeHash()[:12])
	text, err := json.Marshal(Image{Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Kernel: "6.1"})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{name + ".img": body, name + ".json": text} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return name + ".img"
}

func TestKeptImageIsReused(t *testing.T) {
	r := Recipe{Dir: t.TempDir(), Progress: func(step string, _, _ int64) { t.Errorf("step %s", step) }}
	path := plant(t, r.Dir, []byte("an image"))
	image, err := r.Build(context.Background())
	if err != nil || image.Path != path || image.Size != 8 || image.Kernel != "6.1" {
		t.Errorf("%+v %v", image, err)
	}
}

// An image cut short by a full disk or a crash must never become somebody's machine.
func TestDamagedImageIsNotReused(t *testing.T) {
	body := []byte("an image")
	for name, damage := range map[string]func(path string) error{
		"shorter":        func(path string) error { return os.Truncate(path, 7) },
		"other bytes":    func(path string) error { return os.WriteFile(path, []byte("AN image"), 0o600) },
		"gone":           os.Remove,
		"no description": func(path string) error { return os.Remove(strings.TrimSuffix(path, ".img") + ".json") },
	} {
		r := Recipe{Dir: t.TempDir()}
		if err := damage(plant(t, r.Dir, body)); err != nil {
			t.Fatal(err)
		}
		if image, ok := r.cached("guest-" + recipeHash()[:12]); ok {
			t.Errorf("%s: reused as %+v", name, image)
		}
	}
}

func TestSweepTakesOnlyItsOwn(t *testing.T) {
	r := Recipe{Dir: t.TempDir()}
	for _, name := range []string{"build-123/tree/boot/x", "guest-0123.img", "guest-0123.json", "guest.lock", "mine.img"} {
		path := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.sweep(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(r.Dir, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "guest.lock" || filepath.Base(left[1]) != "mine.img" {
		t.Errorf("left: %v %v", left, err)
	}
}

// While one build runs, another waits, and can be called off.
func TestBuildsExcludeEachOther(t *testing.T) {
	r := Recipe{Dir: t.TempDir()}
	plant(t, r.Dir, []byte("an image"))
	unlock, err := lock(context.Background(), filepath.Join(r.Dir, "guest.lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Build(ctx); !fault.Is(err, fault.Cancelled) {
		t.Errorf("it did not wait for the lock: %v", err)
	}
	built := make(chan error)
	go func() {
		_, err := r.Build(context.Background())
		built <- err
	}()
	select {
	case err := <-built:
		t.Fatalf("it went on in spite of the lock: %v", err)
	default:
	}
	unlock()
	if err := <-built; err != nil {
		t.Error(err)
	}
}
