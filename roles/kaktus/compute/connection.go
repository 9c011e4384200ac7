package compute

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/digitalocean/go-libvirt"

	"kowabunga/core/fault"
)

const (
	dialWithin = 10 * time.Second
	waitFor    = 15 * time.Second // for libvirt to be reachable, when a call comes while it is not
	// callWithin is how long one call may take. Destroying a guest whose QEMU is stuck in the kernel
	// takes libvirt up to 40 s; beyond this the daemon hangs, and the connection is given up.
	callWithin = 90 * time.Second
)

// connection is the one connection to libvirt, replaced when it breaks. Callers never hold it: each
// call takes the one of the moment.
type connection struct {
	socket string

	mu      sync.Mutex
	current *session
	changed chan struct{} // closed at the next set
}

// session is one connection. gone is closed when it ended.
type session struct {
	lv    *libvirt.Libvirt
	conn  net.Conn
	once  sync.Once
	gone  chan struct{}
	ended <-chan struct{} // the client has cleaned up
}

// dial makes a connection; it is not used before set.
func (c *connection) dial() (*session, error) {
	s := &session{gone: make(chan struct{})}
	d := dialer(func() (net.Conn, error) {
		conn, err := net.DialTimeout("unix", c.socket, dialWithin)
		if err != nil {
			return nil, err
		}
		s.conn = &watchedConn{Conn: conn, lost: func() { s.once.Do(func() { close(s.gone) }) }}
		return s.conn, nil
	})
	s.lv = libvirt.NewWithDialer(d)
	// A daemon that accepts and says nothing must not hold the agent.
	timer := time.AfterFunc(dialWithin, s.close)
	defer timer.Stop()
	if err := s.lv.ConnectToURI(libvirt.QEMUSystem); err != nil {
		s.close()
		return nil, err
	}
	s.ended = s.lv.Disconnected()
	return s, nil
}

type dialer func() (net.Conn, error)

func (d dialer) Dial() (net.Conn, error) { return d() }

// watchedConn tells when reading or writing ended, by whichever side.
type watchedConn struct {
	net.Conn
	lost func()
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost()
	}
	return n, err
}

func (w *watchedConn) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.lost()
	}
	return n, err
}

// over tells whether the connection has ended, though it may not have been replaced yet.
func (s *session) over() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// close ends the connection at once; pending calls fail.
func (s *session) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.ended != nil {
		select {
		case <-s.ended:
		case <-time.After(dialWithin): // a connection lost at the very start is never said to have ended
		}
	}
}

func (c *connection) set(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = s
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *connection) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current != nil
}

// get waits a little for a connection.
func (c *connection) get(ctx context.Context) (*session, error) {
	limit := time.NewTimer(waitFor)
	defer limit.Stop()
	for {
		c.mu.Lock()
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		s, changed := c.current, c.changed
		c.mu.Unlock()
		if s != nil && !s.over() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fault.From(context.Cause(ctx))
		case <-limit.C:
			return nil, fault.New(fault.Unavailable, "libvirt is not reachable on this host; look at its service")
		}
	}
}

// do runs one piece of work against libvirt and turns its errors into faults. Work that was begun is
// waited for, also when ctx ends meanwhile: leaving it would let it happen after its turn is over.
func (c *connection) do(ctx context.Context, op string, work func(*libvirt.Libvirt) error) error {
	s, err := c.get(ctx)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, op)
	}
	timer := time.AfterFunc(callWithin, func() { s.conn.Close() })
	defer timer.Stop()
	return explain(op, work(s.lv))
}

// codes are libvirt's errors (virErrorNumber) that mean something to the caller.
var codes = map[libvirt.ErrorNumber]struct {
	code fault.Code
	says string
}{
	libvirt.ErrNoDomain:          {fault.NotFound, "this host has no such machine"},
	libvirt.ErrOperationInvalid:  {fault.Conflict, "the machine's present state forbids it"},
	libvirt.ErrDomExist:          {fault.Conflict, "another domain has this name or UUID"},
	libvirt.ErrResourceBusy:      {fault.Conflict, "something the machine needs is in use"},
	libvirt.ErrNoMemory:          {fault.Exhausted, "the host has too little memory"},
	libvirt.ErrInvalidArg:        {fault.Invalid, "libvirt does not accept it"},
	libvirt.ErrXMLError:          {fault.Invalid, "libvirt does not accept the machine's definition"},
	libvirt.ErrXMLDetail:         {fault.Invalid, "libvirt does not accept the machine's definition"},
	libvirt.ErrXMLInvalidSchema:  {fault.Invalid, "libvirt does not accept the machine's definition"},
	libvirt.ErrConfigUnsupported: {fault.Invalid, "this host's libvirt or QEMU cannot do what the machine asks for"},
	libvirt.ErrCPUIncompatible:   {fault.Invalid, "this host's processor cannot do what the machine asks for"},
	libvirt.ErrOperationTimeout:  {fault.Unavailable, "libvirt was busy for too long; try again"},
	libvirt.ErrAgentUnresponsive: {fault.Unavailable, "the guest agent does not answer"},
	libvirt.ErrRPC:               {fault.Unavailable, "libvirt cannot be talked to; try again"},
	libvirt.ErrAuthFailed:        {fault.Denied, "libvirt refuses this agent; it has to run as root"},
	libvirt.ErrAccessDenied:      {fault.Denied, "libvirt refuses this agent; it has to run as root"},
}

// explain gives an error of libvirt a code. Its own text may show paths of the host and stays a cause.
func explain(op string, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.Wrap(err, fault.Internal, op)
	}
	var e libvirt.Error
	if errors.As(err, &e) {
		if c, ok := codes[libvirt.ErrorNumber(e.Code)]; ok {
			return &fault.Error{Code: c.code, Op: op, Message: c.says, Err: err}
		}
		return &fault.Error{Code: fault.Internal, Op: op, Message: "libvirt could not do it; the agent's log on this host says why", Err: err}
	}
	var network net.Error
	if errors.Is(err, libvirt.ErrInterrupted) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.As(err, &network) {
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: "the connection to libvirt was lost; try again", Err: err}
	}
	return fault.Wrap(err, fault.Internal, op)
}
