package kahuna

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/behaviour"
	"kowabunga/core/cost"
	"kowabunga/core/fault"
	record "kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/place"
	assets "kowabunga/embed"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/figures"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/roles/kahuna/hosts"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/mail"
	"kowabunga/roles/kahuna/metadata"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// Server is a Kahuna at work.
type Server struct {
	cfg      Config
	log      *slog.Logger
	level    *slog.LevelVar
	store    *store.Store
	accounts *identity.Accounts
	fleet    *fleet.Fleet
	keeper   *hosts.Keeper
	board    place.Board // follows the store; the engine asks it
	engine   *operate.Engine
	api      *api.API
	outbox   *mail.Outbox
	metadata *metadata.Service
	backups  backupTargets
	registry *prometheus.Registry
	rules    atomic.Pointer[behaviour.Config]
	policy   atomic.Pointer[gate.Policy]
	tls      *certificates
	ready    atomic.Bool
	drill    bool // a restored copy that was not promoted: it shows everything and changes nothing
	started  time.Time
	address  net.Addr // of the public listener, once Run has opened it
	plain    net.Addr // of the one for plain HTTP, where there is one
	calls    sync.WaitGroup
	drain    time.Duration // for answers under way when it stops
}

// open brings everything up but the listeners.
func open(ctx context.Context, cfg Config, log *slog.Logger, level *slog.LevelVar) (*Server, error) {
	s := &Server{cfg: cfg, log: log, level: level, registry: prometheus.NewRegistry(), started: time.Now(), drain: 10 * time.Second}
	if !cfg.PlainHTTP {
		var err error
		if s.tls, err = newCertificates(&s.cfg); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "prepare TLS")
		}
	}
	s.apply(cfg)
	master, err := readSecret(cfg.masterKey())
	if err != nil {
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
	s.store, err = store.Open(store.Options{Dir: cfg.data(), Tables: tables(), SealKey: seal, Log: log.With("part", "store"),
		Retention: store.Retention{Age: cfg.Journal.Age, Bytes: int64(cfg.Journal.Size)}, Follower: &s.board})
	if err != nil {
		return nil, err
	}
	s.drill = s.store.Status().Drill
	if err := s.assemble(ctx, master, secret[:]); err != nil {
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

func (s *Server) assemble(ctx context.Context, master string, secret []byte) error {
	release := config.Program().Version
	part := func(name string) *slog.Logger { return s.log.With("part", name) }
	var err error
	s.accounts, err = identity.New(ctx, identity.Config{Views: s.store, MasterKey: master, SessionLife: s.cfg.SessionLife, SigningAge: s.cfg.SigningAge, Terms: s.cfg.accounts(), Log: part("identity"),
		Write: func(ctx context.Context, c identity.Cause, f func(model.Draft) error) error {
			_, err := s.store.Update(ctx, store.Cause{Actor: c.Who.Name, ActorID: string(c.Who.User), From: c.From, What: c.What}, f)
			return err
		}})
	if err != nil {
		return err
	}
	s.keeper = hosts.New(s.store, time.Now, part("hosts"))
	s.fleet = fleet.New(fleet.Config{Credentials: identity.Agents{Views: s.store}, Epoch: s.store.Epoch, Secret: secret, Release: release,
		Cluster: s.store.Epoch().Node, Log: part("fleet"),
		OnConnect: s.keeper.OnConnect, OnDisconnect: s.keeper.OnDisconnect, OnEvent: s.keeper.OnEvent, OnStatus: s.keeper.OnStatus})
	s.keeper.Attach(s.fleet)
	s.engine = operate.New(operate.Config{Store: s.store, Board: &s.board, Agents: caller{s.fleet, &s.calls}, Log: part("operate"),
		Rules: func() behaviour.Config { return *s.rules.Load() }, Policy: func() gate.Policy { return *s.policy.Load() }})
	s.metadata = metadata.New(metadata.Config{Store: s.store, Cost: cost.Machine, Now: time.Now, Log: part("metadata")})
	target := mail.Target{URL: s.cfg.Mail, From: s.cfg.MailFrom}
	if s.cfg.MailPassword.Given() {
		target.Password = func() (string, error) { return s.cfg.MailPassword.Read(os.Stdin) }
	}
	sender, err := mail.Open(target)
	if err != nil {
		return err
	}
	s.outbox = mail.New(mail.Config{Store: s.store, Sender: sender, Log: part("mail"), Metrics: s.registry})
	if err := s.scheduleBackups(); err != nil {
		return err
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.registry.MustRegister(newMetrics(s), figures.New(s.store))
	s.api, err = api.New(api.Config{Auth: authenticator{s.accounts}, Sessions: s.accounts, Engine: s.engine, Views: s.store, Journal: api.JournalOf(s.store, tables()), Past: api.PastOf(s.store),
		Live: s.keeper, Standing: s.keeper.Standing, Limit: s.accounts, Docs: assets.Docs(), Version: release, URL: s.cfg.publicURL(), Metrics: s.registry, Log: part("api")})
	return err
}

// metadataURL is where machines read their metadata.
func (c *Config) metadataURL() string {
	if c.MetadataURL != "" {
		return strings.TrimSuffix(c.MetadataURL, "/") + record.Path
	}
	return c.publicURL() + record.Path
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

// Run serves until ctx ends, then shuts down: no new requests, waiting callers are sent away with the
// id of their operation, answers under way are finished, agents are told, the store is closed. notify
// reports "READY=1" and the like to a service manager.
func (s *Server) Run(ctx context.Context, notify func(state string)) error {
	listeners, err := s.listen()
	if err != nil {
		return errors.Join(err, s.close(ctx), s.store.Close())
	}
	s.address = listeners[0].Addr()
	work, stop := context.WithCancel(context.Background())
	var background sync.WaitGroup
	runs := []func(context.Context) error{s.engine.Run, s.keeper.Run, s.metadata.Run, s.accounts.Run, s.outbox.Run, s.backups.Run, s.sweep}
	if s.drill {
		s.log.Warn("this is a restored copy: it shows everything, changes nothing and commands no agent; once the original is off for good, restore the backup again with --promote")
		runs = nil
		s.metadata.Close()
	}
	runs = append(runs, tendHeap)
	for _, run := range runs {
		background.Add(1)
		go func() {
			defer background.Done()
			_ = run(work)
		}()
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- l.server.Serve(l.Listener) }()
	}
	s.certify(work)
	s.ready.Store(true)
	s.log.Info("kahuna serves", "url", s.cfg.publicURL(), "listen", s.address.String(), "dir", s.cfg.Dir, "epoch", s.store.Epoch().String())
	notify("READY=1")
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	notify("STOPPING=1")
	if err != nil {
		s.log.Error("kahuna stops: a listener failed", "error", err)
	} else {
		s.log.Info("kahuna stops", "reason", context.Cause(ctx))
	}
	s.ready.Store(false)
	stop() // waiting callers get their answer now
	s.api.Close()
	drain, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	var closing sync.WaitGroup
	for _, l := range listeners {
		closing.Go(func() {
			if e := l.server.Shutdown(drain); e != nil {
				s.log.Warn("requests that did not end are cut off", "listener", l.Addr().String(), "error", e)
				_ = l.server.Close()
			}
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
	s.calls.Wait()
	if e := s.store.Close(); e != nil {
		err = errors.Join(err, e)
	}
	s.log.Info("kahuna stopped")
	return err
}

// close ends event streams and says goodbye to the agents.
func (s *Server) close(ctx context.Context) error {
	s.api.Close()
	s.metadata.Close()
	return s.fleet.Close(ctx)
}

// sweep forgets logins and links that are over, and replaces the key that signs logins when it is old.
func (s *Server) sweep(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := s.accounts.Sweep(ctx); err != nil {
			s.log.Warn("logins and links that are over stay", "error", err)
		}
		if turned, err := s.accounts.RotateByAge(ctx); err != nil {
			s.log.Warn("the key that signs logins stays", "error", err)
		} else if turned {
			s.log.Info("logins are signed with a new key from now on; those that last go on")
		}
	}
}

// authenticator accepts whoever came through the socket as local root, others by their credentials.
type authenticator struct{ accounts *identity.Accounts }

type localKey struct{}

func (a authenticator) Authenticate(r *http.Request) (access.Identity, error) {
	if r.Context().Value(localKey{}) != nil {
		return access.Identity{Name: "local root", Role: model.RoleSuperAdmin}, nil
	}
	return a.accounts.Authenticate(r)
}
