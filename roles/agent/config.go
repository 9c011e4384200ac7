package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
)

// Config says who an agent is and what it can do.
type Config struct {
	URL      string // https://HOST[:PORT][/PREFIX], several separated by commas; plain http only to this machine
	ID       string // id of the agent resource
	Kind     agentproto.Kind
	KeyFile  string                 // read at every dial, so that a new key needs no restart
	Key      func() (string, error) // instead of KeyFile
	CAFile   string                 // PEM; empty: the system's certificates
	StateDir string                 // empty: nothing survives a restart, for simulations only
	Release  string
	Features []string

	Methods Methods
	Lanes   map[string]int     // slots of each lane; 8 where not given
	States  map[string]Applier // by name of the desired state

	EndGrace    time.Duration // for work of an older epoch to end by itself; 0: 3 s
	EndPatience time.Duration // for it to end once called off; 0: 15 s

	Drain   time.Duration // for running calls at shutdown; 0: 10 s
	Backoff Backoff
	Log     *slog.Logger

	OnConnect    func(agentproto.Welcome) // after the welcome; must not wait
	OnDisconnect func(error)              // with the reason; must not wait

	flaws lease.Flaws // for tests of tests
}

// Backoff is how an agent waits between attempts: a random part of a bound that doubles from Least to
// Most ("full jitter"), so that a thousand agents do not come back in step.
type Backoff struct {
	Least  time.Duration                        // 0: 1 s
	Most   time.Duration                        // 0: 60 s
	Stable time.Duration                        // a connection that lasted so long starts afresh; 0: 30 s
	Rand   func() float64                       // in [0,1); nil: math/rand
	After  func(time.Duration) <-chan time.Time // nil: time.After
}

func (b Backoff) withDefaults() Backoff {
	if b.Least == 0 {
		b.Least = time.Second
	}
	if b.Most == 0 {
		b.Most = time.Minute
	}
	if b.Stable == 0 {
		b.Stable = 30 * time.Second
	}
	if b.Rand == nil {
		b.Rand = mathrand.Float64
	}
	if b.After == nil {
		b.After = time.After
	}
	return b
}

// Delay is the wait before the next attempt after so many failures in a row.
func (b Backoff) Delay(failures int) time.Duration {
	bound := b.Most
	if failures < 30 {
		bound = min(b.Most, b.Least<<failures)
	}
	return time.Duration(b.Rand() * float64(bound))
}

// slow is the wait when trying again soon is pointless: between half of Most and Most.
func (b Backoff) slow() time.Duration {
	return b.Most/2 + time.Duration(b.Rand()*float64(b.Most/2))
}

// Agent is one agent. Make it with New, then Run it; Event and Call may be used as soon as it exists.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	disk     keeper
	identity string

	work    context.Context // of all calls; ends when the drain is over
	endWork context.CancelCauseFunc
	replies *replies
	lanes   lanes
	states  *states
	events  *events
	tasks   sync.WaitGroup // goroutines of the agent itself, not of calls

	kahunas   *kahunas
	obedience *obedience
	obeyed    atomic.Pointer[agentproto.Epoch] // what is on disk
	witness   *witness
	steps     *ledger // nil: steps are remembered by replies alone
	counters  counters
}

var _ Reporter = (*Agent)(nil)

// New checks the configuration, opens the state directory (mode 0700, locked against a second agent)
// and reads what it holds: identity, obeyed epoch, last good states.
func New(c Config) (*Agent, error) {
	urls, err := Addresses(c.URL)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "configure the agent")
	}
	if _, _, ok := agentproto.ParseUserName(agentproto.UserName(c.Kind, c.ID)); !ok {
		return nil, fault.Bad("id", "agent id %q of kind %q is not usable; take both from Kahuna", c.ID, c.Kind)
	}
	if c.Key == nil {
		file := c.KeyFile
		c.Key = func() (string, error) { return readKey(file) }
	}
	if c.EndGrace == 0 {
		c.EndGrace = endGrace
	}
	if c.EndPatience == 0 {
		c.EndPatience = endPatience
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Backoff = c.Backoff.withDefaults()
	disk, err := openKeeper(c.StateDir)
	if err != nil {
		return nil, err
	}
	a := &Agent{cfg: c, log: c.Log.With("agent", c.ID), disk: disk, replies: newReplies(), events: newEvents()}
	a.work, a.endWork = context.WithCancelCause(context.Background())
	a.lanes = newLanes(c.Lanes)
	if err := a.load(urls); err != nil {
		disk.close()
		return nil, err
	}
	return a, nil
}

// load reads the state directory; a new one, and one that lost something, gets an identity.
func (a *Agent) load(urls []string) error {
	kept, err := a.disk.recall(newID)
	if err != nil {
		return err
	}
	if kept.lost != "" {
		a.log.Error("the agent has a new identity and obeys nobody until Kahuna admits it", "why", kept.lost)
	}
	a.identity = kept.identity
	a.obeyed.Store(&kept.obeyed.Obeyed.Epoch)
	a.kahunas = newKahunas(urls, a.disk)
	a.obedience, a.witness = newObedience(a, kept), newWitness(a, kept)
	file, missing, err := a.disk.ledger()
	if err != nil {
		return err
	}
	a.steps = newLedger(file, missing, a.cfg.flaws, a.log)
	a.states, err = loadStates(a.disk, a.cfg.States, a.log)
	return err
}

// Identity is the random id of the state directory; a re-imaged host has another.
func (a *Agent) Identity() string { return a.identity }

// Obeyed is the highest epoch the agent ever obeyed.
func (a *Agent) Obeyed() agentproto.Epoch { return *a.obeyed.Load() }

// Connected reports whether the agent is connected to, and welcomed by, the Kahuna it obeys.
func (a *Agent) Connected() bool { return a.primary() != nil }

// hello is what the agent says of itself on a new connection.
func (a *Agent) hello() agentproto.Hello {
	h := agentproto.Hello{
		Protocol: agentproto.Version, Release: a.cfg.Release, Kind: a.cfg.Kind, Agent: a.cfg.ID,
		Identity: a.identity, Session: newID(), BootID: bootID(), Features: append(slices.Clone(a.cfg.Features), agentproto.FeatureLease), Obeyed: a.Obeyed(),
		Blank: a.obedience.blank(), Durable: a.disk.durable(),
	}
	if a.steps != nil {
		h.Features = append(h.Features, agentproto.FeatureLedger)
	}
	for name := range a.cfg.Methods {
		h.Methods = append(h.Methods, name)
	}
	if release.Feature != "" {
		h.Features = append(h.Features, release.Feature)
	}
	slices.Sort(h.Methods)
	h.Generations, h.Epochs = a.states.held()
	return h
}

// obey checks the epoch of a command of a Kahuna that sends no certificates. A higher one is on disk
// before it is obeyed.
func (a *Agent) obey(e agentproto.Epoch) error { return a.obedience.uncertified(e) }

// learnFrom keeps the list of the Kahuna that won an epoch, unless one of that epoch is kept.
func (a *Agent) learnFrom(e agentproto.Epoch) {
	if a.kahunas.last().Epoch.Compare(e) >= 0 {
		return
	}
	for _, s := range a.kahunas.live() {
		if s.leased && s.node == e.Node {
			a.learn(agentproto.KahunaList{Epoch: e, Kahunas: s.kahunas})
		}
	}
}

// learn keeps a list of Kahunas.
func (a *Agent) learn(list agentproto.KahunaList) {
	a.kahunas.hear(list)
	a.keepKahunas()
}

func (a *Agent) keepKahunas() {
	if err := a.kahunas.keep(); err != nil {
		a.log.Error("the list of Kahunas cannot be kept", "error", err)
	}
}

func readKey(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", &fault.Error{Code: fault.Invalid, Op: "read the agent's key", Field: "key-file", Message: "cannot read " + file + "; put the key that Kahuna showed there", Err: err}
	}
	key := strings.TrimSpace(string(data))
	if key == "" {
		return "", fault.Bad("key-file", "%s is empty; put the key that Kahuna showed there", file)
	}
	return key, nil
}

// newID draws 128 random bits as 32 hex digits.
func newID() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// bootID is the kernel's id of this boot (proc(5), random/boot_id); empty where there is none.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
