package kahuna

import (
	"context"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/access"
	"kowabunga/core/access/gate"
	"kowabunga/core/behaviour"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	assets "kowabunga/embed"
	"kowabunga/roles/config"
	"kowabunga/roles/kahuna/api"
	"kowabunga/roles/kahuna/hosts"
	"kowabunga/roles/kahuna/identity"
	"kowabunga/roles/kahuna/mail"
	"kowabunga/roles/kahuna/operate"
	"kowabunga/store"
)

// reign is everything that answers requests and works in the background for as long as this Kahuna has
// one role. Before begin it only shows: nothing is written, no agent gets a command. A role that is over
// is over for good, and what comes next is made anew.
type reign struct {
	s        *Server
	accounts *identity.Accounts
	keeper   *hosts.Keeper
	engine   *operate.Engine
	api      *api.API
	outbox   *mail.Outbox
	registry *prometheus.Registry

	commands atomic.Bool    // begun, and not retired
	calls    sync.WaitGroup // of agents, that nobody waits for any more
	work     sync.WaitGroup

	mu   sync.Mutex
	stop context.CancelFunc // of the work; nil before begin
	over bool               // retired
}

// assemble makes a reign that only shows.
func (s *Server) assemble() (*reign, error) {
	r := &reign{s: s, registry: prometheus.NewRegistry()}
	release := config.Program().Version
	var err error
	r.accounts, err = identity.New(identity.Config{Views: s.store, MasterKey: s.master, SessionLife: s.cfg.SessionLife, SigningAge: s.cfg.SigningAge, Terms: s.cfg.accounts(), Log: s.part("identity"),
		Write: func(ctx context.Context, c identity.Cause, f func(model.Draft) error) error {
			_, err := s.store.Update(ctx, store.Cause{Actor: c.Who.Name, ActorID: string(c.Who.User), From: c.From, What: c.What}, f)
			return err
		}})
	if err != nil {
		return nil, err
	}
	r.keeper = hosts.New(s.store, time.Now, s.part("hosts"))
	r.keeper.Attach(s.fleet)
	agents := caller{s.fleet, &r.calls}
	r.engine = operate.New(operate.Config{Store: s.store, Board: &s.board, Agents: agents, Choose: agents.Choose, Objects: agents.Objects, Settle: s.fleet.Settle, Dismiss: s.dismiss, Log: s.part("operate"),
		Rules: func() behaviour.Config { return *s.rules.Load() }, Policy: func() gate.Policy { return *s.policy.Load() }})
	target := mail.Target{URL: s.cfg.Mail, From: s.cfg.MailFrom}
	if s.cfg.MailPassword.Given() {
		target.Password = func() (string, error) { return s.cfg.MailPassword.Read(os.Stdin) }
	}
	sender, err := mail.Open(target)
	if err != nil {
		return nil, err
	}
	r.outbox = mail.New(mail.Config{Store: s.store, Sender: sender, Log: s.part("mail"), Metrics: r.registry})
	r.api, err = api.New(api.Config{Auth: authenticator{r.accounts}, Sessions: r.accounts, Engine: r.engine, Views: s.store, Journal: api.JournalOf(s.store, tables()), Past: api.PastOf(s.store),
		Live: r.keeper, Standing: r.keeper.Standing, Pair: s.pairStatus, Limit: r.accounts, Docs: assets.Docs(), Version: release, URL: s.cfg.publicURL(), Metrics: r.registry, Log: s.part("api")})
	return r, err
}

// begin starts the work in the background that only the Kahuna that commands does.
func (r *reign) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	work, stop := context.WithCancel(context.Background())
	r.stop = stop
	for _, run := range []func(context.Context) error{r.engine.Run, r.keeper.Run, r.accounts.Run, r.outbox.Run, r.s.backups.Run, r.sweep, r.chooseWitnesses, r.tellPair} {
		r.work.Go(func() { _ = run(work) })
	}
}

// retire sends waiting callers away with the id of their operation, and ends event streams and the work
// in the background. wait tells when that has ended.
func (r *reign) retire() {
	r.mu.Lock()
	r.over = true
	r.commands.Store(false)
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.api.Close()
}

// wait waits until nothing of a reign that was retired is left. Calls to agents end with the right to
// command them.
func (r *reign) wait() {
	r.work.Wait()
	r.calls.Wait()
}

// settle waits until the work of a reign that was retired has ended, but not longer than that.
func (r *reign) settle(atMost time.Duration) {
	ended := make(chan struct{})
	go func() {
		r.work.Wait()
		close(ended)
	}()
	limit := time.NewTimer(atMost)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	}
}

// commanding calls f if this Kahuna commands.
func (s *Server) commanding(f func(*reign)) {
	if r := s.role.Load(); r != nil && r.commands.Load() {
		f(r)
	}
}

// rise makes this Kahuna the one that commands, unless the turn of the epoch is over by then. What it
// showed before goes on.
func (s *Server) rise(ctx context.Context, e lease.Epoch) error {
	r := s.role.Load()
	if err := r.accounts.Begin(ctx); err != nil {
		return err
	}
	if err := s.admitLoss(ctx); err != nil {
		return err
	}
	if !s.permit(r, e) {
		return nil
	}
	r.begin()
	return nil
}

// sink makes this Kahuna one that only shows. Agents stay connected and get no command any more; what
// they work on goes on, and whoever commands next asks for its answer.
func (s *Server) sink(why error) error {
	old := s.role.Load()
	old.retire()
	s.fleet.Rest(why)
	old.wait()
	next, err := s.assemble()
	if err != nil {
		return err
	}
	s.role.Store(next)
	return nil
}

// errNoPrimary is why a Kahuna that does not command refuses what only that one does.
var errNoPrimary = fault.New(fault.Unavailable, "this Kahuna does not command at present")

// sweep forgets logins and links that are over, and replaces the key that signs logins when it is old.
func (r *reign) sweep(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := r.accounts.Sweep(ctx); err != nil {
			r.s.log.Warn("logins and links that are over stay", "error", err)
		}
		if turned, err := r.accounts.RotateByAge(ctx); err != nil {
			r.s.log.Warn("the key that signs logins stays", "error", err)
		} else if turned {
			r.s.log.Info("logins are signed with a new key from now on; those that last go on")
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
