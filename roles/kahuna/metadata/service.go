// Package metadata serves each machine what is known of it: GET /latest/meta-data, for the machine that
// proves itself with the secret of its configuration disk and for nobody else.
//
// Answers carry an ETag. With ?wait=30s, or the header "Prefer: wait=30" (RFC 7240 section 4.3), an answer
// that would be the one the caller has (If-None-Match) is held back until there is another or the time is
// over, so that guests see changes within a second and need not ask again and again.
package metadata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

// Store is what this package needs of the store.
type Store interface {
	View() model.View
	Watch(ctx context.Context, from uint64) iter.Seq2[store.Record, error]
}

// Config is what the service is made of.
type Config struct {
	Store Store
	Cost  func(v model.View, o *model.Instance) model.Cost // price a month; may be nil
	Now   func() time.Time
	Log   *slog.Logger
}

// Service answers machines. Run must be running for waiting callers to be woken.
type Service struct {
	cfg       Config
	strangers *buckets // by address: who proved nothing
	machines  *buckets // by instance

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when documents may have changed
	waiting map[model.ID]int
	closed  chan struct{}
	once    sync.Once
	held    func() // told of each request that begins to wait; for tests
}

// The limits. A machine that waits asks twice a minute.
const (
	longestWait    = time.Minute
	waitsEach      = 4 // requests of one machine that wait at a time
	settle         = 200 * time.Millisecond
	strangersBurst = 30
	strangersEvery = 2 * time.Second // one more attempt
	machinesBurst  = 60
	machinesEvery  = time.Second
)

// New makes a service.
func New(c Config) *Service {
	return &Service{cfg: c, strangers: newBuckets(strangersBurst, strangersEvery), machines: newBuckets(machinesBurst, machinesEvery),
		changed: make(chan struct{}), closed: make(chan struct{}), waiting: map[model.ID]int{}, held: func() {}}
}

// Close answers those who wait; nobody waits afterwards.
func (s *Service) Close() { s.once.Do(func() { close(s.closed) }) }

// Run follows the journal until ctx ends and wakes those who wait.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	wake := make(chan struct{}, 1)
	var waker sync.WaitGroup
	defer waker.Wait()
	waker.Go(func() { s.wake(ctx, wake) })
	notice := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	from := s.cfg.Store.View().Index() + 1
	for ctx.Err() == nil {
		for record, err := range s.cfg.Store.Watch(ctx, from) {
			if err != nil {
				if ctx.Err() == nil {
					s.cfg.Log.Warn("the journal cannot be followed; beginning with the present state", "error", err)
				}
				break
			}
			from = record.Index + 1
			for _, c := range record.Changes {
				if shown(c.Kind) {
					notice()
					break
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second): // so that a store that cannot be read keeps nobody busy
		}
		from = s.cfg.Store.View().Index() + 1
		notice()
	}
	return nil
}

// wake tells those who wait of changes, at most once in the time commits take to settle.
func (s *Service) wake(ctx context.Context, wake <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		s.mu.Lock()
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
	}
}

// shown tells whether objects of a kind can show in documents.
func shown(kind model.Kind) bool {
	switch kind {
	case operation.Kind, model.KindSession, model.KindToken, model.KindUser, model.KindTeam, model.KindAgent, model.KindSetting, model.KindPair:
		return false
	}
	return true
}

// document is a machine's document and its entity tag.
func (s *Service) document(v model.View, o *model.Instance) ([]byte, string, error) {
	var cost *model.Cost
	if s.cfg.Cost != nil {
		price := s.cfg.Cost(v, o)
		cost = &price
	}
	raw, err := json.Marshal(metadata.Of(v, o, cost))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(raw)
	return append(raw, '\n'), `"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// ServeHTTP answers a machine, and everybody else with the reason why not.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "private, no-cache")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "metadata is read with GET")
		return
	}
	wait, err := patience(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, fault.From(err).Public())
		return
	}
	claim := claimOf(r)
	a, err := s.answer(r.Context(), claim, r.Header.Get("If-None-Match"), wait, network(r.RemoteAddr))
	var limited *limited
	switch f := fault.From(err); {
	case err == nil:
	case asLimited(err, &limited):
		w.Header().Set("Retry-After", seconds(limited.wait))
		refuse(w, http.StatusTooManyRequests, f.Public())
		return
	case f.Code == fault.Unauthenticated:
		w.Header().Set("WWW-Authenticate", metadata.HeaderSecret)
		refuse(w, http.StatusUnauthorized, f.Public())
		return
	default:
		s.cfg.Log.Error("metadata not served", "instance", claim.Instance, "error", err)
		refuse(w, http.StatusInternalServerError, "the metadata of this machine cannot be made; the log of Kahuna says why")
		return
	}
	w.Header().Set("ETag", a.tag)
	if a.same {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.body)
}

type answer struct {
	body []byte
	tag  string
	same bool // the caller has it
}

// answer makes the answer to a claim, at once or when there is another than the one the caller has. The
// proof is asked for anew each time: a machine that was deleted or reseeded meanwhile learns nothing.
func (s *Service) answer(ctx context.Context, claim metadata.Claim, have string, wait time.Duration, from string) (answer, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	asked := have != "" // without it any present document is news at the end
	for first := true; ; first = false {
		s.mu.Lock()
		changed := s.changed // before the view: what is committed later wakes
		s.mu.Unlock()
		v := s.cfg.Store.View()
		o, err := metadata.Prove(v, claim)
		if first {
			if e := s.count(o, from); e != nil {
				return answer{}, e
			}
		}
		if err != nil {
			return answer{}, err
		}
		body, tag, err := s.document(v, o)
		if err != nil {
			return answer{}, err
		}
		if have == "" && wait > 0 {
			have = tag
		}
		if have == "" || !matches(have, tag) {
			return answer{body: body, tag: tag}, nil
		}
		over := answer{body: body, tag: tag, same: asked}
		if wait <= 0 {
			return over, nil
		}
		if first {
			leave, err := s.enter(o.ID)
			if err != nil {
				return answer{}, err
			}
			defer leave()
			s.held()
		}
		select {
		case <-changed:
		case <-deadline.C:
			return over, nil
		case <-s.closed:
			return over, nil
		case <-ctx.Done():
			return over, nil
		}
	}
}

// count counts a request: against the machine that proved itself, so that neighbours behind one address
// do not pay for each other, or against the address.
func (s *Service) count(o *model.Instance, from string) error {
	if o != nil {
		return s.machines.take(string(o.ID), s.cfg.Now())
	}
	return s.strangers.take(from, s.cfg.Now())
}

// enter counts a request that waits.
func (s *Service) enter(id model.ID) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[id] >= waitsEach {
		return nil, &limited{time.Second}
	}
	s.waiting[id]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waiting[id]--; s.waiting[id] == 0 {
			delete(s.waiting, id)
		}
	}, nil
}

// network is what strangers are counted by: an IPv4 address, or the /64 that one IPv6 customer has.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
