package lease

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// cluster is a small world for tests of the machines: a network with one delay, disks that take a
// moment, and logs of empty records.
type cluster struct {
	untrue  bool // a person said that a node is off, and it is not: two may act
	t       *testing.T
	now     time.Duration
	queue   moments
	serial  int
	nodes   map[NodeID]*host
	voters  map[Witness]*Voter
	down    map[string]bool // nodes, witnesses, and "from>to"
	asked   map[NodeID]int  // how often a node asked whether it might be elected
	notes   []string
	verbose bool
}

type moment struct {
	at     time.Duration
	serial int
	do     func()
}

type moments []moment

func (q moments) Len() int { return len(q) }
func (q moments) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q moments) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *moments) Push(x any)   { *q = append(*q, x.(moment)) }
func (q *moments) Pop() any {
	m := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return m
}

// host is a node with its disk.
type host struct {
	c         *cluster
	id        NodeID
	life      int
	replica   *Replica
	durable   Durable
	log       *memoryLog
	published Position
	serving   bool
	draining  bool
	hung      bool
	writes    []Write // that hang
	begins    Epoch   // once the log is done with what it makes
	logs      int
	snapshots int // sent
	image     []Entry
}

type memoryLog struct {
	entries []Entry
	cut     Position // what lies before it is not shown any more
	making  *Entry
	read    bool // somebody has what is being written
}

func (l *memoryLog) Making() (Position, Epoch) {
	if l.making == nil {
		return Position{}, Epoch{}
	}
	return l.making.Position, l.making.Epoch
}
func (l *memoryLog) Makes(p Position) bool { return l.making != nil && l.making.Position == p }

// after gives ten records at most that follow a position up to an index.
func (l *memoryLog) after(p Position, to uint64) (out []Entry) {
	if end := uint64(len(l.entries)); p.Index < end {
		out = append(out, l.entries[p.Index:min(end, to, p.Index+10)]...)
	}
	if m := l.making; m != nil && p.Index+uint64(len(out))+1 == m.Position.Index && m.Position.Index <= to {
		out, l.read = append(out, *m), true
	}
	return out
}

func (l *memoryLog) End() Position {
	if len(l.entries) == 0 {
		return Position{}
	}
	return l.entries[len(l.entries)-1].Position
}
func (l *memoryLog) Cut() Position { return l.cut }
func (l *memoryLog) At(i uint64) ([32]byte, Epoch, bool) {
	if i == 0 || i < l.cut.Index || i > uint64(len(l.entries)) {
		return [32]byte{}, Epoch{}, false
	}
	return l.entries[i-1].Position.Hash, l.entries[i-1].Epoch, true
}

// add appends a record of an epoch with some content.
func (l *memoryLog) add(e Epoch, content string) { l.entries = append(l.entries, l.next(e, content)) }

// next is the record of an epoch with some content that would be added.
func (l *memoryLog) next(e Epoch, content string) Entry {
	end := l.End()
	b := append(end.Hash[:], fmt.Sprint(e, content)...)
	b = binary.BigEndian.AppendUint64(b, end.Index)
	return Entry{Position: Position{end.Index + 1, sha256.Sum256(b)}, Epoch: e, Data: []byte(content)}
}

func newCluster(t *testing.T, witnesses int) *cluster {
	c := &cluster{t: t, nodes: map[NodeID]*host{}, voters: map[Witness]*Voter{}, down: map[string]bool{}, asked: map[NodeID]int{}}
	for i := range witnesses {
		w := witness(i + 1)
		c.voters[w] = NewVoter(VoterState{}, 0, 6*time.Second, false, 0)
	}
	a := c.add("A")
	a.durable = Found(Node{ID: "A"}, "A-1", Epoch{Counter: 1, Node: "A"}, DefaultTimers())
	a.start()
	return c
}

func witness(i int) Witness { return Witness{Agent: fmt.Sprintf("w%d", i), Identity: "1"} }

func (c *cluster) add(id NodeID) *host {
	h := &host{c: c, id: id, log: &memoryLog{}, logs: 1, durable: Durable{Node: id, Log: LogID(id + "-1")}}
	c.nodes[id] = h
	return h
}

func (h *host) start() {
	h.life++
	h.published = Position{}
	peers := []Address{}
	for _, id := range []NodeID{"A", "B", "C"} {
		if id != h.id {
			peers = append(peers, Address{Node: id})
		}
	}
	cfg := Config{Self: Node{ID: h.id}, Peers: peers, Log: h.log, Timers: DefaultTimers(), Boot: "boot",
		Sign:     func(k CertificateKind, e Epoch) Certificate { return Certificate{Kind: k, Epoch: e} },
		Valid:    func(Certificate, []Node) bool { return true },
		NewLogID: func() LogID { h.logs++; return LogID(fmt.Sprintf("%s-%d", h.id, h.logs)) },
		Jitter:   func(n time.Duration) time.Duration { return n / 3 }}
	h.replica = New(cfg, h.durable, h.c.now)
	h.step(Tick{})
}

func (h *host) crash() { h.life++; h.replica = nil; h.serving = false }

func (c *cluster) at(d time.Duration, f func()) {
	c.serial++
	heap.Push(&c.queue, moment{c.now + d, c.serial, f})
}

// step gives an event and carries out the effects.
func (h *host) step(e Event) {
	if h.replica == nil {
		return
	}
	life, r := h.life, h.replica
	later := func(d time.Duration, f func() Event) {
		h.c.at(d, func() {
			if h.life == life {
				h.step(f())
			}
		})
	}
	effects := append([]Effect{}, r.Step(h.c.now, e)...)
	for _, f := range effects {
		switch f := f.(type) {
		case Save:
			later(time.Millisecond, func() Event { h.durable = f.State; return Saved{} })
		case Send:
			h.c.deliver(h, f.To, f.Message)
		case Fsync:
			if !h.hung {
				later(time.Millisecond, func() Event { return Fsynced{f.Token} })
			}
		case Write:
			if h.hung {
				h.writes = append(h.writes, f)
				continue
			}
			later(time.Millisecond, func() Event {
				if f.Entries[0].Position.Index != h.log.End().Index+1 {
					h.c.t.Fatalf("%s writes record %d after %d", h.id, f.Entries[0].Position.Index, h.log.End().Index)
				}
				h.log.entries = append(h.log.entries, f.Entries...)
				return Written{f.Token, true}
			})
		case CutTail:
			later(time.Millisecond, func() Event { h.log.entries = h.log.entries[:f.To.Index]; return Written{f.Token, true} })
		case Ship:
			m := f.Message
			m.Records = h.log.after(m.Prev, m.End.Index)
			h.c.deliver(h, Address{Node: f.To}, m)
		case ShipSnapshot:
			h.snapshots++
			to, at := h.c.nodes[f.To], h.published
			h.c.at(time.Millisecond, func() {
				to.image = append([]Entry{}, h.log.entries[:at.Index]...)
				to.step(SnapshotArrived{From: h.id, Epoch: f.Epoch, End: at})
			})
		case Install:
			later(time.Millisecond, func() Event {
				h.log.entries = h.image
				h.log.cut = h.log.End()
				return Written{f.Token, true}
			})
		case Begin:
			later(time.Millisecond, func() Event {
				if h.log.making != nil {
					h.begins = f.Epoch // after that
					return Tick{}
				}
				h.log.add(f.Epoch, "epoch begins")
				return Grown{}
			})
		case Publish:
			if f.Position.Index < h.published.Index {
				h.c.t.Fatalf("%s unpublishes", h.id)
			}
			h.published = f.Position
		case Serve:
			h.serving = true
		case Stop:
			h.serving = false
		case Drain:
			h.draining = true
		case Resume:
			h.draining = false
		case Note:
			line := fmt.Sprintf("%8.3f %s %s %s", h.c.now.Seconds(), h.id, f.What, f.Detail)
			h.c.notes = append(h.c.notes, line)
		default:
			h.c.t.Fatalf("nobody does %T", f)
		}
	}
	if h.life == life {
		h.arm()
	}
}

// wakes has a hung disk do what it was told meanwhile.
func (h *host) wakes() {
	h.hung = false
	for _, w := range h.writes {
		h.log.entries = append(h.log.entries, w.Entries...)
		h.step(Written{w.Token, true})
	}
	h.writes = nil
}

func (h *host) arm() {
	life, due := h.life, h.replica.Next()
	h.c.at(max(0, due-h.c.now), func() {
		if h.life == life && h.replica.Next() <= h.c.now {
			h.step(Tick{})
		}
	})
}

func (c *cluster) deliver(from *host, to Address, m Message) {
	name := string(to.Node) + to.Witness.Agent
	if _, asks := m.(Prevote); asks {
		c.asked[from.id]++
	}
	if c.down[name] || c.down[string(from.id)] || c.down[string(from.id)+">"+name] {
		return
	}
	c.at(time.Millisecond, func() {
		if to.Node != "" {
			if h := c.nodes[to.Node]; h != nil {
				h.step(Received{From: Address{Node: from.id}, Message: m})
			}
			return
		}
		v := c.voters[to.Witness]
		if v == nil || c.down[to.Witness.Agent] {
			return
		}
		reply, _ := v.Answer(c.now, m, func(Certificate) bool { return true })
		if reply == nil || c.down[name+">"+string(from.id)] || c.down[string(from.id)] {
			return
		}
		c.at(time.Millisecond, func() { from.step(Received{From: to, Message: reply}) })
	})
}

// run lets time pass until the condition holds.
func (c *cluster) run(atMost time.Duration, what string, until func() bool) {
	c.t.Helper()
	end := c.now + atMost
	for !until() {
		if len(c.queue) == 0 || c.queue[0].at > end {
			for _, line := range c.notes {
				c.t.Log(line)
			}
			for id, h := range c.nodes {
				if h.replica != nil {
					c.t.Logf("%s %+v", id, h.replica.Status(c.now))
				}
			}
			c.t.Fatalf("at %v: not within %v: %s", c.now, atMost, what)
		}
		m := heap.Pop(&c.queue).(moment)
		c.now = max(c.now, m.at)
		m.do()
		var acting []NodeID
		for id, h := range c.nodes {
			if h.replica != nil && h.replica.Acting() {
				acting = append(acting, id)
			}
		}
		if len(acting) > 1 && !c.untrue {
			c.t.Fatalf("at %v: %v act", c.now, acting)
		}
	}
}

func (c *cluster) pass(d time.Duration) {
	end := c.now + d
	c.at(d, func() {})
	c.run(d+1, "time passes", func() bool { return c.now >= end })
}

// write has a primary write a record, and returns a function that tells whether it is acknowledged.
func (h *host) write(content string) func() bool {
	e := h.replica.Status(h.c.now).Epoch
	h.log.add(e, content)
	at := h.log.End()
	h.step(Grown{})
	return func() bool { return h.published.Index >= at.Index }
}
