package compute

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"kowabunga/core/fault"
)

// Doors is where clients of screens come in: an address of this host and a range of ports.
type Doors struct {
	Address     net.IP // nil = loopback
	First, Last int    // ports; 0 = any free one
}

// doors are the open ports. Each lets one client through.
type doors struct {
	Doors
	log *slog.Logger

	mu      sync.Mutex
	ctx     context.Context
	cancel  context.CancelFunc
	waiting map[string]net.Listener // by machine
	tasks   sync.WaitGroup
}

func newDoors(where Doors, log *slog.Logger) *doors {
	if where.Address == nil {
		where.Address = net.IPv4(127, 0, 0, 1)
	}
	d := &doors{Doors: where, log: log, waiting: map[string]net.Listener{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// open opens a port for a machine, instead of the one that may be open, and lets the first client that
// connects within life through to socket.
func (d *doors) open(machine, socket string, life time.Duration) (*net.TCPAddr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return nil, fault.New(fault.Unavailable, "this agent is stopping")
	}
	if old := d.waiting[machine]; old != nil {
		_ = old.Close()
	}
	l, err := d.listen()
	if err != nil {
		return nil, err
	}
	d.waiting[machine] = l
	d.tasks.Go(func() { d.guard(machine, socket, l, life) })
	return l.Addr().(*net.TCPAddr), nil
}

// listen takes a free port.
func (d *doors) listen() (*net.TCPListener, error) {
	for port := d.First; port <= d.Last; port++ {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: d.Address, Port: port})
		if err == nil {
			return l, nil
		}
		if port == d.Last {
			return nil, &fault.Error{Code: fault.Unavailable, Message: "no port for a screen is free on this host, or the address for them is not this host's; see display.address and display.ports", Err: err}
		}
	}
	return nil, fault.New(fault.Unavailable, "this host has no ports for screens; see display.ports")
}

// guard waits for the client, closes the port and carries what the two sides say.
func (d *doors) guard(machine, socket string, l *net.TCPListener, life time.Duration) {
	_ = l.SetDeadline(time.Now().Add(life))
	stop := context.AfterFunc(d.ctx, func() { _ = l.Close() })
	defer stop()
	client, err := l.AcceptTCP()
	_ = l.Close()
	d.mu.Lock()
	if d.waiting[machine] == l {
		delete(d.waiting, machine)
	}
	d.mu.Unlock()
	if err != nil {
		return // nobody came, or there is a newer ticket
	}
	defer client.Close()
	var dialer net.Dialer
	screen, err := dialer.DialContext(d.ctx, "unix", socket)
	if err != nil {
		d.log.Warn("the screen of a machine is not there", "machine", machine, "error", err)
		return
	}
	defer screen.Close()
	d.log.Info("screen opened", "machine", machine, "client", client.RemoteAddr().String())
	began := time.Now()
	ended := context.AfterFunc(d.ctx, func() { client.Close(); screen.Close() })
	defer ended()
	carry(client, screen)
	d.log.Info("screen closed", "machine", machine, "client", client.RemoteAddr().String(), "after", time.Since(began).Round(time.Second))
}

// carry copies both ways until either side ends.
func carry(a, b net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, err := io.Copy(way[0], way[1])
			if err == nil || !errors.Is(err, net.ErrClosed) {
				_ = way[0].Close()
				_ = way[1].Close()
			}
		})
	}
	both.Wait()
}

// close ends all of it.
func (d *doors) close() {
	d.cancel()
	d.tasks.Wait()
}
