package sandbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// guestMachine is a machine of this sandbox as its Kaktus keeps it.
type guestMachine struct {
	ID   string
	Name string
	Run  bool // should run
}

func (m guestMachine) domain() string { return "kb-" + m.ID }

// machines are those that this sandbox's Kaktus has a record of, by name. There is a record for every
// domain it made: the record comes first.
func (p place) machines() ([]guestMachine, error) {
	files, err := filepath.Glob(p.path("kaktus", "machines", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []guestMachine
	for _, file := range files {
		var record struct {
			Machine struct {
				Machine string `json:"machine"`
				Name    string `json:"name"`
			} `json:"machine"`
			Run bool `json:"run"`
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err == nil {
			err = json.Unmarshal(text, &record)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "read the record "+file)
		}
		out = append(out, guestMachine{ID: record.Machine.Machine, Name: record.Machine.Name, Run: record.Run})
	}
	slices.SortFunc(out, func(a, b guestMachine) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// console is the log of a machine's serial console.
func (p place) console(m guestMachine) string {
	return p.path("kaktus", "console", m.domain()+".log")
}

// alive tells whether the machine's QEMU runs, whatever libvirt knows.
func (m guestMachine) alive() bool {
	return len(processes(func(args []string) bool {
		return slices.ContainsFunc(args, func(arg string) bool {
			return arg == "guest="+m.domain() || strings.HasPrefix(arg, "guest="+m.domain()+",")
		})
	})) > 0
}

// graceWithin is how long machines may take to shut down before their power is taken.
const graceWithin = 15 * time.Second

// haltMachines shuts the machines down through the libvirt at the socket, all at once, and takes the power
// of those that do not obey. With remove their definitions go too. What Kaktus keeps of them stays as it
// is: those that should run start again with it.
func haltMachines(ctx context.Context, socket string, machines []guestMachine, remove bool) error {
	if len(machines) == 0 {
		return nil
	}
	const op = "stop the machines"
	conn, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: "libvirt does not answer at " + socket, Err: err}
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	l := libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn))
	if err := l.ConnectToURI(libvirt.QEMUSystem); err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	defer l.Disconnect()
	return fault.Wrap(halt(ctx, l, machines, remove), fault.Unavailable, op)
}

func halt(ctx context.Context, l *libvirt.Libvirt, machines []guestMachine, remove bool) error {
	var domains []libvirt.Domain
	for _, m := range machines {
		uuid, err := uuidOf(m.ID)
		if err != nil {
			return err
		}
		d, err := l.DomainLookupByUUID(uuid)
		if libvirt.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if d.Name == m.domain() { // a stranger's with our UUID is not touched
			domains = append(domains, d)
		}
	}
	running := func(d libvirt.Domain) bool {
		active, err := l.DomainIsActive(d)
		return err == nil && active != 0
	}
	deadline, press := time.Now().Add(graceWithin), time.Time{}
	for slices.ContainsFunc(domains, running) && time.Now().Before(deadline) {
		if time.Since(press) > 3*time.Second { // a guest that still boots does not hear the first press
			press = time.Now()
			for _, d := range domains {
				_ = l.DomainShutdownFlags(d, libvirt.DomainShutdownAcpiPowerBtn) // the deadline decides
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	var failed error
	for _, d := range domains {
		if running(d) {
			if err := l.DomainDestroyFlags(d, libvirt.DomainDestroyDefault); err != nil && running(d) {
				failed = errors.Join(failed, err)
				continue
			}
		}
		if remove {
			err := l.DomainUndefineFlags(d, libvirt.DomainUndefineManagedSave|libvirt.DomainUndefineSnapshotsMetadata|libvirt.DomainUndefineNvram|libvirt.DomainUndefineCheckpointsMetadata)
			if err != nil && !libvirt.IsNotFound(err) {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

func uuidOf(id string) (libvirt.UUID, error) {
	var uuid libvirt.UUID
	text, err := agentproto.MachineUUID(id)
	if err != nil {
		return uuid, err
	}
	_, err = hex.Decode(uuid[:], []byte(strings.ReplaceAll(text, "-", "")))
	return uuid, err
}
