package sim

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent"
)

// Config describes one simulated agent. Zero values get those of a small host.
type Config struct {
	URL    string
	CAFile string
	Kind   agentproto.Kind // Kaktus when empty; a Kiwi has no methods, and holds its desired state
	ID     string
	Key    string

	Threads      int64          // of the pretended host; 0: 32
	Memory       int64          // bytes; 0: 128 GiB
	PoolCapacity int64          // bytes of each pool; 0: 4 TiB
	Latency      time.Duration  // of every method but the inventory
	Fail         map[string]int // by method: how many calls fail as Unavailable, each before it does anything

	NoServices   bool     // a Kaktus that runs no gateways and load balancers, as the first releases did
	Obeyed       *Journal // takes what is obeyed; nil for none
	StateDir     string   // empty: the agent forgets epochs and states at its end
	Keep         string   // directory for what the host holds; empty: nothing survives a restart
	Release      string
	Backoff      agent.Backoff
	Drain        time.Duration
	Log          *slog.Logger
	OnConnect    func(agentproto.Welcome)
	OnDisconnect func(error)
}

// CallRecord is one call that arrived.
type CallRecord struct {
	Agent   string          `json:"agent"`
	Method  string          `json:"method"`
	Request string          `json:"request"`
	Trace   string          `json:"trace,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Error   string          `json:"error,omitempty"` // code of the fault, if it failed
}

// keptCalls is how many calls one agent remembers.
const keptCalls = 1000

// Kaktus is one simulated agent. Its methods are safe for concurrent use.
type Kaktus struct {
	*agent.Agent
	cfg     Config
	network *network

	mu       sync.Mutex
	state    agentproto.KaktusState
	images   map[agentproto.ImageRef]agentproto.Image
	volumes  map[agentproto.VolumeRef]volume
	seeds    map[agentproto.VolumeRef]agentproto.Seed
	shares   map[agentproto.ShareRef]*share
	machines map[string]*machine
	fail     map[string]int
	calls    []CallRecord
}

type volume struct {
	agentproto.Volume
	image string
}

// NewKaktus makes an agent; Run it to connect.
func NewKaktus(c Config) (*Kaktus, error) {
	if c.Kind == "" {
		c.Kind = agentproto.Kaktus
	}
	if c.Threads == 0 {
		c.Threads = 32
	}
	if c.Memory == 0 {
		c.Memory = 128 << 30
	}
	if c.PoolCapacity == 0 {
		c.PoolCapacity = 4 << 40
	}
	k := &Kaktus{
		cfg: c, network: newNetwork(), images: map[agentproto.ImageRef]agentproto.Image{}, volumes: map[agentproto.VolumeRef]volume{},
		seeds: map[agentproto.VolumeRef]agentproto.Seed{}, shares: map[agentproto.ShareRef]*share{}, machines: map[string]*machine{}, fail: map[string]int{},
	}
	for method, n := range c.Fail {
		k.fail[method] = n
	}
	if err := k.recall(); err != nil {
		return nil, err
	}
	config := agent.Config{
		URL: c.URL, ID: c.ID, Kind: c.Kind, CAFile: c.CAFile, StateDir: c.StateDir, Release: c.Release, Backoff: c.Backoff, Drain: c.Drain, Log: c.Log,
		Key:       func() (string, error) { return c.Key, nil },
		OnConnect: c.OnConnect, OnDisconnect: c.OnDisconnect,
	}
	if c.Kind == agentproto.Kiwi {
		config.States = map[string]agent.Applier{agentproto.StateKiwi: routes{k.network}}
	}
	if c.Kind == agentproto.Kaktus {
		config.Features = []string{agentproto.FeatureConsoleLogging}
		config.Methods = k.methods()
		config.Lanes = map[string]int{"image": 2, "machine": 16, "disk": 16}
		config.States = map[string]agent.Applier{agentproto.StateKaktus: applier{k}}
		if !c.NoServices {
			config.Features = append(config.Features, agentproto.FeatureServices)
			config.States[agentproto.StateServices] = runs{k.network}
		}
	}
	for name, a := range config.States {
		config.States[name] = written{k, a}
	}
	var err error
	k.Agent, err = agent.New(config)
	return k, err
}

func (k *Kaktus) methods() agent.Methods {
	return agent.Methods{
		agentproto.MethodInventory:      answer(k, "", k.inventory),
		agentproto.MethodImageImport:    answer(k, "image", k.importImage),
		agentproto.MethodImageDelete:    answer(k, "image", k.deleteImage),
		agentproto.MethodVolumeCreate:   answer(k, "disk", k.createVolume),
		agentproto.MethodVolumeResize:   answer(k, "disk", k.resizeVolume),
		agentproto.MethodVolumeDelete:   answer(k, "disk", k.deleteVolume),
		agentproto.MethodVolumeStat:     answer(k, "", k.statVolume),
		agentproto.MethodSeedWrite:      answer(k, "disk", k.writeSeed),
		agentproto.MethodSeedDelete:     answer(k, "disk", k.deleteSeed),
		agentproto.MethodMachineDefine:  answer(k, "machine", k.defineMachine),
		agentproto.MethodMachineDelete:  answer(k, "machine", k.deleteMachine),
		agentproto.MethodMachinePower:   answer(k, "machine", k.powerMachine),
		agentproto.MethodMachineState:   answer(k, "", k.machineState),
		agentproto.MethodMachineConnect: answer(k, "machine", k.connect),
		agentproto.MethodMachineConsole: answer(k, "", k.console),
		agentproto.MethodShareCreate:    answer(k, "disk", k.createShare),
		agentproto.MethodShareUpdate:    answer(k, "disk", k.updateShare),
		agentproto.MethodShareDelete:    answer(k, "disk", k.deleteShare),
		agentproto.MethodShareUsage:     answer(k, "", k.shareUsage),
	}
}

// answer wraps a method: it is recorded, may have to fail, and takes its time.
func answer[A, R any](k *Kaktus, lane string, do func(ctx context.Context, call *agent.Call, args A) (R, error)) agent.Method {
	typed := agent.Handle(do)
	return agent.Method{Lane: lane, Handle: func(ctx context.Context, call *agent.Call) (result any, err error) {
		defer func() { k.record(call, err) }()
		if err := k.cfg.Obeyed.obey(Obeyed{Agent: k.cfg.ID, Method: call.Method, Request: call.Request, Epoch: call.Epoch}); err != nil {
			return nil, err
		}
		if k.mustFail(call.Method) {
			return nil, fault.New(fault.Unavailable, "the simulation was told to fail %s", call.Method)
		}
		if lane != "" {
			if err := sleep(ctx, k.cfg.Latency); err != nil {
				return nil, err
			}
		}
		if result, err = typed(ctx, call); err != nil || lane == "" {
			return result, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		return result, k.save()
	}}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *Kaktus) mustFail(method string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail[method] <= 0 {
		return false
	}
	k.fail[method]--
	return true
}

// record keeps what was asked; configuration disks may hold secrets and are left out.
func (k *Kaktus) record(call *agent.Call, err error) {
	r := CallRecord{Agent: k.cfg.ID, Method: call.Method, Request: call.Request, Trace: call.Trace, Args: call.Args}
	if call.Method == agentproto.MethodSeedWrite {
		r.Args = nil
	}
	if err != nil {
		r.Error = string(fault.CodeOf(err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.calls = append(k.calls, r); len(k.calls) > keptCalls {
		k.calls = slices.Clone(k.calls[len(k.calls)-keptCalls:])
	}
}

// Calls are the last calls that arrived, oldest first.
func (k *Kaktus) Calls() []CallRecord {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

// Fail makes the next n calls of a method fail as Unavailable.
func (k *Kaktus) Fail(method string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail[method] = n
}

// written writes down the desired states that an applier is given.
type written struct {
	k *Kaktus
	agent.Applier
}

// Apply implements agent.Applier.
func (w written) Apply(ctx context.Context, st agentproto.State) ([]string, error) {
	if err := w.k.cfg.Obeyed.obey(Obeyed{Agent: w.k.cfg.ID, Method: "state " + st.Name, Epoch: st.Epoch, Generation: st.Generation}); err != nil {
		return nil, err
	}
	return w.Applier.Apply(ctx, st)
}

// applier takes the Kaktus' desired state. Bridges and pools exist as soon as they are named.
type applier struct{ k *Kaktus }

var _ agent.Applier = applier{}

// Apply implements agent.Applier. What is in use and not named any more is an orphan.
func (a applier) Apply(_ context.Context, st agentproto.State) ([]string, error) {
	var want agentproto.KaktusState
	if err := json.Unmarshal(st.Body, &want); err != nil {
		return nil, &fault.Error{Code: fault.Malformed, Op: "apply the desired state", Message: "the body is no Kaktus state", Err: err}
	}
	a.k.mu.Lock()
	var orphans []string
	for _, p := range a.k.state.Pools {
		if a.k.poolUsed(p.ID) && !slices.ContainsFunc(want.Pools, func(w agentproto.Pool) bool { return w.ID == p.ID }) {
			orphans = append(orphans, "pool "+p.ID+" is not declared any more but holds disks; it is left alone")
			want.Pools = append(want.Pools, p)
		}
	}
	a.k.state = want
	pools := a.k.pools()
	err := a.k.save()
	a.k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, p := range pools {
		a.k.Event(agentproto.EventPool, p.ID, p)
	}
	return orphans, nil
}

// Inventory is everything the agent holds.
func (k *Kaktus) Inventory() agentproto.Inventory {
	k.mu.Lock()
	defer k.mu.Unlock()
	inv := agentproto.Inventory{
		Caps:  agentproto.Caps{Arch: "x86_64", Vendor: "Kowabunga", Model: "simulated", Sockets: 1, Cores: max(1, k.cfg.Threads/2), Threads: k.cfg.Threads, Memory: k.cfg.Memory, Accel: "tcg"},
		Pools: k.pools(), Machines: []agentproto.MachineStatus{}, Images: []agentproto.Image{}, Volumes: []agentproto.Volume{}, Seeds: []agentproto.VolumeRef{}, Shares: k.shareList(), Bridges: []string{},
		Cards: map[string][]agentproto.NIC{},
	}
	for _, id := range sorted(k.machines) {
		inv.Machines = append(inv.Machines, k.machines[id].status())
		inv.Cards[id] = k.machines[id].NICs
	}
	for _, i := range k.images {
		inv.Images = append(inv.Images, i)
	}
	for _, v := range k.volumes {
		inv.Volumes = append(inv.Volumes, v.Volume)
	}
	for ref := range k.seeds {
		inv.Seeds = append(inv.Seeds, ref)
	}
	for _, b := range k.state.Bridges {
		inv.Bridges = append(inv.Bridges, b.Name)
	}
	slices.SortFunc(inv.Images, func(a, b agentproto.Image) int { return compare(a.Pool, b.Pool, a.Image, b.Image) })
	slices.SortFunc(inv.Volumes, func(a, b agentproto.Volume) int {
		return compare(a.Pool, b.Pool, a.VolumeRef.Volume, b.VolumeRef.Volume)
	})
	slices.SortFunc(inv.Seeds, func(a, b agentproto.VolumeRef) int { return compare(a.Pool, b.Pool, a.Volume, b.Volume) })
	return inv
}

func (k *Kaktus) inventory(context.Context, *agent.Call, agentproto.Empty) (agentproto.Inventory, error) {
	return k.Inventory(), nil
}
