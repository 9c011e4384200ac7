//go:build lab

package compute

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/vishvananda/netlink"

	"kowabunga/core/agentproto"
	"kowabunga/roles/kaktus/block"
	"kowabunga/testdata/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

func newID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// bench is a host with real libvirt, a pool and a bridge.
type bench struct {
	t      *testing.T
	dir    string
	pool   string
	bridge string
	store  *block.Store
	host   *Host

	mu     sync.Mutex
	told   []agentproto.MachineStatus
	more   chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), pool: newID(), bridge: fmt.Sprintf("kbt%d", os.Getpid()), more: make(chan struct{}, 1)}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = b.bridge
	link := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(link) })
	for _, sub := range []string{"pool", "state"} {
		if err := os.Mkdir(filepath.Join(b.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	b.store, err = block.New(block.Config{
		Pools: map[string]string{"local": filepath.Join(b.dir, "pool")}, StateDir: filepath.Join(b.dir, "state"),
		Import: block.Import{Dirs: []string{filepath.Dir(lab.GuestImage(t).Path)}},
		Grow: func(ctx context.Context, machine, path string, size int64, offline func() error) error {
			return b.host.GrowDisk(ctx, machine, path, size, offline)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if problems := b.store.Apply([]agentproto.Pool{{ID: b.pool, Driver: "dir", Name: "local"}}); len(problems) > 0 {
		t.Fatal(problems)
	}
	b.up(lab.Libvirt(t))
	t.Cleanup(func() {
		for id := range b.host.book.all() {
			if err := b.host.Delete(context.Background(), id); err != nil {
				t.Errorf("machine %s is left: %v", id, err)
			}
		}
		b.down()
	})
	return b
}

// up starts the agent's half, down ends it; the machines do not notice.
func (b *bench) up(socket string) {
	b.t.Helper()
	h, err := New(Config{
		Socket: socket, StateDir: filepath.Join(b.dir, "state"), ConsoleDir: filepath.Join(b.dir, "console"), Accel: Accel{Kind: AccelTCG},
		Disk: b.store.Locate, Seed: b.store.LocateSeed,
		Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
		Report: func(st agentproto.MachineStatus) {
			b.mu.Lock()
			b.told = append(b.told, st)
			b.mu.Unlock()
			select {
			case b.more <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.host, b.cancel, b.ended = h, cancel, make(chan struct{})
	go func() {
		defer close(b.ended)
		h.Run(ctx)
	}()
}

func (b *bench) down() {
	b.cancel()
	<-b.ended
}

// hear waits until a machine is told to be in a state.
func (b *bench) hear(id, state, reason string) agentproto.MachineStatus {
	b.t.Helper()
	deadline := time.After(time.Minute)
	for {
		b.mu.Lock()
		for _, st := range b.told {
			if st.Machine == id && st.State == state && (reason == "" || st.Reason == reason) {
				b.mu.Unlock()
				return st
			}
		}
		told := fmt.Sprint(b.told)
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-deadline:
			b.t.Fatalf("nobody told that machine %s is %s (%s); told: %s", id, state, reason, told)
		}
	}
}

func (b *bench) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = nil
}

// blank defines a machine with an empty disk: it never gets further than its firmware.
func (b *bench) blank() agentproto.Machine {
	b.t.Helper()
	disk := agentproto.VolumeRef{Pool: b.pool, Volume: newID()}
	if _, err := b.store.Create(b.t.Context(), agentproto.VolumeCreate{VolumeRef: disk, Size: 1 << 20}); err != nil {
		b.t.Fatal(err)
	}
	m := agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: newID()}, Name: "blank", VCPUs: 1, Memory: 32 << 20, Disks: []agentproto.Disk{{VolumeRef: disk}}, Run: true}
	st, err := b.host.Define(b.t.Context(), m)
	if err != nil || !st.Known || st.State != agentproto.StateShutoff || st.Accel != AccelTCG {
		b.t.Fatalf("%+v, %v", st, err)
	}
	return m
}

func (b *bench) power(id string, action agentproto.Power, grace time.Duration) agentproto.MachineStatus {
	b.t.Helper()
	st, err := b.host.Power(b.t.Context(), agentproto.MachinePower{MachineRef: agentproto.MachineRef{Machine: id}, Action: action, Grace: grace.Milliseconds()})
	if err != nil {
		b.t.Fatalf("%s: %v", action, err)
	}
	return st
}

// console waits until a guest has printed a line after offset, and returns all since then and where
// it ends.
func (b *bench) console(id, line string, offset int64) (string, int64) {
	b.t.Helper()
	var text strings.Builder
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(text.String(), line) {
		out, err := b.host.Console(agentproto.MachineConsole{MachineRef: agentproto.MachineRef{Machine: id}, Offset: offset})
		if err != nil || time.Now().After(deadline) {
			b.t.Fatalf("the guest never said %q, %v; it said:\n%s", line, err, text.String())
		}
		text.Write(out.Data)
		offset = out.Next
		if len(out.Data) == 0 {
			<-tick.C
		}
	}
	return text.String(), offset
}

// direct is a connection of somebody else.
func direct(t *testing.T) *libvirt.Libvirt {
	t.Helper()
	c := connection{socket: lab.Libvirt(t)}
	s, err := c.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s.lv
}

func (b *bench) domain(id string) libvirt.Domain {
	b.t.Helper()
	d, err := lookup(direct(b.t), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// qemu is the process of a machine.
func (b *bench) qemu(id string) int {
	b.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), "guest="+domainName(id)+",") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err == nil {
				return pid
			}
		}
	}
	b.t.Fatalf("machine %s has no QEMU", id)
	return 0
}
