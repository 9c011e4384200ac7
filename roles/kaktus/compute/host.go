package compute

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/block"
	"kowabunga/roles/kaktus/turn"
)

// Config is what a host decides about its machines.
type Config struct {
	Socket     string // libvirt's local socket
	StateDir   string // records of the machines: StateDir/machines
	ConsoleDir string // logs of the serial consoles; QEMU's user must be able to pass through it
	Accel      Accel  // what Probe found
	Firmware   string // FirmwareAuto, also when empty, or FirmwareBIOS
	Log        *slog.Logger

	// Where the disks and configuration disks of machines are.
	Disk func(agentproto.VolumeRef) (block.Location, error)
	Seed func(agentproto.VolumeRef) (block.Location, error)

	// Report is told whenever a machine's state changed; it must not wait. Connected is told when
	// libvirt was reached, for the whole inventory may differ then.
	Report    func(agentproto.MachineStatus)
	Connected func()

	// Guard is called when cards of machines have become others, before libvirt makes them: what keeps
	// machines from sending under others' addresses has to be there first.
	Guard func()

	Doors Doors // where clients of screens come in

	Grace time.Duration // for shutdown and reboot that name none; 0 = one minute
}

// Host is the machines of this host.
type Host struct {
	cfg   Config
	log   *slog.Logger
	turns turn.Turns
	conn  connection
	book  book

	mu       sync.Mutex
	acting   map[string]int           // machines that a power action is on, whose stops mean nothing
	news     map[string]chan struct{} // closed when something happened to a machine
	reported map[string]agentproto.MachineStatus
	revived  bool // machines were started again in this process

	background sync.WaitGroup // calls nobody waits for
	doors      *doors
}

// New opens the records. Run has to run for anything to happen.
func New(cfg Config) (*Host, error) {
	if cfg.Grace <= 0 {
		cfg.Grace = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Report == nil {
		cfg.Report = func(agentproto.MachineStatus) {}
	}
	if cfg.Connected == nil {
		cfg.Connected = func() {}
	}
	if cfg.Guard == nil {
		cfg.Guard = func() {}
	}
	if !filepath.IsAbs(cfg.Socket) {
		return nil, fault.Bad("libvirt.socket", "%q is not the path of a local socket", cfg.Socket)
	}
	if !filepath.IsAbs(cfg.ConsoleDir) {
		return nil, fault.Bad("consoleDir", "%q is not an absolute path", cfg.ConsoleDir)
	}
	// Console logs are for the agent and QEMU's user; others can pass through but not look around.
	if err := os.MkdirAll(cfg.ConsoleDir, 0o711); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "make the console directory")
	}
	h := &Host{
		cfg: cfg, log: cfg.Log, conn: connection{socket: cfg.Socket},
		doors:  newDoors(cfg.Doors, cfg.Log),
		acting: map[string]int{}, news: map[string]chan struct{}{}, reported: map[string]agentproto.MachineStatus{},
	}
	var err error
	h.book, err = openBook(filepath.Join(cfg.StateDir, "machines"))
	return h, err
}

// Run keeps the connection to libvirt until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer h.background.Wait()
	defer h.doors.close()
	defer tasks.Wait()
	tasks.Go(func() { h.trimConsoles(ctx) })
	said := ""
	for wait := time.Duration(0); ; wait = min(max(2*wait, 250*time.Millisecond), 10*time.Second) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		s, err := h.conn.dial()
		if err != nil {
			if err.Error() != said { // once, not at every try
				h.log.Warn("libvirt is not reachable; trying again until it is", "socket", h.cfg.Socket, "error", err)
				said = err.Error()
			}
			continue
		}
		wait, said = 0, ""
		if err := h.session(ctx, s); err != nil {
			h.log.Warn("connection to libvirt lost", "error", err)
		}
	}
}

// session serves one connection until it is lost or ctx ends.
func (h *Host) session(ctx context.Context, s *session) error {
	defer s.close()
	// The subscription is never cancelled: it ends with the connection. Cancelling it alone can lock
	// up the client's reader.
	events, err := s.lv.LifecycleEvents(context.Background())
	if err != nil {
		return err
	}
	var pump sync.WaitGroup
	pump.Go(func() {
		for e := range events {
			h.observe(e)
		}
	})
	defer pump.Wait()
	defer s.close()
	h.conn.set(s)
	defer h.conn.set(nil)
	h.log.Info("connected to libvirt", "socket", h.cfg.Socket)
	if err := h.refresh(ctx); err != nil {
		h.log.Warn("machines cannot be listed", "error", err)
		return err
	}
	h.cfg.Connected()
	pump.Go(func() { h.revive(ctx) })
	select {
	case <-ctx.Done():
		return nil
	case <-s.gone:
		return fault.New(fault.Unavailable, "libvirt closed the connection")
	}
}

// refresh looks at all machines after a new connection: events may have been missed.
func (h *Host) refresh(ctx context.Context) error {
	statuses, _, err := h.machines(ctx)
	if err != nil {
		return err
	}
	for _, st := range statuses {
		h.report(st.Machine)
		h.wake(st.Machine)
	}
	return nil
}

// revive starts, once in the life of this process, the machines that should run and are off because
// the host or its libvirt came up anew. Kahuna is not needed for it.
func (h *Host) revive(ctx context.Context) {
	h.mu.Lock()
	done := h.revived
	h.revived = true
	h.mu.Unlock()
	if done {
		return
	}
	statuses, _, err := h.machines(ctx)
	if err != nil {
		h.log.Error("machines that should run cannot be found", "error", err)
		h.mu.Lock()
		h.revived = false
		h.mu.Unlock()
		return
	}
	var tasks sync.WaitGroup
	slots := make(chan struct{}, 2) // a host that boots has enough to do
	for _, st := range statuses {
		r, ok := h.book.get(st.Machine)
		if !ok || !r.Run || !r.Ran || st.State != agentproto.StateShutoff || st.Reason != reasonUnknown && !r.Cut {
			continue
		}
		tasks.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			h.log.Info("starting a machine that should run", "machine", st.Machine)
			if _, err := h.Power(ctx, agentproto.MachinePower{MachineRef: st.MachineRef, Action: agentproto.PowerStart}); err != nil {
				h.log.Error("machine that should run did not start", "machine", st.Machine, "error", err)
			}
		})
	}
	tasks.Wait()
}

// Inventory lists this host's machines, and how many domains are somebody else's.
func (h *Host) Inventory(ctx context.Context) ([]agentproto.MachineStatus, int, error) {
	return h.machines(ctx)
}

// Defined lists the network cards of this host's machines, by machine, as they were defined last.
func (h *Host) Defined() map[string][]agentproto.NIC {
	cards := map[string][]agentproto.NIC{}
	for id, r := range h.book.all() {
		if len(r.Machine.NICs) > 0 {
			cards[id] = r.Machine.NICs
		}
	}
	return cards
}

func (h *Host) machines(ctx context.Context) ([]agentproto.MachineStatus, int, error) {
	statuses, foreign := []agentproto.MachineStatus{}, 0
	err := h.conn.do(ctx, "list machines", func(lv *libvirt.Libvirt) error {
		domains, _, err := lv.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive|libvirt.ConnectListDomainsInactive)
		if err != nil {
			return err
		}
		for _, d := range domains {
			id, ok := machineID(d)
			if !ok {
				foreign++
				continue
			}
			state, reason, err := lv.DomainGetState(d, 0)
			if libvirt.IsNotFound(err) {
				continue // gone meanwhile
			}
			if err != nil {
				return err
			}
			statuses = append(statuses, h.status(id, state, reason))
		}
		return nil
	})
	return statuses, foreign, err
}

// Reachable tells whether libvirt is connected now.
func (h *Host) Reachable() bool { return h.conn.connected() }
