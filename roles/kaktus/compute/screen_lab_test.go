//go:build lab

package compute

import (
	"bufio"
	"bytes"
	"crypto/des"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// viewer is a client of RFC 6143, as far as the screen's size.
type viewer struct {
	net.Conn
	r *bufio.Reader
}

var errPassword = errors.New("the password is refused")

// view connects, proves itself with a password and returns the screen's size.
func view(network, address, password string) (v viewer, width, height int, err error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return v, 0, 0, err
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	v = viewer{conn, bufio.NewReader(conn)}
	fail := func(err error) (viewer, int, int, error) { conn.Close(); return v, 0, 0, err }
	version := make([]byte, 12) // section 7.1.1
	if _, err := io.ReadFull(v.r, version); err != nil {
		return fail(err)
	}
	if string(version) != "RFB 003.008\n" {
		return fail(fmt.Errorf("it says %q", version))
	}
	if _, err := conn.Write(version); err != nil {
		return fail(err)
	}
	n, err := v.r.ReadByte() // section 7.1.2
	if err != nil {
		return fail(err)
	}
	types := make([]byte, n)
	if _, err := io.ReadFull(v.r, types); err != nil {
		return fail(err)
	}
	if !bytes.Equal(types, []byte{2}) {
		return fail(fmt.Errorf("it offers the security types %v; only 2, the password, is wanted", types))
	}
	if _, err := conn.Write([]byte{2}); err != nil {
		return fail(err)
	}
	challenge := make([]byte, 16) // section 7.2.2
	if _, err := io.ReadFull(v.r, challenge); err != nil {
		return fail(err)
	}
	var key [8]byte
	copy(key[:], password)
	for i := range key {
		key[i] = bits.Reverse8(key[i])
	}
	cipher, err := des.NewCipher(key[:])
	if err != nil {
		return fail(err)
	}
	cipher.Encrypt(challenge[:8], challenge[:8])
	cipher.Encrypt(challenge[8:], challenge[8:])
	if _, err := conn.Write(challenge); err != nil {
		return fail(err)
	}
	var result uint32 // section 7.1.3
	if err := binary.Read(v.r, binary.BigEndian, &result); err != nil {
		return fail(err)
	}
	if result != 0 {
		return fail(errPassword)
	}
	if _, err := conn.Write([]byte{1}); err != nil { // shared
		return fail(err)
	}
	var size struct{ Width, Height uint16 } // section 7.3.2
	if err := binary.Read(v.r, binary.BigEndian, &size); err != nil {
		return fail(err)
	}
	return v, int(size.Width), int(size.Height), nil
}

func at(t agentproto.MachineTicket) string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// A23, W-KAK-8: a real machine's screen opens by a ticket alone, once, and its socket lets nobody in without.
func TestScreen(t *testing.T) {
	b := newBench(t)
	id, disk := newID(), agentproto.VolumeRef{Pool: b.pool, Volume: newID()}
	if _, err := b.store.Create(t.Context(), agentproto.VolumeCreate{VolumeRef: disk, Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	m := agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: id}, Name: "screen", OS: "linux", VCPUs: 1, Memory: 64 << 20,
		Disks: []agentproto.Disk{{VolumeRef: disk}}, Run: true}
	if _, err := b.host.Connect(t.Context(), m.MachineRef); !fault.Is(err, fault.NotFound) {
		t.Errorf("of no machine: %v", err)
	}
	if _, err := b.host.Define(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := b.host.Connect(t.Context(), m.MachineRef); !fault.Is(err, fault.Conflict) {
		t.Errorf("of a machine that is off: %v", err)
	}
	b.power(id, agentproto.PowerStart, 0)
	var text string
	if err := b.host.conn.do(t.Context(), "look", func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err == nil {
			text, err = lv.DomainGetXMLDesc(d, libvirt.DomainXMLSecure)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, socket, err := admit(text, "", time.Now())
	if err != nil || socket == "" {
		t.Fatalf("%q, %v: %s", socket, err, text)
	}
	if r, ok := b.host.book.get(id); !ok || r.Machine.Machine != id {
		t.Fatal("no record")
	}
	for _, guess := range []string{"", "ABCDEFGH"} {
		if _, _, _, err := view("unix", b.host.within(t.Context(), socket), guess); !errors.Is(err, errPassword) {
			t.Errorf("before a ticket, with %q: %v", guess, err)
		}
	}
	first, err := b.host.Connect(t.Context(), m.MachineRef)
	if err != nil {
		t.Fatal(err)
	}
	v, width, height, err := view("tcp", at(first), first.Password)
	if err != nil || width < 320 || height < 200 {
		t.Fatalf("%d x %d, %v", width, height, err)
	}
	defer v.Close()
	if _, _, _, err := view("tcp", at(first), first.Password); err == nil || errors.Is(err, errPassword) {
		t.Errorf("the ticket worked twice: %v", err)
	}
	second, err := b.host.Connect(t.Context(), m.MachineRef)
	if err != nil {
		t.Fatal(err)
	}
	if second.Password == first.Password {
		t.Error("both tickets have one password")
	}
	if _, _, _, err := view("tcp", at(second), first.Password); !errors.Is(err, errPassword) {
		t.Errorf("the first password at the second ticket: %v", err)
	}
	// Who is in stays in: the pointer moves and the size is told again when asked (section 7.5.3).
	if _, err := v.Write([]byte{3, 0, 0, 0, 0, 0, 0, 1, 0, 1}); err != nil {
		t.Error(err)
	}
	if kind, err := skipInit(v); err != nil || kind != 0 {
		t.Errorf("an update of the screen: %d, %v", kind, err)
	}
	b.power(id, agentproto.PowerStop, 0)
	if _, err := io.Copy(io.Discard, v.r); err != nil {
		t.Logf("the end of the screen: %v", err)
	}
}

// skipInit reads past the rest of the server's first message and returns the type of the next.
func skipInit(v viewer) (byte, error) {
	if _, err := v.r.Discard(16); err != nil { // pixel format
		return 0, err
	}
	var name uint32
	if err := binary.Read(v.r, binary.BigEndian, &name); err != nil {
		return 0, err
	}
	if _, err := v.r.Discard(int(name)); err != nil {
		return 0, err
	}
	return v.r.ReadByte()
}

// A machine that an earlier release defined and started says so, and has its screen after its next start.
func TestScreenOfAnOlderMachine(t *testing.T) {
	b := newBench(t)
	id, disk := newID(), agentproto.VolumeRef{Pool: b.pool, Volume: newID()}
	if _, err := b.store.Create(t.Context(), agentproto.VolumeCreate{VolumeRef: disk, Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	m := agentproto.Machine{MachineRef: agentproto.MachineRef{Machine: id}, Name: "older", OS: "linux", VCPUs: 1, Memory: 64 << 20,
		Disks: []agentproto.Disk{{VolumeRef: disk}}, Run: true}
	if _, err := b.host.Define(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := b.host.conn.do(t.Context(), "take the screen away", func(lv *libvirt.Libvirt) error {
		d, err := lookup(lv, id)
		if err != nil {
			return err
		}
		text, err := lv.DomainGetXMLDesc(d, libvirt.DomainXMLSecure)
		if err != nil {
			return err
		}
		var older libvirtxml.Domain
		if err := older.Unmarshal(text); err != nil {
			return err
		}
		older.Devices.Graphics, older.Devices.Videos, older.Devices.Inputs, older.Devices.Audios = nil, nil, nil, nil
		if text, err = older.Marshal(); err == nil {
			_, err = lv.DomainDefineXML(text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b.power(id, agentproto.PowerStart, 0)
	if _, err := b.host.Connect(t.Context(), m.MachineRef); !fault.Is(err, fault.Conflict) {
		t.Fatalf("before its next start: %v", err)
	}
	b.power(id, agentproto.PowerStop, 0)
	b.power(id, agentproto.PowerStart, 0)
	ticket, err := b.host.Connect(t.Context(), m.MachineRef)
	if err != nil {
		t.Fatal(err)
	}
	v, _, _, err := view("tcp", at(ticket), ticket.Password)
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
}
