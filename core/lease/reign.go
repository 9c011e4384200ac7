package lease

import (
	"slices"
	"time"
)

// reign is what a primary knows.
type reign struct {
	epoch   Epoch
	since   time.Duration
	chosen  *Record          // the last one that has its voters
	pending []*Record        // sent since, oldest first
	oks     map[Address]bool // who accepted the newest one sent
	resend  time.Duration    // of that
	peers   map[NodeID]*peer
	waitFor LogID         // acknowledgements wait for this log, before it is in the sync set
	waits   time.Duration // since when
	begun   bool          // "epoch begins" was asked for
	serving bool

	// The right to act.
	answered map[Address]time.Duration // when the last renewal that was answered was sent
	knows    map[Address]uint64        // index of what that said is published
	sent     map[uint64]renewal        // the last ones
	renewal  uint64                    // number of the last
	last     Renew
	renewAt  time.Duration
	told     Position      // published, when the last renewal was sent that said something new
	toldAt   time.Duration // when that was
	hurried  time.Duration // when a renewal was sent before its time
	syncing  uint64        // token of the Fsync under way, 0 when there is none

	handing *handing
	witness []Witness // wanted next, nil when nothing is
	outbid  bool      // a voter promised a higher epoch
}

// renewal is one that was sent.
type renewal struct {
	at        time.Duration
	published uint64 // index
}

// rule begins to be a primary, not yet with the right to act.
func (n *Replica) rule(e Epoch, chosen *Record) {
	n.gave = nil
	n.reign = &reign{epoch: e, since: n.now, oks: map[Address]bool{}, resend: n.now + beat, peers: map[NodeID]*peer{}, answered: map[Address]time.Duration{}, knows: map[Address]uint64{}, sent: map[uint64]renewal{}, renewAt: n.now}
	n.primary, n.missing = n.d.Node, nil
	if o, ok := chosen.Other(n.d.Node); ok {
		n.reign.peers[o.ID] = &peer{node: o, heard: n.now, moved: n.now}
	}
}

// begin has "epoch begins" written, and asks for the first renewal.
func (n *Replica) begin() {
	r := n.reign
	r.begun = true
	if !n.cfg.Flaws.Has(FlawNoBeginRecord) {
		n.do(Begin{Epoch: r.epoch})
	}
	n.renew()
	n.probeAll()
	n.progress()
}

// lose ends the reign, if there is one, at once.
func (n *Replica) lose(why string) {
	r := n.reign
	if r == nil {
		return
	}
	n.reign, n.stuck = nil, r.syncing
	n.primary = ""
	n.electAt = n.now
	n.do(Stop{Why: why})
	n.note("stops", "epoch %s: %s", r.epoch, why)
}

// newest is the last record sent.
func (r *reign) newest() *Record {
	if len(r.pending) > 0 {
		return r.pending[len(r.pending)-1]
	}
	return r.chosen
}

// records are all that may count: the last chosen one and those sent since.
func (r *reign) records() []*Record {
	if r.chosen == nil {
		return r.pending
	}
	return append([]*Record{r.chosen}, r.pending...)
}

// sole tells whether nobody else has a voice: the last chosen record and all sent since name one log only.
func (n *Replica) sole() bool {
	for _, k := range n.reign.records() {
		if !k.Only(n.d.Log) {
			return false
		}
	}
	return true
}

// rightUntil is until when this node may act without another answer.
func (n *Replica) rightUntil() time.Duration {
	if n.sole() || n.cfg.Flaws.Has(FlawSoleIgnoresGrow) && n.reign.chosen.Only(n.d.Log) {
		return 1<<63 - 1
	}
	return n.renewedUntil()
}

// renewedUntil is until when the answers to renewals allow to act.
func (n *Replica) renewedUntil() time.Duration {
	r := n.reign
	stop := r.chosen.Timers.Stop
	best := time.Duration(-1 << 62)
	if o, ok := r.chosen.Other(n.d.Node); ok {
		if at, ok := r.answered[Address{Node: o.ID}]; ok {
			best = at
		}
	}
	for _, w := range r.chosen.All() {
		at, ok := r.answered[Address{Witness: w}]
		if ok && at > best && n.college(func(a Address) bool { t, ok := r.answered[a]; return ok && t >= at }, r.records()...) {
			best = at
		}
	}
	return best + stop
}

// Acting tells whether this node has the right to act: it is the primary, its epoch has begun, and the
// other node or the college answered lately.
func (n *Replica) Acting() bool { return n.reign != nil && n.reign.serving && n.now < n.rightUntil() }

// renew proves that the disk works, and then renews the leases; a node without another one has none to renew.
func (n *Replica) renew() {
	r := n.reign
	r.renewAt = n.now + r.newest().Timers.Renew
	if n.sole() && len(r.chosen.Nodes) < 2 {
		n.tell()
		return
	}
	if n.cfg.Flaws.Has(FlawRenewWhileHung) {
		n.sendRenewals()
		return
	}
	if r.syncing != 0 {
		return
	}
	n.token++
	r.syncing = n.token
	n.do(Fsync{Token: n.token})
}

func (n *Replica) fsynced(token uint64) {
	if n.stuck == token {
		n.stuck = 0
	}
	if n.reign != nil && n.reign.syncing == token {
		n.reign.syncing = 0
		n.sendRenewals()
	}
}

func (n *Replica) sendRenewals() {
	r := n.reign
	r.renewal++
	r.sent[r.renewal] = renewal{at: n.now, published: n.published.Index}
	delete(r.sent, r.renewal-4)
	m := Renew{Proof: n.cfg.Sign(Promised, r.epoch), N: r.renewal, Lease: r.newest().Timers.Lease, Published: Known{Logs: r.newest().Sync, Position: n.published}}
	r.last = m
	for _, to := range n.voters() {
		if n.vouched[to] {
			n.send(to, m)
		} else {
			n.send(to, Prevote{Epoch: n.above()})
		}
	}
	if len(r.pending) == 0 {
		n.propose(r.chosen, r.oks) // who missed it
	}
}

// sendRenewal sends the last renewal to one more voter, unless the disk is being asked for the next one.
func (n *Replica) sendRenewal(to Address) {
	if r := n.reign; r.renewal > 0 && r.syncing == 0 {
		n.send(to, r.last)
	}
}

// tell has the witnesses of a node without another one remember what is published. It needs no lease, so that
// nothing is sent while they know.
func (n *Replica) tell() {
	r := n.reign
	if n.published != r.told {
		r.told, r.toldAt = n.published, n.now
	}
	for _, to := range n.voters() {
		if at, ok := r.answered[to]; !ok || at < r.toldAt || !r.oks[to] {
			n.sendRenewals()
			return
		}
	}
}

// voters are all others that a record which may count gives a voice.
func (n *Replica) voters() []Address {
	var out []Address
	for _, k := range n.reign.records() {
		for _, a := range n.electorate(k) {
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

func (n *Replica) renewed(from Address, m RenewReply) {
	r := n.reign
	if r == nil || m.Epoch != r.epoch {
		if !m.OK {
			n.seen(m.Promised)
		}
		return
	}
	if !m.OK {
		n.refused(m.Promised)
		return
	}
	sent, ok := r.sent[m.N]
	if !ok {
		return
	}
	at := sent.at
	if n.cfg.Flaws.Has(FlawLeaseFromReply) {
		at = n.now
	}
	if old, ok := r.answered[from]; !ok || at > old {
		r.answered[from], r.knows[from] = at, sent.published
	}
	n.progress()
}

// refused notes that a voter promised a higher epoch: this node acts on while it has the right, and has
// itself elected above.
func (n *Replica) refused(c Certificate) {
	if !n.seen(c) || c.Epoch.Compare(n.reign.epoch) <= 0 {
		return
	}
	if n.cfg.Flaws.Has(FlawStopOnPromised) {
		n.lose("a higher epoch was promised")
		n.electAt = n.now + n.timers().Wait
		return
	}
	n.reign.outbid = true
}

func (n *Replica) accepted(from Address, m AcceptReply) {
	if c := n.cand; c != nil && c.step == choosing && m.Epoch == c.epoch {
		if m.OK {
			c.oks[from] = true
			n.chosen()
		} else {
			c.refused[from] = m.Why
			n.seen(m.Promised)
		}
		return
	}
	r := n.reign
	if r == nil || m.Epoch != r.epoch {
		return
	}
	if !m.OK {
		n.refused(m.Promised)
		return
	}
	if m.Seq != r.newest().Seq {
		return // of one that was replaced since
	}
	r.oks[from] = true
	n.count()
}

// count sees whether the newest record sent is chosen by now.
func (n *Replica) count() {
	r := n.reign
	if len(r.pending) == 0 || !r.oks[n.me()] {
		return
	}
	k := r.newest()
	enough := n.sole()
	if o, ok := k.Other(n.d.Node); ok && r.oks[Address{Node: o.ID}] {
		enough = true
	}
	if !enough && !n.college(func(a Address) bool { return r.oks[a] }, r.records()...) {
		return
	}
	n.settled(k)
}

// settled takes a record as chosen.
func (n *Replica) settled(k *Record) {
	r := n.reign
	r.chosen = k
	r.pending = slices.DeleteFunc(r.pending, func(p *Record) bool { return p.Seq <= k.Seq })
	n.note("record chosen", "%s", k)
	if n.sole() != n.d.Sole {
		n.d.Sole = n.sole()
		n.save(nil)
	}
	if len(k.Witnesses) > 1 && len(r.pending) == 0 {
		n.change("the new witnesses alone", func(next *Record) { next.Witnesses = k.Witnesses[len(k.Witnesses)-1:] })
	}
	if r.begun {
		n.progress()
	}
}

// change sends a record that differs from the newest one.
func (n *Replica) change(what string, edit func(*Record)) {
	r := n.reign
	next := *r.newest()
	next.Seq++
	next.Nodes = slices.Clone(next.Nodes)
	if n.published.Index > next.Base.Index {
		next.Base = n.published
	}
	edit(&next)
	n.note("record sent", "%s: %s", what, &next)
	if !next.Only(n.d.Log) {
		n.d.Sole = false
	}
	r.pending = append(r.pending, &next)
	r.oks, r.resend = map[Address]bool{}, n.now+beat
	_, _ = n.voter.Accept(&next, n.voter.Promised, nil)
	n.save(func() {
		if n.reign != r || r.newest() != &next {
			return
		}
		r.oks[n.me()] = true
		n.propose(&next, r.oks)
		n.count()
	})
}

// progress publishes what everybody in the sync sets has, and begins to serve when the epoch's beginning
// is published.
func (n *Replica) progress() {
	r := n.reign
	n.publish(n.publishable())
	if r.serving || !r.begun {
		return
	}
	if n.now >= n.rightUntil() {
		return
	}
	if _, e, there := n.cfg.Log.At(n.published.Index); !(there && e == r.epoch) && !n.cfg.Flaws.Has(FlawNoBeginRecord) {
		return
	}
	r.serving = true
	n.note("serves", "epoch %s", r.epoch)
	n.do(Serve{Epoch: r.epoch, Record: r.chosen})
	won := Announce{Certificate: n.cfg.Sign(Won, r.epoch), Record: r.chosen}
	for _, to := range n.voters() {
		if to.Node != "" {
			n.send(to, won)
		}
	}
}

// publishable is up to where all logs that may have to have everything have it.
func (n *Replica) publishable() uint64 {
	r := n.reign
	index := n.cfg.Log.End().Index
	if n.cfg.Flaws.Has(FlawPublishLocal) {
		return index
	}
	logs := []LogID{}
	for _, k := range r.records() {
		logs = append(logs, k.Sync...)
	}
	if n.cfg.Flaws.Has(FlawAckOnSentShrink) {
		logs = slices.Clone(r.newest().Sync)
	}
	if r.waitFor != "" {
		logs = append(logs, r.waitFor)
	}
	for _, log := range logs {
		if log != n.d.Log {
			index = min(index, r.acked(log))
		}
	}
	return index
}

func (r *reign) acked(log LogID) uint64 {
	for _, p := range r.peers {
		if p.log == log {
			return p.acked.Index
		}
	}
	return 0
}

func (n *Replica) tickReign() {
	r := n.reign
	if r.serving && n.now >= n.rightUntil() {
		if n.cfg.Flaws.Has(FlawRenewWithoutRight) {
			if n.now >= r.renewAt {
				n.renew()
			}
			return
		}
		n.lose("neither the other node nor the witnesses answered in time")
		return
	}
	if !r.serving && n.now > r.since+r.chosen.Timers.Wait {
		n.lose("nobody answered after the election")
		n.electAt = n.now + again + n.jitter(again)
		return
	}
	if r.outbid && n.cand == nil {
		r.outbid = false
		n.ask()
	}
	if n.reign != r {
		return
	}
	if n.now >= r.renewAt {
		n.renew()
	}
	if len(r.pending) > 0 && n.now >= r.resend {
		r.resend = n.now + beat
		if r.oks[n.me()] {
			n.propose(r.newest(), r.oks)
		}
	}
	n.tickPeers()
	if n.reign == r && r.handing != nil {
		n.tickHandoff()
	}
	if n.reign == r && r.witness != nil && len(r.pending) == 0 && r.serving {
		n.changeWitnesses()
	}
}

// next is when something is due.
func (r *reign) next(n *Replica) time.Duration {
	next := r.renewAt
	if r.serving {
		next = min(next, n.rightUntil())
	} else {
		next = min(next, r.since+r.chosen.Timers.Wait+1)
	}
	if len(r.pending) > 0 {
		next = min(next, r.resend)
	}
	for _, p := range r.peers {
		next = min(next, p.beatAt)
	}
	if r.handing != nil {
		next = min(next, r.handing.until)
	}
	if c := n.cand; c != nil {
		next = min(next, c.next(n.now))
	}
	return max(next, n.now+time.Millisecond)
}
