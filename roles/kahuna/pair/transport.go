package pair

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/release"
	"kowabunga/roles/agent/link"
)

// Path is where a node takes the other's connections.
const Path = "/pair"

// How connections between nodes live.
const (
	idlePing   = 2 * time.Second        // something is sent at least this often
	silence    = 9 * time.Second        // a connection on which nothing comes for so long is given up
	stall      = 5 * time.Second        // one on which a piece is not taken for so long, too
	queueBytes = 16 << 20               // waiting to be written; what does not fit is dropped
	queueMost  = 256                    // messages, likewise
	lastWords  = 300 * time.Millisecond // for what is queued when the transport is closed
	firstRetry = 200 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Version is the version of what nodes say to each other. Nodes one apart understand each other: what the
// older does not know it passes over.
const Version = 1 + release.Ahead

// What a connection is for.
const (
	forMessages  = "messages"
	forSnapshots = "snapshot"
	forSecrets   = "secrets"
)

// greeting is the first message each way.
type greeting struct {
	Node    lease.Node `json:"node"`
	Release string     `json:"release"`
	Version int        `json:"version"` // of what nodes say to each other
	For     string     `json:"for"`
	Boot    string     `json:"boot,omitempty"` // boot id of its host
	Refused string     `json:"refused,omitempty"`
}

// TransportConfig is what a transport is made of.
type TransportConfig struct {
	Self    func() lease.Node
	Release string
	Key     string
	Roots   *x509.CertPool
	Log     *slog.Logger
	// Receive takes a message of a node; it must not block.
	Receive func(from lease.NodeID, m any)
	// Bulk answers a connection for snapshots or secrets, and returns when it is done with it.
	Bulk func(ctx context.Context, what string, p *link.Pipe) error
}

// Transport carries messages between nodes. It keeps a connection to every address it is told of; a
// message that cannot be sent at once is dropped.
type Transport struct {
	cfg  TransportConfig
	door *link.Door
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup
	rest func(context.Context, time.Duration) // between two attempts to connect

	mu      sync.Mutex
	conns   []*conn // newest last
	heard   map[lease.NodeID]Heard
	keeping map[string]context.CancelFunc
	closed  bool

	moved map[string]*traffic // by what for; not changed
}

// NewTransport makes a transport without connections.
func NewTransport(c TransportConfig) *Transport {
	t := &Transport{cfg: c, door: link.NewDoor(c.Key), rest: sleep, heard: map[lease.NodeID]Heard{}, keeping: map[string]context.CancelFunc{},
		moved: map[string]*traffic{forMessages: {}, forSnapshots: {}}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Close ends all connections and waits for their goroutines.
func (t *Transport) Close() {
	t.mu.Lock()
	t.closed = true
	conns := slices.Clone(t.conns)
	t.mu.Unlock()
	patience := time.After(lastWords)
	for _, c := range conns {
		select {
		case <-c.drained():
		case <-c.done:
		case <-patience:
		}
	}
	t.stop()
	for _, c := range conns {
		c.end()
	}
	t.work.Wait()
}

// Keep says which addresses a connection is to be kept to. The others are left alone once they end.
func (t *Transport) Keep(urls []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for url, stop := range t.keeping {
		if !slices.Contains(urls, url) {
			stop()
			delete(t.keeping, url)
		}
	}
	for _, url := range urls {
		if _, ok := t.keeping[url]; ok || url == "" {
			continue
		}
		ctx, stop := context.WithCancel(t.ctx)
		t.keeping[url] = stop
		t.work.Go(func() { t.keep(ctx, url) })
	}
}

// Send sends a message to a node, or to whoever is at an address. It tells whether there was a
// connection with room; arrival is never certain.
func (t *Transport) Send(to lease.NodeID, m any) bool {
	raw, err := encode(m)
	if err != nil {
		t.cfg.Log.Error("a message for the other node cannot be made", "error", err)
		return false
	}
	c := t.find(to)
	return c != nil && c.push(raw)
}

// Reaches tells whether there is a connection to a node or an address.
func (t *Transport) Reaches(to lease.NodeID) bool { return t.find(to) != nil }

// AddressOf is where a connected node says it is reached, empty when it is not connected.
func (t *Transport) AddressOf(node lease.NodeID) string {
	if c := t.find(node); c != nil {
		if c.peer.Node.Address != "" {
			return c.peer.Node.Address
		}
		return c.url
	}
	return ""
}

// Nodes are those that are connected.
func (t *Transport) Nodes() []lease.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []lease.Node
	for _, c := range t.conns {
		if !slices.ContainsFunc(out, func(n lease.Node) bool { return n.ID == c.peer.Node.ID }) {
			out = append(out, c.peer.Node)
		}
	}
	return out
}

// Boots are the boot ids of the hosts of the nodes that are connected.
func (t *Transport) Boots() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, c := range t.conns {
		if c.peer.Boot != "" {
			out = append(out, c.peer.Boot)
		}
	}
	return out
}

func (t *Transport) find(to lease.NodeID) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range slices.Backward(t.conns) {
		if c.peer.Node.ID == to || isURL(to) && (c.url == string(to) || c.peer.Node.Address == string(to)) {
			return c
		}
	}
	return nil
}

// isURL tells the address of a node that is not known yet from the name of one.
func isURL(to lease.NodeID) bool { return strings.Contains(string(to), "://") }

// keep dials an address whenever there is no connection to whoever is there.
func (t *Transport) keep(ctx context.Context, url string) {
	pause, told := firstRetry, ""
	for ctx.Err() == nil {
		if c := t.find(lease.NodeID(url)); c != nil {
			select {
			case <-c.done:
			case <-ctx.Done():
			}
			continue
		}
		p, peer, err := t.dial(ctx, url, forMessages)
		if err == nil {
			began := time.Now()
			t.serve(&conn{url: url, peer: peer, pipe: p})
			if time.Since(began) > lastRetry {
				pause, told = firstRetry, ""
				continue
			}
			// The other one ends each connection right away: that is no reason to make the next at once.
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && fault.From(err).Error() != told {
			told = fault.From(err).Error()
			t.cfg.Log.Warn("the other Kahuna is not reached", "url", url, "error", err)
		}
		t.rest(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, lastRetry)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// dial connects to an address and says what for.
func (t *Transport) dial(ctx context.Context, url, what string) (*link.Pipe, greeting, error) {
	self := t.cfg.Self()
	p, err := link.DialPipe(ctx, link.PipeTarget{URL: url, Path: Path, Name: string(self.ID), Key: t.cfg.Key, Roots: t.cfg.Roots})
	if err != nil {
		return nil, greeting{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, link.DefaultHandshake)
	defer cancel()
	err = writeJSON(ctx, p, greeting{Node: self, Release: t.cfg.Release, Version: Version, For: what, Boot: BootID()})
	var peer greeting
	if err == nil {
		err = readJSON(ctx, p, &peer)
	}
	if err == nil && what == forMessages {
		t.hear(peer)
	}
	switch {
	case err != nil:
	case peer.Refused != "":
		err = fault.New(fault.Denied, "the other Kahuna refuses: %.300s", peer.Refused)
	case peer.Node.ID == self.ID:
		err = fault.New(fault.Conflict, "%s is this Kahuna itself, or a copy of its directory; name the address of the other one", url)
	}
	if err != nil {
		p.Close()
		return nil, greeting{}, fault.Wrap(err, fault.Unavailable, "greet the other Kahuna at "+url)
	}
	t.count(p, what)
	return p, peer, nil
}

// ServeHTTP takes a connection of another node.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.work.Add(1)
	}
	t.mu.Unlock()
	if closed {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Kahuna is stopping", http.StatusServiceUnavailable)
		return
	}
	defer t.work.Done()
	p, err := t.door.Accept(w, r)
	if err != nil {
		t.cfg.Log.Info("a connection of another Kahuna was not taken", "remote", r.RemoteAddr, "error", err)
		return
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.ctx, link.DefaultHandshake)
	defer cancel()
	var peer greeting
	if err := readJSON(ctx, p, &peer); err != nil {
		return
	}
	self := t.cfg.Self()
	mine := greeting{Node: self, Release: t.cfg.Release, Version: Version, For: peer.For, Boot: BootID()}
	if peer.heard().Strange() {
		mine.Refused = fmt.Sprintf("it speaks version %d of the pair's protocol, this one %d; bring them to releases at most one apart", peer.Version, Version)
	}
	if peer.Node.ID == self.ID {
		mine.Refused = "both have the same node id; a copied directory needs data/voter.json removed"
	}
	if peer.For == forMessages {
		t.hear(peer)
	}
	if writeJSON(ctx, p, mine) != nil || mine.Refused != "" || peer.Node.ID == "" {
		return
	}
	t.count(p, peer.For)
	if peer.For == forMessages {
		t.serve(&conn{peer: peer, pipe: p})
		return
	}
	if err := t.cfg.Bulk(t.ctx, peer.For, p); err != nil {
		t.cfg.Log.Warn("the other Kahuna did not get all it asked for", "what", peer.For, "error", err)
	}
}

// serve uses a connection until it ends.
func (t *Transport) serve(c *conn) {
	c.wake, c.done = make(chan struct{}, 1), make(chan struct{})
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		c.end()
		return
	}
	t.conns = append(t.conns, c)
	t.mu.Unlock()
	t.cfg.Log.Info("connected with the other Kahuna", "node", c.peer.Node.ID, "address", c.peer.Node.Address, "release", c.peer.Release)
	var writer sync.WaitGroup
	if m := release.Message(); m != nil {
		c.push(m)
	}
	writer.Go(func() { c.write(t.ctx) })
	err := c.read(t.ctx, func(m any) { t.cfg.Receive(c.peer.Node.ID, m) })
	t.mu.Lock()
	t.conns = slices.DeleteFunc(t.conns, func(o *conn) bool { return o == c })
	t.mu.Unlock()
	c.end()
	writer.Wait()
	if t.ctx.Err() == nil {
		t.cfg.Log.Warn("the connection with the other Kahuna ended", "node", c.peer.Node.ID, "error", err)
	}
}

// conn is one connection for messages.
type conn struct {
	url  string // dialled, empty when it was taken
	peer greeting
	pipe *link.Pipe
	once sync.Once
	done chan struct{} // closed at the end
	wake chan struct{}

	mu    sync.Mutex
	queue [][]byte
	bytes int
	empty chan struct{} // closed when everything queued is written; nil while nobody waits for that
	busy  bool          // the writer has taken a message that is not written yet
}

// drained is closed once everything that is queued now is written.
func (c *conn) drained() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan struct{})
	if len(c.queue) == 0 && !c.busy {
		close(done)
	} else {
		c.empty = done
	}
	return done
}

func (c *conn) end() {
	c.once.Do(func() {
		close(c.done)
		c.pipe.Close()
	})
}

// push queues a message, or drops it.
func (c *conn) push(raw []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= queueMost || len(c.queue) > 0 && c.bytes+len(raw) > queueBytes {
		return false
	}
	c.queue = append(c.queue, raw)
	c.bytes += len(raw)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

func (c *conn) write(ctx context.Context) {
	defer c.end()
	tick := time.NewTicker(idlePing)
	defer tick.Stop()
	for {
		var next []byte // an empty message is a sign of life
		select {
		case <-c.done:
			return
		case <-c.wake:
		case <-tick.C:
			if c.pipe.Write(ctx, nil, stall) != nil {
				return
			}
		}
		for {
			c.mu.Lock()
			if len(c.queue) == 0 {
				c.queue, c.busy = nil, false
				if c.empty != nil {
					close(c.empty)
					c.empty = nil
				}
				c.mu.Unlock()
				break
			}
			next, c.queue, c.busy = c.queue[0], c.queue[1:], true
			c.bytes -= len(next)
			c.mu.Unlock()
			if c.pipe.Write(ctx, next, stall) != nil {
				return
			}
		}
	}
}

func (c *conn) read(ctx context.Context, receive func(any)) error {
	quiet := time.AfterFunc(silence, c.end)
	defer quiet.Stop()
	for {
		raw, err := c.pipe.Read(ctx)
		if err != nil {
			return err
		}
		quiet.Reset(silence)
		if len(raw) == 0 {
			continue
		}
		m, err := decode(raw)
		if errors.Is(err, errStrange) {
			continue
		}
		if err != nil {
			return err
		}
		receive(m)
	}
}

func writeJSON(ctx context.Context, p *link.Pipe, v any) error {
	raw, err := json.Marshal(release.More(v))
	if err != nil {
		return err
	}
	return p.Write(ctx, raw, stall)
}

func readJSON(ctx context.Context, p *link.Pipe, into any) error {
	raw, err := p.Read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return garbled("it is no JSON of the kind expected")
	}
	return nil
}
