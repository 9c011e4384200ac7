//go:build failpoint

package kahuna

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/store/failpoint"
)

// TestMain is a Kahuna that is made and started once when the environment says so, and dies where that says.
func TestMain(m *testing.M) {
	dir := os.Getenv("KAHUNA_TEST_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := beginOnce(dir, os.Getenv("KAHUNA_TEST_STANDBY_OF"), os.Getenv("KAHUNA_TEST_PAIR_KEY"), os.Getenv("KAHUNA_TEST_LISTEN")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func beginOnce(dir, standbyOf, key, listen string) error {
	var c Config
	set := c.set()
	if err := set.Load(nil, "", false); err != nil {
		return err
	}
	c.Dir, c.PlainHTTP, c.Listen, c.StandbyOf, c.PairKeyFile = dir, true, listen, standbyOf, key
	if !initialised(&c) {
		if err := initialise(context.Background(), &c, set, map[string]string{"listen": c.Listen, "plain-http": "true"}); err != nil {
			return err
		}
	}
	s, err := open(c, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return s.Run(ctx, func(state string) {
		if state == "READY=1" {
			cancel()
		}
	})
}

// begin makes a Kahuna in a process of its own that dies at a point; killed tells whether it got there.
func begin(t *testing.T, point, dir string, env ...string) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "KAHUNA_TEST_DIR="+dir, "KAHUNA_TEST_LISTEN="+port(t), "KOWABUNGA_FAILPOINT="+point+"=kill"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%s: %v\n%s", point, err, out)
	}
	return err != nil
}

func beginnings(t *testing.T) (points []string) {
	for _, point := range failpoint.Names() {
		if strings.HasPrefix(point, "kahuna.init.") || strings.HasPrefix(point, "kahuna.join.") || strings.HasPrefix(point, "store.create.") {
			points = append(points, point)
		}
	}
	if len(points) < 6 {
		t.Fatalf("only the points %v", points)
	}
	return points
}

// A Kahuna that dies while it is made or begins for the first time is made by the same command again, acts
// at once, and has one identity from then on.
func TestKilledAtTheBeginning(t *testing.T) {
	for _, point := range beginnings(t) {
		dir := filepath.Join(t.TempDir(), "below", "kahuna")
		if !begin(t, point, dir) {
			t.Errorf("%s is not passed", point)
		}
		a := start(t, dir)
		if status := a.ask("POST", "/api/v1/region", `{"name":"one","domain":"one.example"}`, nil); status != 201 {
			t.Errorf("%s: a write afterwards is answered %d", point, status)
		}
		node := a.s.pair.self
		a.stop()
		b := start(t, dir)
		if b.s.pair.self.ID != node.ID || string(b.s.pair.self.Key) != string(node.Key) || b.names() != "one" {
			t.Errorf("%s: another node after a restart", point)
		}
		b.stop()
	}
}

// So is a standby, which then follows.
func TestKilledAtTheBeginningOfAStandby(t *testing.T) {
	for _, point := range beginnings(t) {
		a := primary(t, t.TempDir())
		a.made("/region", `{"name":"one","domain":"one.example"}`)
		dir, key := t.TempDir(), filepath.Join(a.s.cfg.secrets(), "pair-key")
		if !begin(t, point, dir, "KAHUNA_TEST_STANDBY_OF="+a.url, "KAHUNA_TEST_PAIR_KEY="+key) {
			t.Errorf("%s is not passed", point)
		}
		b := a.standby(dir)
		a.within(point+": the standby is in sync", 2*patienceOfPairs, a.inSync)
		b.within(point+": the standby shows all", patienceOfPairs, func() bool { return b.names() == "one" })
		a.handTo(b)
		b.stop()
		a.stop()
	}
}
