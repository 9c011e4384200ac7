package kaktus

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

const (
	poolID  = "aaaaaaaaaaaaaaaaaaaaaaaa"
	imageID = "bbbbbbbbbbbbbbbbbbbbbbbb"
)

func (k *kahuna) push(generation uint64, state agentproto.KaktusState) agentproto.Status {
	k.t.Helper()
	body, err := json.Marshal(state)
	if err != nil {
		k.t.Fatal(err)
	}
	return must[agentproto.Status](k, agentproto.MethodState, agentproto.State{Name: agentproto.StateKaktus, Generation: generation, Epoch: epoch, Body: body})
}

var local = agentproto.Pool{ID: poolID, Driver: "dir", Name: "local"}

// An agent whose libvirt is away still serves its pools, says what it lacks, and does not pass an
// inventory off as whole.
func TestServesWithoutLibvirt(t *testing.T) {
	k := newKahuna(t)
	cfg := k.settings(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen = listener.Addr().String()
	listener.Close()
	log := new(memory)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	end := run(t, cfg)

	_, hello := k.agent()
	if !slices.Contains(hello.Methods, agentproto.MethodMachinePower) || !slices.Contains(hello.Methods, agentproto.MethodSeedDelete) || len(hello.Methods) < 14 {
		t.Errorf("it says it knows %v", hello.Methods)
	}
	if slices.Contains(hello.Features, agentproto.FeatureKVM) || !slices.Contains(hello.Features, agentproto.FeatureGuestAgent) {
		t.Errorf("it says it can %v", hello.Features)
	}

	status := k.push(1, agentproto.KaktusState{Pools: []agentproto.Pool{local, {ID: imageID, Driver: "rbd", Name: "ceph"}}})
	if !status.Applied || status.Generation != 1 || len(status.Problems) != 1 || !strings.Contains(status.Problems[0], `"rbd"`) {
		t.Errorf("status %+v", status)
	}
	k.hear("the good pool", func(e agentproto.Event) bool {
		var p agentproto.PoolStatus
		return e.Type == agentproto.EventPool && json.Unmarshal(e.Body, &p) == nil && p.ID == poolID && p.Ready && p.Capacity > 0
	})
	k.hear("the bad pool", func(e agentproto.Event) bool {
		var p agentproto.PoolStatus
		return e.Type == agentproto.EventPool && json.Unmarshal(e.Body, &p) == nil && p.ID == imageID && !p.Ready && p.Problem != ""
	})

	if err := os.WriteFile(filepath.Join(cfg.Import.Dirs[0], "i.raw"), append([]byte{0xeb}, make([]byte, 1000)...), 0o644); err != nil {
		t.Fatal(err)
	}
	ref := agentproto.ImageRef{Pool: poolID, Image: imageID}
	image := must[agentproto.Image](k, agentproto.MethodImageImport, agentproto.ImageImport{ImageRef: ref, Source: "file://" + cfg.Import.Dirs[0] + "/i.raw"})
	if image.Size != 1024 || image.Format != "raw" {
		t.Errorf("image %+v", image)
	}
	if _, err := ask[agentproto.Image](k, agentproto.MethodImageImport, agentproto.ImageImport{ImageRef: agentproto.ImageRef{Pool: poolID, Image: poolID}, Source: "file:///etc/passwd"}); !fault.Is(err, fault.Denied) {
		t.Errorf("a file from elsewhere: %v", err)
	}
	seed := agentproto.VolumeRef{Pool: poolID, Volume: imageID}
	must[agentproto.Volume](k, agentproto.MethodSeedWrite, agentproto.Seed{VolumeRef: seed, UserData: "#cloud-config\n{}\n"})
	must[agentproto.Empty](k, agentproto.MethodSeedDelete, seed)
	must[agentproto.Empty](k, agentproto.MethodImageDelete, ref)
	if _, err := ask[agentproto.Volume](k, agentproto.MethodVolumeStat, seed); !fault.Is(err, fault.NotFound) {
		t.Errorf("a volume that is not there: %v", err)
	}

	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "libvirt not connected",
		"/metrics": `kowabunga_kaktus_pool_ready{pool="` + poolID + `"} 1`,
	} {
		resp, err := http.Get("http://" + cfg.Listen + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s says %q, %v", path, text, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()

	// A second agent of the same directory is refused; the pools it would have swept are in use.
	if err := Run(t.Context(), cfg); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second agent: %v", err)
	}
	end()
	if text := log.String(); !strings.Contains(text, "libvirt is not reachable") || strings.Contains(text, agentKey) {
		t.Errorf("the log says:\n%s", text)
	}
}

// The last good state is in force before Kahuna is there, and pools are taken from the configuration
// that SIGHUP reads.
func TestStateSurvivesAndReloads(t *testing.T) {
	k := newKahuna(t)
	cfg := k.settings(t)
	end := run(t, cfg)
	k.push(3, agentproto.KaktusState{Pools: []agentproto.Pool{local}})
	end()

	reload := make(chan struct{}, 1)
	more := cfg
	more.Pools = map[string]string{"local": cfg.Pools["local"], "second": t.TempDir()}
	more.LogLevel = slog.LevelDebug
	broken := cfg
	broken.Listen = "0.0.0.0:80"
	read := []Config{broken, more}
	cfg.Reload, cfg.Level = reload, new(slog.LevelVar)
	log := new(memory)
	cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: cfg.Level}))
	cfg.Reread = func() (Config, error) {
		next := read[0]
		read = read[1:]
		return next, nil
	}
	k.mu.Lock()
	k.conn, k.events = nil, nil
	k.mu.Unlock()
	run(t, cfg)
	if _, hello := k.agent(); hello.Generations[agentproto.StateKaktus] != 3 {
		t.Errorf("it holds %v", hello.Generations)
	}
	second := agentproto.Pool{ID: imageID, Driver: "dir", Name: "second"}
	if status := k.push(4, agentproto.KaktusState{Pools: []agentproto.Pool{local, second}}); len(status.Problems) != 1 {
		t.Errorf("a pool without a directory: %+v", status)
	}
	reload <- struct{}{} // a configuration that is wrong changes nothing
	reload <- struct{}{} // taken when the first is done
	k.hear("the second pool", func(e agentproto.Event) bool {
		var p agentproto.PoolStatus
		return e.Type == agentproto.EventPool && json.Unmarshal(e.Body, &p) == nil && p.ID == imageID && p.Ready
	})
	if cfg.Level.Level() != slog.LevelDebug {
		t.Errorf("the log level is %v", cfg.Level)
	}
	if !strings.Contains(log.String(), "the old one stays in force") {
		t.Errorf("nobody said that the configuration was wrong:\n%s", log)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	k := newKahuna(t)
	for field, spoil := range map[string]func(*Config){
		"dir":            func(c *Config) { c.Dir = "kaktus" },
		"accel":          func(c *Config) { c.Accel = "xen" },
		"listen":         func(c *Config) { c.Listen = "0.0.0.0:9152" },
		"import.allow":   func(c *Config) { c.Import.Allow = []string{"example.com"} },
		"pools.x.path":   func(c *Config) { c.Pools = map[string]string{"x": "relative"} },
		"libvirt.socket": func(c *Config) { c.Socket = "127.0.0.1:16509" },
		"import.dirs[0]": func(c *Config) { c.Import.Dirs = []string{"relative"} },
		"consoleDir":     func(c *Config) { c.ConsoleDir = "relative" },
	} {
		cfg := k.settings(t)
		spoil(&cfg)
		if f := fault.From(Run(t.Context(), cfg)); f == nil || f.Code != fault.Invalid || f.Field != field {
			t.Errorf("%s: got %v", field, f)
		}
	}
}
