package pair

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
)

// Journal is what the driver needs of the store.
type Journal interface {
	lease.Log
	Moved() <-chan struct{}                                  // has an item when End, Making or Unwritten changed
	Unwritten() lease.Epoch                                  // in which the last records failed that somebody had from Tail or Recent
	Recent(from, to uint64, most int) ([]lease.Entry, error) // what Tail returns, as far as it is in memory
	Begin(ctx context.Context, e lease.Epoch) error
	Halt(reason error)
	Publish(index uint64)
	Tail(from, to uint64, most int) ([]lease.Entry, error) // at most so many bytes, but one record
	Append(ctx context.Context, entries []lease.Entry) error
	CutTail(ctx context.Context, to lease.Position) error
	Probe(ctx context.Context) error
	Snapshot(ctx context.Context, w io.Writer) (lease.Position, error)
	Install(ctx context.Context, path string) error // the snapshot in a file
}

// Carrier takes messages to nodes; Transport is one.
type Carrier interface {
	Send(to lease.NodeID, m any) bool
	Keep(urls []string)
	Fetch(ctx context.Context, from lease.NodeID, what string, w io.Writer, end any) error
}

// Witnesses asks agents.
type Witnesses interface {
	// Ask gives the witness' answer to a message. It fails at once when the witness is not connected.
	Ask(ctx context.Context, w lease.Witness, m lease.Message) (lease.Message, error)
}

// Role is told what this node is to do. The methods are called one after another and must not block.
type Role interface {
	Serve(e lease.Epoch)    // the right to act is there
	Stop(why string)        // it is gone, at once
	Drain()                 // take no new work, for a handoff
	Resume()                // take it again after all
	Chosen(r *lease.Record) // the newest record that this node holds
	Noted(n lease.Note)
}

// Config is what a driver is made of.
type Config struct {
	Replica   lease.Config // Log, Boot, NewLogID and Jitter are filled in
	State     lease.Durable
	Dir       string // the data directory
	Peers     []string
	Journal   Journal
	Carrier   Carrier
	Witnesses Witnesses
	Role      Role
	Secrets   func() (Secrets, error) // for a node that is being made
	Log       *slog.Logger
	Now       func() time.Duration // nil: Now
}

// How much is under way at most.
const (
	shipBytes    = 1 << 20 // of records in one message
	askAtMost    = 3 * time.Second
	asksEach     = 6 // questions to one witness without an answer
	shipsEach    = 4 // messages with records to one node that are being made
	probeAgain   = 500 * time.Millisecond
	eventsQueued = 256
)

// Driver runs a replica: one goroutine owns it.
type Driver struct {
	cfg       Config
	replica   *lease.Replica
	events    chan lease.Event
	orders    chan order
	saves     *Queue // of the voter's file
	log       *Queue // of the journal
	work      sync.WaitGroup
	ctx       context.Context // of the work that effects begin; ends with Run
	stop      context.CancelFunc
	failed    chan error
	status    atomic.Pointer[lease.Status]
	changed   atomic.Pointer[chan struct{}] // closed when status shows another role, phase, record, primary or right, or, of one that follows, another published record
	alone     atomic.Bool
	at        atomic.Int64 // when status was taken, of the boot-time clock
	durable   atomic.Pointer[lease.Durable]
	rules     atomic.Pointer[lease.Epoch] // the epoch this node is primary in
	fetches   atomic.Bool                 // a snapshot is being fetched
	unwritten lease.Epoch                 // that the replica was told of

	mu     sync.Mutex
	asking map[lease.Witness]int
	ships  map[lease.NodeID]int
	image  string // file of the snapshot that arrived
	record *lease.Record
}

// order is an event whose effect somebody waits for.
type order struct {
	event  lease.Event
	answer chan error
}

// New makes a driver. Run must be called once.
func New(c Config) *Driver {
	if c.Now == nil {
		c.Now = Now
	}
	d := &Driver{cfg: c, events: make(chan lease.Event, eventsQueued), orders: make(chan order), saves: NewQueue(), log: NewQueue(), failed: make(chan error, 1),
		asking: map[lease.Witness]int{}, ships: map[lease.NodeID]int{}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	r := &d.cfg.Replica
	r.Log, r.Boot, r.NewLogID = c.Journal, BootID(), NewLogID
	r.Jitter = func(n time.Duration) time.Duration { return rand.N(max(n, 1)) }
	for _, url := range c.Peers {
		r.Peers = append(r.Peers, lease.Address{Node: lease.NodeID(url)})
	}
	d.durable.Store(&c.State)
	d.replica = lease.New(*r, c.State, c.Now())
	d.see(c.Now())
	return d
}

// Run drives the replica until ctx ends, and then shuts it down in order. It returns early with an error
// when what must be on disk cannot be put there.
func (d *Driver) Run(ctx context.Context) error {
	defer func() {
		d.stop()
		d.saves.Close()
		d.log.Close()
		d.work.Wait()
	}()
	_ = os.Remove(filepath.Join(d.cfg.Dir, snapshotFile)) // of a process before
	d.work.Go(func() { d.saves.Run() })
	d.work.Go(func() { d.log.Run() })
	d.chosen(d.cfg.State.Voter.Record, true)
	d.step(lease.Tick{})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(max(0, d.replica.Next()-d.cfg.Now()))
		select {
		case e := <-d.events:
			d.step(e)
		case <-d.cfg.Journal.Moved():
			d.moved()
		case o := <-d.orders:
			err := d.replica.Refusal(o.event)
			if err == nil {
				d.step(o.event)
			}
			o.answer <- err
		case <-timer.C:
			d.step(lease.Tick{})
		case err := <-d.failed:
			d.step(lease.Shutdown{})
			return err
		case <-ctx.Done():
			d.leave()
			return nil
		}
	}
}

// How long a node that stops waits to be taken out of the sync set, so that the other one can go on alone.
const (
	leaveAtMost = 3 * time.Second
	leaveAgain  = 300 * time.Millisecond
)

// leave ends the replica in order.
func (d *Driver) leave() {
	timeout := time.NewTimer(leaveAtMost)
	defer timeout.Stop()
	again := time.NewTicker(leaveAgain)
	defer again.Stop()
	d.step(lease.Shutdown{})
	for {
		s := d.State()
		if r := s.Voter.Record; d.replica.Settled() && (!r.InSync(s.Log) || r.Primary == s.Node || d.Status().Primary == "") {
			return
		}
		select {
		case e := <-d.events:
			d.step(e)
		case <-d.cfg.Journal.Moved():
			d.moved()
		case <-again.C:
			d.step(lease.Shutdown{}) // the last word may have been lost
		case <-d.failed:
			return
		case <-timeout.C:
			return
		}
	}
}

// Receive takes a message of another node. It never blocks: what finds no room is lost, as on a network.
func (d *Driver) Receive(from lease.NodeID, m any) {
	switch m := m.(type) {
	case offer:
		d.fetch(from, m)
	case lease.Message:
		select {
		case d.events <- lease.Received{From: lease.Address{Node: from}, Message: m}:
		default:
		}
	}
}

// Order carries out what a person asks for, or tells why not. Faults: Conflict, Invalid; Unavailable when
// the driver is stopping.
func (d *Driver) Order(ctx context.Context, e lease.Event) error {
	o := order{e, make(chan error, 1)}
	select {
	case d.orders <- o:
		return <-o.answer
	case <-ctx.Done():
		return fault.From(ctx.Err())
	}
}

// Status is what the replica shows of itself.
func (d *Driver) Status() lease.Status {
	s := *d.status.Load()
	since := d.cfg.Now() - time.Duration(d.at.Load())
	if s.Role != "primary" {
		s.Silent += since
	}
	s.RightFor = max(0, s.RightFor-since)
	return s
}

// Await waits until the status is as asked for. Fault: Unavailable when ctx ends first.
func (d *Driver) Await(ctx context.Context, is func(lease.Status) bool) error {
	for {
		changed := d.changed.Load()
		if is(d.Status()) {
			return nil
		}
		select {
		case <-*changed:
		case <-ctx.Done():
			return fault.From(ctx.Err())
		}
	}
}

// State is what is on disk of this node, or about to be.
func (d *Driver) State() lease.Durable { return *d.durable.Load() }

// Right tells whether this node may act at this very moment: also when the goroutine that owns the
// replica was held up and has not noticed yet that its lease is over.
func (d *Driver) Right() bool {
	s := d.status.Load()
	if !s.Right || s.Sole {
		return s.Right
	}
	return d.cfg.Now() < time.Duration(d.at.Load())+s.RightFor
}

// Alone tells whether this node may act, and is the only one there is: nothing can take the right away.
func (d *Driver) Alone() bool { return d.alone.Load() }

func (d *Driver) step(e lease.Event) {
	now := d.cfg.Now()
	for _, effect := range d.replica.Step(now, e) {
		d.do(effect)
	}
	d.chosen(d.see(now).Record, false)
}

// moved tells the replica of a primary what became of its log. One that follows hears of each Write.
func (d *Driver) moved() {
	if d.rules.Load() == nil {
		return
	}
	if e := d.cfg.Journal.Unwritten(); e != d.unwritten {
		d.unwritten = e
		d.step(lease.Unwritten{Epoch: e})
	}
	d.step(lease.Grown{})
}

func (d *Driver) see(now time.Duration) *lease.Status {
	s := d.replica.Status(now)
	d.at.Store(int64(now))
	d.alone.Store(s.Right && s.Sole && len(s.Record.Nodes) == 1 && len(s.Pending) == 0)
	old := d.status.Swap(&s)
	if old == nil || old.Role != s.Role || old.Phase != s.Phase || old.Record != s.Record || old.Primary != s.Primary || old.Right != s.Right || s.Role != "primary" && old.Published != s.Published {
		next := make(chan struct{})
		if before := d.changed.Swap(&next); before != nil {
			close(*before)
		}
	}
	return &s
}

// chosen keeps connections to the nodes of the newest record.
func (d *Driver) chosen(r *lease.Record, first bool) {
	if r == d.record && !first {
		return
	}
	d.record = r
	self := d.State().Node
	urls := append([]string(nil), d.cfg.Peers...)
	if _, named := r.Node(self); named {
		urls = nil
	}
	if r != nil {
		for _, n := range r.Nodes {
			if n.ID != self && n.Address != "" {
				urls = append(urls, n.Address)
			}
		}
	}
	d.cfg.Carrier.Keep(urls)
	d.cfg.Role.Chosen(r)
}

// tell delivers an event that must not be lost.
func (d *Driver) tell(e lease.Event) {
	select {
	case d.events <- e:
	case <-d.ctx.Done():
	}
}

func (d *Driver) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}
