package compute

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// ticketLife is how long a ticket waits for its client.
const ticketLife = time.Minute

// never is a time at which every password has expired; QEMU then refuses all, as with none it would let
// everybody in.
const never = "1970-01-01T00:00:01"

// password draws what a client of the screen proves itself with: 8 characters are all the protocol takes
// (RFC 6143 section 7.2.2), here 40 bits, for one connection within a minute.
func password() string { return rand.Text()[:8] }

// screen is the machine's display. It is a local socket that only root and QEMU reach; the password it is
// made with has expired.
func screen(secret string) []libvirtxml.DomainGraphic {
	return []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{Passwd: secret, PasswdValidTo: never,
		Listeners: []libvirtxml.DomainGraphicListener{{Socket: &libvirtxml.DomainGraphicListenerSocket{}}}}}}
}

// Connect makes a ticket for a machine's screen: a password of its own, and a port on which one client is
// let through to it. A ticket ends the one before that nobody used.
func (h *Host) Connect(ctx context.Context, want agentproto.MachineRef) (agentproto.MachineTicket, error) {
	id := want.Machine
	op := "open the screen of machine " + id
	none := agentproto.MachineTicket{}
	st, err := h.State(ctx, id)
	switch {
	case err != nil:
		return none, fault.Wrap(err, fault.Internal, op)
	case !st.Known:
		return none, &fault.Error{Code: fault.NotFound, Op: op, Message: "this host has no such machine"}
	case st.State != agentproto.StateRunning && st.State != agentproto.StatePaused:
		return none, &fault.Error{Code: fault.Conflict, Op: op, Message: "the machine is off; start it first"}
	}
	secret, socket := password(), ""
	err = h.conn.do(ctx, op, func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err != nil {
			return err
		}
		text, err := lv.DomainGetXMLDesc(d, 0)
		if err != nil {
			return err
		}
		update, path, err := admit(text, secret, time.Now().Add(ticketLife))
		if err != nil || update == "" {
			return err
		}
		socket = path
		return lv.DomainUpdateDeviceFlags(d, update, libvirt.DomainDeviceModifyLive)
	})
	if err != nil {
		return none, err
	}
	if socket == "" {
		// Machines that an earlier release defined have no screen. They get one with their next start.
		if r, ok := h.book.get(id); ok {
			if _, err := h.Define(ctx, r.Machine); err != nil {
				return none, fault.Wrap(err, fault.Internal, op)
			}
		}
		return none, &fault.Error{Code: fault.Conflict, Op: op, Message: "the machine started before it had a screen; it has one after its next start"}
	}
	address, err := h.doors.open(id, h.within(ctx, socket), ticketLife)
	if err != nil {
		return none, fault.Wrap(err, fault.Unavailable, op)
	}
	return agentproto.MachineTicket{Protocol: "vnc", Host: address.IP.String(), Port: address.Port, Password: secret, Expires: int64(ticketLife / time.Second)}, nil
}

// admit makes the change of a running domain's screen that lets clients with a password in until a time,
// and finds the socket. Both are empty for a domain without a screen of ours.
func admit(domain, secret string, until time.Time) (update, socket string, err error) {
	var d libvirtxml.Domain
	if err := d.Unmarshal(domain); err != nil {
		return "", "", fault.Wrap(err, fault.Internal, "read the machine's definition")
	}
	if d.Devices == nil {
		return "", "", nil
	}
	for _, g := range d.Devices.Graphics {
		if g.VNC == nil {
			continue
		}
		for _, l := range g.VNC.Listeners {
			if l.Socket != nil && l.Socket.Socket != "" {
				socket = l.Socket.Socket
			}
		}
		if socket == "" {
			continue // not ours: libvirt gives those that listen on the network none
		}
		g.VNC.Passwd, g.VNC.PasswdValidTo, g.VNC.Connected = secret, until.UTC().Format("2006-01-02T15:04:05"), "keep"
		update, err := g.Marshal()
		return update, socket, fault.Wrap(err, fault.Internal, "write the change of the screen")
	}
	return "", "", nil
}

// within is a path at which this process finds a socket of libvirt's. A libvirt in a mount namespace of its
// own, as the sandbox has, is looked into through its process (proc_pid_root(5)).
func (h *Host) within(ctx context.Context, socket string) string {
	if _, err := os.Stat(socket); err == nil {
		return socket
	}
	s, err := h.conn.get(ctx)
	if err != nil {
		return socket
	}
	watched, ok := s.conn.(*watchedConn)
	if !ok {
		return socket
	}
	unixConn, ok := watched.Conn.(*net.UnixConn)
	if !ok {
		return socket
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return socket
	}
	inside := socket
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			inside = "/proc/" + strconv.Itoa(int(cred.Pid)) + "/root" + socket
		}
	})
	return inside
}
