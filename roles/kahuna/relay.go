package kahuna

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// relayed marks a request that the other node passed on: the address of the caller, and a proof by the
// pair's key that it is. A request is passed on once.
const relayed = "X-Kowabunga-Relayed"

// electWithin is how long a request waits for it to be clear which node acts, when this one knows of none.
const electWithin = time.Second

// relay answers a request at a node that does not act: by the one that does, or, where stale reads are
// asked for, from what this node was told is published.
func (s *Server) relay(w http.ResponseWriter, r *http.Request) {
	s.list(w)
	if r.Method == http.MethodGet && r.Header.Get(nodes.StaleHeader) != "" {
		s.stale(w, r)
		return
	}
	if over := s.store.Drained(); over != nil { // a handoff: in a moment it is clear who acts
		select {
		case <-over:
		case <-r.Context().Done():
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), electWithin)
	defer cancel()
	_ = s.pair.driver.Await(ctx, func(st lease.Status) bool { return st.Right || st.Primary != "" }) // it is clear in a moment, or not at all
	if s.acts() {
		s.answer(w, r)
		return
	}
	st := s.pair.driver.Status()
	to, there := st.Record.Node(st.Primary)
	if !there || to.ID == s.pair.self.ID || to.Address == "" || r.Header.Get(relayed) != "" || silent(st) {
		w.Header().Set(nodes.OutcomeHeader, nodes.None)
		w.Header().Set("Retry-After", "2")
		unavailable(w, r, "this Kahuna does not command at present, and knows of none that does; try again in a moment")
		return
	}
	within, end := context.WithCancelCause(r.Context())
	defer end(nil)
	go s.watch(within, to.ID, end)
	s.relays.to(to.Address, s).ServeHTTP(w, r.WithContext(within))
}

// watchEvery is how often it is seen whether the node still acts that a request was passed on to. It gets as
// long to answer what it had begun.
const watchEvery = 500 * time.Millisecond

// errGone is why the answer to a request that was passed on is not waited for any more.
var errGone = fault.New(fault.Unavailable, "the other Kahuna acts no more, or says nothing")

// watch ends a request that was passed on to a node when that does not act any more.
func (s *Server) watch(ctx context.Context, to lease.NodeID, end context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for gone := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st := s.pair.driver.Status()
		switch now := st.Primary != "" && st.Primary != to || silent(st); {
		case now && gone:
			end(errGone)
			return
		default:
			gone = now
		}
	}
}

// silent tells whether a node that follows has not heard the one that acts for so long that it has no lease
// from it any more. A caller reaches that one by itself, or nobody does.
func silent(st lease.Status) bool {
	return st.Role == "standby" && st.Record != nil && st.Silent > st.Record.Timers.Stop
}

// stale answers a read from what this node holds, and says how old that may be.
func (s *Server) stale(w http.ResponseWriter, r *http.Request) {
	st := s.pair.driver.Status()
	w.Header().Set(nodes.LagHeader, nodes.FormatLag(nodes.Lag{Index: st.Published.Index, Behind: st.Behind, Silent: st.Silent}))
	s.role.Load().api.ServeHTTP(w, r)
}

// relays are the ways to nodes that act, one for each address.
type relays struct {
	mu  sync.Mutex
	all map[string]*httputil.ReverseProxy
}

func (p *relays) to(address string, s *Server) *httputil.ReverseProxy {
	p.mu.Lock()
	defer p.mu.Unlock()
	if way := p.all[address]; way != nil {
		return way
	}
	target, err := url.Parse(address)
	if err != nil {
		target = &url.URL{Scheme: "https", Host: "invalid"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.pair.key.Roots(s.pair.ca)}
	transport.MaxIdleConnsPerHost = 64
	transport.ResponseHeaderTimeout = 0                                    // waits are bounded by who asked
	way := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, // events are passed on as they come
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.Out.Header.Set(relayed, s.vouch(p.In))
			if p.Out.Header["User-Agent"] == nil {
				p.Out.Header.Set("User-Agent", "")
			}
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del(nodes.Header) // this node has said so itself
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil && context.Cause(r.Context()) != error(errGone) {
				return
			}
			s.list(w) // who acts may be another one by now
			outcome := nodes.Unknown
			if unsent(err) {
				outcome = nodes.None
			}
			w.Header().Set(nodes.OutcomeHeader, outcome)
			w.Header().Set("Retry-After", "2")
			s.log.Info("a request could not be passed on", "to", address, "outcome", outcome, "error", err)
			unavailable(w, r, "the Kahuna that commands did not answer; its outcome is "+outcome)
		}}
	if p.all == nil {
		p.all = map[string]*httputil.ReverseProxy{}
	}
	p.all[address] = way
	return way
}

// vouch says whose request it is that this node passes on.
func (s *Server) vouch(r *http.Request) string { return r.RemoteAddr + " " + s.proof(r) }

func (s *Server) proof(r *http.Request) string {
	mac := hmac.New(sha256.New, []byte(s.pair.key.Secret))
	fmt.Fprintf(mac, "kowabunga relayed request\x00%s\x00%s\x00%s", r.RemoteAddr, r.Method, r.URL.RequestURI())
	return hex.EncodeToString(mac.Sum(nil))
}

// callerOf makes a request that the other node vouched for one of its own caller. Without proof the header
// counts for nothing but that it is passed on no further.
func (s *Server) callerOf(r *http.Request) *http.Request {
	var from, sum string
	if n, _ := fmt.Sscan(r.Header.Get(relayed), &from, &sum); n != 2 || len(from) > 64 {
		return r
	}
	claimed := *r
	claimed.RemoteAddr = from
	if !hmac.Equal([]byte(sum), []byte(s.proof(&claimed))) {
		return r
	}
	return &claimed
}

// listing is a list of nodes as answers carry it, and what it was made from.
type listing struct {
	record  *lease.Record
	primary lease.NodeID
	text    string
}

// list puts the addresses of all nodes into an answer, where there is more than one.
func (s *Server) list(w http.ResponseWriter) {
	st := s.pair.driver.Status()
	last := s.named.Load()
	if last == nil || last.record != st.Record || last.primary != st.Primary {
		last = &listing{st.Record, st.Primary, naming(st)}
		s.named.Store(last)
	}
	if last.text != "" {
		w.Header().Set(nodes.Header, last.text)
	}
}

func naming(st lease.Status) string {
	if st.Record == nil || len(st.Record.Nodes) < 2 {
		return ""
	}
	var all []nodes.Node
	for _, n := range st.Record.Nodes {
		all = append(all, nodes.Node{URL: n.Address, Primary: n.ID == st.Primary})
	}
	return nodes.Format(all)
}

// unsent tells that a request certainly never reached the other node: there was no connection.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
