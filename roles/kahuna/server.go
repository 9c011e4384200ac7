package kahuna

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kowabunga/core/access/gate"
	"kowabunga/core/agentproto"
	"kowabunga/core/behaviour"
	"kowabunga/core/cost"
	"kowabunga/core/fault"
	record "kowabunga/core/metadata"
	"kowabunga/core/place"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/figures"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/koala"
	"kowabunga/roles/kahuna/metadata"
	"kowabunga/roles/kahuna/pair"
	"kowabunga/store"
)

// Server is a Kahuna at work.
type Server struct {
	cfg      Config
	log      *slog.Logger
	level    *slog.LevelVar
	master   string
	store    *pair.Store
	fleet    *fleet.Fleet
	board    place.Board // follows the store; the engine asks it
	metadata *metadata.Service
	backups  backupTargets
	registry *prometheus.Registry // of what every role has
	role     atomic.Pointer[reign]
	pair     *pairing // nil in a restored copy
	turn     *turn
	notes    notes
	agreed   *agreed
	staff    staff
	relays   relays
	koala    *koala.Koala            // the web interface
	named    atomic.Pointer[listing] // the header that lists the nodes
	rules    atomic.Pointer[behaviour.Config]
	policy   atomic.Pointer[gate.Policy]
	tls      *certificates
	ready    atomic.Bool
	leaving  atomic.Bool // the process ends
	drill    bool        // a restored copy that was not promoted: it shows everything and changes nothing
	started  time.Time
	address  net.Addr      // of the public listener, once Run has opened it
	plain    net.Addr      // of the one for plain HTTP, where there is one
	drain    time.Duration // for answers under way when it stops
}

// open brings everything up but the listeners.
func open(cfg Config, log *slog.Logger, level *slog.LevelVar) (*Server, error) {
	s := &Server{cfg: cfg, log: log, level: level, registry: prometheus.NewRegistry(), turn: newTurn(), agreed: newAgreed(), started: time.Now(), drain: 10 * time.Second}
	if !cfg.PlainHTTP {
		var err error
		if s.tls, err = newCertificates(&s.cfg); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "prepare TLS")
		}
	}
	s.apply(cfg)
	var err error
	if s.master, err = readSecret(cfg.masterKey()); err != nil {
		return nil, err
	}
	seal, err := readKey(cfg.sealingKey())
	if err != nil {
		return nil, err
	}
	secret, err := readKey(cfg.fleetKey())
	if err != nil {
		return nil, err
	}
	options := store.Options{Dir: cfg.data(), Tables: tables(), SealKey: seal, Log: log.With("part", "store"), Held: true, Moved: make(chan struct{}, 1),
		Retention: store.Retention{Age: cfg.Journal.Age, Bytes: int64(cfg.Journal.Size)}, Follower: &s.board}
	opened, err := store.Open(options)
	if err != nil {
		return nil, err
	}
	s.store = pair.NewStore(opened)
	s.drill = s.store.Status().Drill
	if !s.drill {
		if err := s.join(options); err != nil {
			return nil, errors.Join(err, s.store.Close())
		}
	}
	if err := s.prepare(secret[:]); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	return s, nil
}

// apply takes over what a reload may change.
func (s *Server) apply(cfg Config) {
	s.level.Set(cfg.Log.SlogLevel())
	s.rules.Store(&behaviour.Config{BootstrapUser: cfg.Bootstrap.User, BootstrapPubkey: cfg.Bootstrap.Pubkey, StopGrace: cfg.StopGrace, Accounts: s.cfg.accounts(),
		Metadata: record.Service{URL: s.cfg.metadataURL(), CA: s.tls.authority()}})
	s.policy.Store(&gate.Policy{ProjectAdminsCreateProjects: cfg.Access.ProjectAdminsCreateProjects})
}

// prepare makes what there is whatever the role.
func (s *Server) prepare(secret []byte) error {
	part := s.part
	s.fleet = fleet.New(fleet.Config{Credentials: identity.Agents{Views: s.store}, Epoch: s.epoch, Secret: secret, Release: config.Program().Version,
		Cluster: cluster(secret), Node: s.nodeID(), Kahunas: func() []agentproto.Kahuna { return kahunas(s.members()) }, Log: part("fleet"), Steps: recorded{s.store},
		OnConnect: func(agent string, hello agentproto.Hello) {
			s.commanding(func(r *reign) { r.keeper.OnConnect(agent, hello) })
		},
		OnDisconnect: func(agent string, why error) { s.commanding(func(r *reign) { r.keeper.OnDisconnect(agent, why) }) },
		OnEvent:      func(agent string, e agentproto.Event) { s.commanding(func(r *reign) { r.keeper.OnEvent(agent, e) }) },
		OnStatus: func(agent string, st agentproto.Status) {
			s.commanding(func(r *reign) { r.keeper.OnStatus(agent, st) })
		}})
	s.fleet.Rest(errNoPrimary)
	s.metadata = metadata.New(metadata.Config{Store: s.store, Cost: cost.Machine, Now: time.Now, Log: part("metadata")})
	if err := s.scheduleBackups(); err != nil {
		return err
	}
	var err error
	if s.koala, err = koala.New(s.pageNodes); err != nil {
		return err
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.registry.MustRegister(newMetrics(s), newPairMetrics(s), figures.New(s.store))
	first, err := s.assemble()
	if err != nil {
		return err
	}
	s.role.Store(first)
	return nil
}

func (s *Server) part(name string) *slog.Logger { return s.log.With("part", name) }

// metadataURL is where machines read their metadata.
func (c *Config) metadataURL() string {
	if c.MetadataURL != "" {
		return strings.TrimSuffix(c.MetadataURL, "/") + record.Path
	}
	return c.publicURL() + record.Path
}

// nodeID names this Kahuna; a restored copy has no name.
func (s *Server) nodeID() string {
	if s.pair == nil {
		return ""
	}
	return string(s.pair.self.ID)
}

// pairURL is how the other node and agents reach this one.
func (c *Config) pairURL() string {
	if c.PairURL != "" {
		return strings.TrimSuffix(c.PairURL, "/")
	}
	return c.publicURL()
}

// publicURL is how others reach this Kahuna.
func (c *Config) publicURL() string {
	if c.URL != "" {
		return strings.TrimSuffix(c.URL, "/")
	}
	scheme := "https"
	if c.PlainHTTP {
		scheme = "http"
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return ""
	}
	switch {
	case c.ACME.Name != "":
		if host = strings.ToLower(c.ACME.Name); port == "443" {
			return scheme + "://" + host
		}
	case host == "" || host == "0.0.0.0" || host == "::":
		host, _ = os.Hostname()
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, port))
}

// Run serves until ctx ends, then shuts down: the other Kahuna takes over where there is one, no new
// requests, waiting callers are sent away with the id of their operation, answers under way are finished,
// agents are told, the store is closed. notify reports "READY=1" and the like to a service manager.
func (s *Server) Run(ctx context.Context, notify func(state string)) error {
	listeners, err := s.listen()
	if err != nil {
		return errors.Join(err, s.close(ctx), s.store.Close())
	}
	s.address = listeners[0].Addr()
	work, stop := context.WithCancel(context.Background())
	var background sync.WaitGroup
	runs := []func(context.Context) error{s.metadata.Run, s.expel, tendHeap}
	failed := make(chan error, len(listeners)+1)
	leave := func() {}
	if s.drill {
		s.log.Warn("this is a restored copy: it shows everything, changes nothing and commands no agent; once the original is off for good, restore the backup again with --promote")
		runs = []func(context.Context) error{tendHeap}
		s.metadata.Close()
	} else {
		leave = s.drive(ctx, failed)
	}
	for _, run := range runs {
		background.Add(1)
		go func() {
			defer background.Done()
			_ = run(work)
		}()
	}
	serve := func() {
		for _, l := range listeners {
			go func() {
				failed <- fault.Wrap(l.server.Serve(l.Listener), fault.Unavailable, "serve "+l.Addr().String())
			}()
		}
		s.certify(work)
	}
	if s.drill {
		serve()
	} else {
		err = s.begin(ctx, serve, failed)
	}
	if err == nil && ctx.Err() == nil {
		s.ready.Store(true)
		s.log.Info("kahuna serves", "url", s.cfg.publicURL(), "listen", s.address.String(), "dir", s.cfg.Dir, "epoch", s.epoch().String())
		notify("READY=1")
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	notify("STOPPING=1")
	if err != nil {
		s.log.Error("kahuna stops because it cannot go on", "error", err)
	} else {
		s.log.Info("kahuna stops", "reason", context.Cause(ctx))
	}
	s.handOver()
	s.ready.Store(false)
	stop()
	s.role.Load().retire() // waiting callers get their answer now
	drain, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	var closing sync.WaitGroup
	for _, l := range listeners {
		closing.Go(func() {
			if e := l.server.Shutdown(drain); e != nil {
				s.log.Warn("requests that did not end are cut off", "listener", l.Addr().String(), "error", e)
				_ = l.server.Close()
			}
			_ = l.Close() // of one that never served
		})
	}
	closing.Wait()
	bye, cancel := context.WithTimeout(context.Background(), 3*time.Second) // of its own: slow clients are not the agents' fault
	defer cancel()
	if e := s.close(bye); e != nil {
		s.log.Warn("some agents were not told", "error", e)
	}
	background.Wait()
	s.tls.close()
	s.role.Load().settle(settleAtMost) // while what became of its work can still be written
	leave()
	s.role.Load().wait()
	if e := s.store.Close(); e != nil {
		err = errors.Join(err, e)
	}
	s.log.Info("kahuna stopped")
	return err
}

// settleAtMost is how long a Kahuna that stops waits for work that is about to end, such as a letter that a mail server
// is taking over: if that cannot be written any more, it is done again after the next start.
const settleAtMost = 3 * time.Second

// close ends event streams and says goodbye to the agents.
func (s *Server) close(ctx context.Context) error {
	s.role.Load().retire()
	s.metadata.Close()
	return s.fleet.Close(ctx)
}
