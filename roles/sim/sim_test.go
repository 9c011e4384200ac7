package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
	"kowabunga/roles/kahuna/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	host     = "aaaaaaaaaaaaaaaaaaaaaaaa"
	pool     = "cccccccccccccccccccccccc"
	vm       = "dddddddddddddddddddddddd"
	patience = time.Minute
)

// anyKey gives every agent the key "k".
type anyKey struct {
	once sync.Once
	cred link.Credential
}

var _ link.Credentials = (*anyKey)(nil)

func (a *anyKey) Lookup(id string) (link.Credential, bool) {
	a.once.Do(func() { a.cred = link.Derive("k", make([]byte, link.SaltSize), link.Iterations) })
	c := a.cred
	c.Kind = agentproto.Kaktus
	if strings.HasPrefix(id, "b") {
		c.Kind = agentproto.Kiwi
	}
	return c, true
}

// kahuna is a fleet behind TLS.
func kahuna(t testing.TB, c fleet.Config) (f *fleet.Fleet, url, ca string) {
	t.Helper()
	c.Credentials = &anyKey{}
	c.Epoch = func() agentproto.Epoch { return agentproto.Epoch{Counter: 1} }
	f = fleet.New(c)
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return f, server.URL, ca
}

// watched is a writer that tells what was written.
type watched struct{ lines chan string }

func (w watched) Write(p []byte) (int, error) { w.lines <- string(p); return len(p), nil }

// TestCommand is what a script sees: "connected N", the control address, SIGHUP without effect, an
// orderly end.
func TestCommand(t *testing.T) {
	_, url, ca := kahuna(t, fleet.Config{})
	spare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctl := spare.Addr().String()
	spare.Close()
	out := watched{make(chan string, 10)}
	cmd := Command()
	cmd.SetArgs([]string{"agents", "--url", url, "--ca", ca, "--ctl", ctl, "--threads", "8", "--memory", "16GiB", "--pool-capacity", "1TiB", "--fail", "volume.create:1",
		"Kaktus:" + host + ":" + keyFile(t, "k"), "Kiwi:bbbbbbbbbbbbbbbbbbbbbbbb:" + keyFile(t, "k")})
	cmd.SetOut(out)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	select {
	case line := <-out.lines:
		if line != "connected 2\n" {
			t.Fatalf("printed %q", line)
		}
	case err := <-done:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("never connected")
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var state map[string][]Held
	get(t, "http://"+ctl+"/state", &state)
	if len(state["Kaktus"]) != 1 || len(state["Kiwi"]) != 1 || !state["Kaktus"][0].Connected || state["Kaktus"][0].Inventory.Caps.Threads != 8 || state["Kaktus"][0].Inventory.Caps.Memory != 16<<30 {
		t.Errorf("/state is %+v", state)
	}
	var calls []CallRecord
	get(t, "http://"+ctl+"/calls", &calls)
	if calls == nil {
		t.Error("/calls is no list")
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("does not end")
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// keyFile is a file with a key.
func keyFile(t *testing.T, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key:of:an:agent")
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArguments(t *testing.T) {
	key := keyFile(t, "k:with:colons")
	open := keyFile(t, "k")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ arg, fail, memory, why string }{
		{"Kaktus:" + host, "", "1GiB", "KIND:ID:KEYFILE"},
		{"Kontroller:" + host + ":" + key, "", "1GiB", "neither"},
		{"Kaktus:" + host + ":" + key, "volume.create", "1GiB", "METHOD:N"},
		{"Kaktus:" + host + ":" + key, "", "1 parsec", "memory"},
		{"Kaktus:" + host + ":" + open, "", "1GiB", "may be read by everybody"},
		{"Kaktus:" + host + ":/nowhere", "", "1GiB", "/nowhere does not exist"},
		{"Kaktus:" + host + ":-", "", "1GiB", "argument 1"}, // there is nothing at standard input
		{"Kaktus:" + host + ":" + key, "volume.create:3", "1GiB", ""},
	} {
		var fail []string
		if c.fail != "" {
			fail = append(fail, c.fail)
		}
		got, err := parseAgents([]string{c.arg}, fail, c.memory, "1TiB", Config{}, strings.NewReader(""))
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (got[0].Key != "k:with:colons" || got[0].Fail["volume.create"] != 3 || got[0].Memory != 1<<30) {
			t.Errorf("%+v", got[0])
		}
	}
}

// TestLifeOfAMachine through the real fleet, every method twice: doing what is done is the same again.
func TestLifeOfAMachine(t *testing.T) {
	events := make(chan agentproto.MachineStatus, 100)
	settled := make(chan agentproto.Status, 100)
	f, url, ca := kahuna(t, fleet.Config{
		OnEvent: func(_ string, e agentproto.Event) {
			var st agentproto.MachineStatus
			if e.Type == agentproto.EventMachine && json.Unmarshal(e.Body, &st) == nil {
				events <- st
			}
		},
		OnStatus: func(_ string, st agentproto.Status) { settled <- st },
	})
	k, err := NewKaktus(Config{URL: url, CAFile: ca, ID: host, Key: "k", PoolCapacity: 100 << 30})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	body, _ := json.Marshal(agentproto.KaktusState{Bridges: []agentproto.Bridge{{Name: "kb0"}}, Pools: []agentproto.Pool{{ID: pool, Driver: "dir", Name: "p"}}})
	f.Push(host, agentproto.State{Name: agentproto.StateKaktus, Generation: 1, Body: body})
	if st := <-settled; !st.Applied {
		t.Fatalf("%+v", st)
	}
	n := 0
	ask := func(method string, args, result any) error {
		n++
		return f.Call(t.Context(), []string{host}, method, fleet.CallOptions{Request: fmt.Sprint("r", n), Timeout: patience}, args, result)
	}
	twice := func(method string, args any) {
		t.Helper()
		var first, second json.RawMessage
		if err := ask(method, args, &first); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if err := ask(method, args, &second); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s again: %s, %s, %v", method, first, second, err)
		}
	}
	refused := func(method string, args any, code fault.Code) {
		t.Helper()
		if err := ask(method, args, nil); !fault.Is(err, code) {
			t.Errorf("%s: %v, want %s", method, err, code)
		}
	}
	image := agentproto.ImageRef{Pool: pool, Image: "eeeeeeeeeeeeeeeeeeeeeeee"}
	disk := agentproto.VolumeRef{Pool: pool, Volume: "ffffffffffffffffffffffff"}
	seed := agentproto.VolumeRef{Pool: pool, Volume: vm}
	def := agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: vm}, Name: "web", VCPUs: 2, Memory: 1 << 30, Disks: []agentproto.Disk{{VolumeRef: disk}}, Seed: &seed, NICs: []agentproto.NIC{{Bridge: "kb0"}}}
	power := func(p agentproto.Power) agentproto.MachinePower {
		return agentproto.MachinePower{MachineRef: def.MachineRef, Action: p}
	}

	refused(agentproto.MethodVolumeCreate, agentproto.VolumeCreate{VolumeRef: disk, Size: 2 << 30, Image: image.Image}, fault.NotFound)
	twice(agentproto.MethodImageImport, agentproto.ImageImport{ImageRef: image, Source: "https://images.example.org/debian.qcow2"})
	twice(agentproto.MethodVolumeCreate, agentproto.VolumeCreate{VolumeRef: disk, Size: 2 << 30, Image: image.Image})
	refused(agentproto.MethodVolumeCreate, agentproto.VolumeCreate{VolumeRef: agentproto.VolumeRef{Pool: pool, Volume: "x"}, Size: 1 << 40}, fault.Exhausted)
	refused(agentproto.MethodVolumeCreate, agentproto.VolumeCreate{VolumeRef: agentproto.VolumeRef{Pool: "elsewhere", Volume: "x"}, Size: 1}, fault.Unavailable)
	refused(agentproto.MethodImageDelete, image, fault.Conflict)
	refused(agentproto.MethodMachineDefine, def, fault.NotFound) // its seed is missing
	twice(agentproto.MethodSeedWrite, agentproto.Seed{VolumeRef: seed, UserData: "secret"})
	twice(agentproto.MethodMachineDefine, def)
	twice(agentproto.MethodMachinePower, power(agentproto.PowerStart))
	if st := <-events; st.State != agentproto.StateRunning || st.Machine != vm {
		t.Errorf("event %+v", st)
	}
	refused(agentproto.MethodVolumeDelete, disk, fault.Conflict)
	twice(agentproto.MethodVolumeResize, agentproto.VolumeResize{VolumeRef: disk, Size: 3 << 30, Machine: vm})
	refused(agentproto.MethodVolumeResize, agentproto.VolumeResize{VolumeRef: disk, Size: 1 << 30}, fault.Invalid)
	var output agentproto.MachineOutput
	if err := ask(agentproto.MethodMachineConsole, agentproto.MachineConsole{MachineRef: def.MachineRef, Offset: -7}, &output); err != nil || string(output.Data) != "login: " {
		t.Errorf("console %q, %v", output.Data, err)
	}
	k.Crash(vm)
	if st := <-events; st.State != agentproto.StateCrashed {
		t.Errorf("event %+v", st)
	}
	twice(agentproto.MethodMachinePower, power(agentproto.PowerStop))
	twice(agentproto.MethodMachineDelete, def.MachineRef)
	twice(agentproto.MethodVolumeDelete, disk)
	twice(agentproto.MethodSeedDelete, seed)
	twice(agentproto.MethodImageDelete, image)
	if inv := k.Inventory(); len(inv.Machines)+len(inv.Volumes)+len(inv.Seeds)+len(inv.Images) != 0 || inv.Pools[0].Available != 100<<30 {
		t.Errorf("left behind: %+v", inv)
	}
	for _, c := range k.Calls() {
		if strings.Contains(string(c.Args), "secret") {
			t.Error("a configuration disk is in the list of calls")
		}
	}
	k.Fail(agentproto.MethodVolumeStat, 1)
	refused(agentproto.MethodVolumeStat, disk, fault.Unavailable)
	refused(agentproto.MethodVolumeStat, disk, fault.NotFound)
}

// BenchmarkThousandAgents connects 1,000 agents over TLS in this process, both ends, and reports the
// memory of one and the time of a call to each.
func BenchmarkThousandAgents(b *testing.B) {
	const count = 1000
	f, url, ca := kahuna(b, fleet.Config{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(b.Context())
	var configs []Config
	ids := make([]string, count)
	for i := range count {
		ids[i] = fmt.Sprintf("%024x", i)
		configs = append(configs, Config{URL: url, CAFile: ca, Kind: agentproto.Kaktus, ID: ids[i], Key: "k"})
	}
	out := watched{make(chan string, 1)}
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- Run(ctx, configs, "", out, slog.New(slog.DiscardHandler)) }()
	<-out.lines
	connecting := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	goroutines := runtime.NumGoroutine()
	i := 0
	for b.Loop() {
		if err := f.Call(ctx, ids[i%count:i%count+1], agentproto.MethodInventory, fleet.CallOptions{}, agentproto.Empty{}, nil); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.StopTimer()
	b.ReportMetric(connecting.Seconds(), "s-to-connect") // here, because the loop clears what came before
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/count/1024, "KiB/agent")
	b.ReportMetric(float64(goroutines)/count, "goroutines/agent")
	cancel()
	<-done
}
