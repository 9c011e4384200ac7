package fleet

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/roles/agent/link"
)

// member is what the fleet knows of one agent, connected or not. Fields below session are guarded by
// Fleet.mu.
type member struct {
	id   string
	used *atomic.Uint64 // stamp of the last call
	mail mailbox

	session  *session
	arriving map[*session]struct{}
	hello    agentproto.Hello // of the newest session
	leased   bool             // the newest session is
	seen     time.Time        // end of the last session
	cancels  []string         // requests to call off when the agent is back
	settled  []string         // requests to tell as settled
	settling bool
	desired  map[string]*want
	pushing  bool
	wake     chan struct{}

	progressMu sync.Mutex
	progress   map[string][]*progressSlot
}

// session is one connection of an agent and the peer it talks to.
type session struct {
	fleet  *Fleet
	member *member
	conn   *link.Conn
	hello  agentproto.Hello
	proved link.Credential
	since  time.Time
	expiry *time.Timer
	leased bool // both ends know that there may be several Kahunas
	ledger bool // both ends have a ledger of steps

	// Guarded by Fleet.mu.
	revoked  bool     // while arriving
	obeys    *command // it answered the announcement of this one
	refuses  *command // and this one's for good with a fault
	objects  string   // why it obeys nobody yet
	outdated bool     // what it answered is
	listed   bool     // it was told of the Kahunas since
	told     uint64   // how often Fleet.Tell had been called by then
	attended bool     // somebody announces or tells
	compare  bool     // it is to name the steps it remembers
}

var _ link.Peer = (*session)(nil)

// stranger is the peer of somebody who is told nothing.
type stranger struct{}

func (stranger) Call(_ context.Context, method string, _ json.RawMessage) (any, error) {
	return nil, link.UnknownMethod(method)
}

func (stranger) Notify(string, json.RawMessage) {}

// member returns the record of an agent, made if there is none. It needs the lock.
func (f *Fleet) member(id string) *member {
	m, ok := f.members[id]
	if !ok {
		m = &member{
			id: id, used: &atomic.Uint64{}, arriving: map[*session]struct{}{}, desired: map[string]*want{},
			wake: make(chan struct{}, 1), progress: map[string][]*progressSlot{},
		}
		f.members[id] = m
	}
	return m
}

func (m *member) left(s *session) { m.seen = s.conn.LastSeen() }

// Call answers a call of the agent.
func (s *session) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	var env agentproto.Envelope
	if err := json.Unmarshal(params, &env); err != nil {
		return nil, link.BadParams(method, err)
	}
	if s.fleet.cfg.Handle == nil {
		return nil, link.UnknownMethod(method)
	}
	if env.Deadline > 0 && env.Deadline < int64(24*time.Hour/time.Millisecond) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(env.Deadline)*time.Millisecond)
		defer cancel()
	}
	return s.fleet.cfg.Handle(ctx, s.member.id, method, env)
}

// Notify takes what the agent reports. It runs on the reader, so everything goes to a queue.
func (s *session) Notify(method string, params json.RawMessage) {
	f, m := s.fleet, s.member
	switch method {
	case agentproto.MethodProgress:
		var p agentproto.Progress
		if json.Unmarshal(params, &p) == nil {
			m.progressed(p)
		}
	case agentproto.MethodEvent:
		var e agentproto.Event
		if json.Unmarshal(params, &e) == nil && f.cfg.OnEvent != nil {
			f.counters.events.Add(1)
			f.post(m, "event\x00"+e.Type+"\x00"+e.Subject, func() { f.cfg.OnEvent(m.id, e) })
		}
		if e.Type == agentproto.EventEnded {
			f.again(s)
		}
	case agentproto.MethodStatus:
		var st agentproto.Status
		if json.Unmarshal(params, &st) == nil {
			f.status(m, st)
		}
	}
}

func (f *Fleet) status(m *member, st agentproto.Status) {
	if f.cfg.OnStatus != nil {
		f.post(m, "status\x00"+st.Name, func() { f.cfg.OnStatus(m.id, st) })
	}
}

// Member is one agent in a Snapshot.
type Member struct {
	Online    bool             // it can be commanded
	Connected bool             // with FeatureLease, perhaps to be asked as a witness only
	Since     time.Time        // start of the session; zero when not connected
	Hello     agentproto.Hello // of the newest session; shared, not to be changed
	Leased    bool             // both ends of that session know that there may be several Kahunas
	Objects   string           // why it is connected and does not obey this Kahuna, once that is known
	seen      time.Time
	conn      *link.Conn
	used      *atomic.Uint64
}

// LastSeen is when the agent last gave a sign of life.
func (m Member) LastSeen() time.Time {
	if m.conn != nil {
		return m.conn.LastSeen()
	}
	return m.seen
}

// Offers reports whether the agent advertised a method.
func (m Member) Offers(method string) bool {
	for _, have := range m.Hello.Methods {
		if have == method {
			return true
		}
	}
	return false
}

// Snapshot is who was connected at one moment. It never changes, so reading it needs no lock.
type Snapshot struct {
	members  map[string]Member
	commands bool
	changed  chan struct{} // closed when there is a newer snapshot
}

// Live is the present snapshot.
func (f *Fleet) Live() *Snapshot { return f.live.Load() }

// Get returns one agent; false when it never connected to this Kahuna.
func (s *Snapshot) Get(agent string) (Member, bool) {
	m, ok := s.members[agent]
	return m, ok
}

// Online reports whether an agent can be commanded.
func (s *Snapshot) Online(agent string) bool { return s.members[agent].Online }

// Up reports, for show, whether an agent is online or, where this Kahuna commands nobody, connected.
func (s *Snapshot) Up(agent string) bool {
	m := s.members[agent]
	return m.Online || !s.commands && m.Connected
}

// All ranges over every agent that was connected to this Kahuna.
func (s *Snapshot) All() iter.Seq2[string, Member] {
	return func(yield func(string, Member) bool) {
		for id, m := range s.members {
			if !yield(id, m) {
				return
			}
		}
	}
}

// publish makes the next snapshot. It needs the lock.
func (f *Fleet) publish() {
	next := &Snapshot{members: make(map[string]Member, len(f.members)), commands: f.command.reason == nil, changed: make(chan struct{})}
	for id, m := range f.members {
		switch {
		case m.session != nil:
			online := f.command.commands(m.session)
			objects := ""
			if !online && f.command.reason == nil {
				objects = m.session.objects
			}
			next.members[id] = Member{Online: online, Connected: true, Leased: m.leased, Objects: objects, Since: m.session.since, Hello: m.hello, conn: m.session.conn, used: m.used}
		case !m.seen.IsZero():
			next.members[id] = Member{Leased: m.leased, Hello: m.hello, seen: m.seen, used: m.used}
		}
	}
	close(f.live.Swap(next).changed)
}
