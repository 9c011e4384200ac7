//go:build lab

package guard

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// The machine whose card is looked at, its neighbour, and a third that nobody has.
var (
	ownMAC, otherMAC = mac("da:1e:70:00:00:05"), mac("da:1e:70:00:00:06")
	broadcast        = mac("ff:ff:ff:ff:ff:ff")
	own, other       = netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6")
	own6, other6     = netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("2001:db8::6")
	local, router    = netip.MustParseAddr("fe80::d81e:70ff:fe00:5"), netip.MustParseAddr("fe80::1")
	nobody           = netip.MustParseAddr("0.0.0.0")
)

func mac(text string) net.HardwareAddr {
	m, err := net.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return m
}

// frame is what a guest sends. Its end is a cookie by which it is known again.
type frame struct {
	says   string
	bytes  []byte
	reason Reason // it is kept back for; empty when it passes
}

func ethernet(from net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(broadcast, from, be(kind), payload)
}

func be(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func arp(senderMAC net.HardwareAddr, sender netip.Addr) []byte {
	return slices.Concat(be(1), be(0x0800), []byte{6, 4}, be(1), senderMAC, sender.AsSlice(), make([]byte, 6), other.AsSlice())
}

func udp(from, to uint16) []byte { return slices.Concat(be(from), be(to), be(16), be(0)) }

// ip4 and ip6 have room for the cookie in what they carry.
func ip4(from netip.Addr, datagram []byte) []byte {
	header := slices.Concat([]byte{0x45, 0}, be(uint16(28+len(datagram))), be(0), be(0), []byte{64, unix.IPPROTO_UDP}, be(0), from.AsSlice(), []byte{255, 255, 255, 255})
	sum := uint32(0) // RFC 1071
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	copy(header[10:], be(^uint16(sum+sum>>16)))
	return append(header, datagram...)
}

func ip6(from netip.Addr, next byte, payload []byte) []byte {
	all := netip.MustParseAddr("ff02::1")
	return slices.Concat([]byte{0x60, 0, 0, 0}, be(uint16(8+len(payload))), []byte{next, 255}, from.AsSlice(), all.AsSlice(), payload)
}

func icmp6(kind byte, about netip.Addr) []byte {
	return slices.Concat([]byte{kind, 0}, be(0), make([]byte, 4), about.AsSlice())
}

// hopByHop puts a hop-by-hop header (RFC 8200 section 4.3) of padding before a header.
func hopByHop(next byte, payload []byte) []byte {
	return slices.Concat([]byte{next, 0, 1, 4, 0, 0, 0, 0}, payload)
}

var frames = []frame{
	{"IPv4 of its own", ethernet(ownMAC, 0x0800, ip4(own, udp(1000, 2000))), ""},
	{"IPv4 under its neighbour's MAC", ethernet(otherMAC, 0x0800, ip4(own, udp(1000, 2000))), MAC},
	{"IPv4 under its neighbour's address", ethernet(ownMAC, 0x0800, ip4(other, udp(1000, 2000))), Address},
	{"IPv4 without address that is no DHCP", ethernet(ownMAC, 0x0800, ip4(nobody, udp(1000, 2000))), Address},
	{"DHCP discover", ethernet(ownMAC, 0x0800, ip4(nobody, udp(68, 67))), ""},
	{"DHCP renewal", ethernet(ownMAC, 0x0800, ip4(own, udp(68, 67))), ""},
	{"DHCP offer", ethernet(ownMAC, 0x0800, ip4(own, udp(67, 68))), DHCP},
	{"ARP of its own", ethernet(ownMAC, 0x0806, arp(ownMAC, own)), ""},
	{"ARP probe", ethernet(ownMAC, 0x0806, arp(ownMAC, nobody)), ""},
	{"ARP for its neighbour's address", ethernet(ownMAC, 0x0806, arp(ownMAC, other)), ARP},
	{"ARP about its neighbour's MAC", ethernet(ownMAC, 0x0806, arp(otherMAC, own)), ARP},
	{"RARP of a moved machine", ethernet(ownMAC, 0x8035, arp(ownMAC, nobody)), ""},
	{"IPv6 link-local", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_UDP, udp(1000, 2000))), ""},
	{"IPv6 of its own", ethernet(ownMAC, 0x86dd, ip6(own6, unix.IPPROTO_UDP, udp(1000, 2000))), ""},
	{"IPv6 under its neighbour's address", ethernet(ownMAC, 0x86dd, ip6(other6, unix.IPPROTO_UDP, udp(1000, 2000))), Address},
	{"IPv6 without address that is no discovery", ethernet(ownMAC, 0x86dd, ip6(nobody6, unix.IPPROTO_UDP, udp(1000, 2000))), Address},
	{"duplicate address detection", ethernet(ownMAC, 0x86dd, ip6(nobody6, unix.IPPROTO_ICMPV6, icmp6(135, own6))), ""},
	{"duplicate address detection, link-local", ethernet(ownMAC, 0x86dd, ip6(nobody6, unix.IPPROTO_ICMPV6, icmp6(135, local))), ""},
	{"duplicate address detection of its neighbour's", ethernet(ownMAC, 0x86dd, ip6(nobody6, unix.IPPROTO_ICMPV6, icmp6(135, other6))), Neighbor},
	{"multicast listener report before it has an address", ethernet(ownMAC, 0x86dd, ip6(nobody6, 0, hopByHop(unix.IPPROTO_ICMPV6, icmp6(143, nobody6)))), ""},
	{"neighbor solicitation", ethernet(ownMAC, 0x86dd, ip6(own6, unix.IPPROTO_ICMPV6, icmp6(135, other6))), ""},
	{"neighbor advertisement of its own", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_ICMPV6, icmp6(136, own6))), ""},
	{"neighbor advertisement for its neighbour", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_ICMPV6, icmp6(136, other6))), Neighbor},
	{"router solicitation", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_ICMPV6, icmp6(133, nobody6))), ""},
	{"router advertisement", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_ICMPV6, icmp6(134, nobody6))), Router},
	{"router advertisement behind a header", ethernet(ownMAC, 0x86dd, ip6(local, 0, hopByHop(unix.IPPROTO_ICMPV6, icmp6(134, nobody6)))), Router},
	{"redirect", ethernet(ownMAC, 0x86dd, ip6(router, unix.IPPROTO_ICMPV6, icmp6(137, own6))), Router},
	{"DHCPv6 advertise", ethernet(ownMAC, 0x86dd, ip6(local, unix.IPPROTO_UDP, udp(547, 546))), DHCP},
	{"IPv4 in a VLAN", ethernet(ownMAC, 0x8100, slices.Concat(be(201), be(0x0800), ip4(own, udp(1000, 2000)))), Tag},
	{"IPv4 in a provider's VLAN", ethernet(ownMAC, 0x88a8, slices.Concat(be(201), be(0x0800), ip4(own, udp(1000, 2000)))), Tag},
	{"something else", ethernet(ownMAC, 0x88b5, make([]byte, 50)), Protocol},
}

// wire is a machine on a bridge and somebody who hears what comes through it.
type wire struct {
	t          *testing.T
	send, hear int // sockets
	cookies    uint64
}

const (
	tapName = "kwtap0"
	cookies = 0x6b776b77 << 32 // begin so
)

// newWire makes them in a network namespace of the test's own. The thread it changes is never used again.
func newWire(t *testing.T) *wire {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network namespace needs root: %v", err)
	}
	for _, args := range []string{
		"link add kb0 type bridge", "link set kb0 up",
		"link add guest type veth peer name " + tapName, "link set guest up", "link set " + tapName + " up master kb0",
		"link add far type veth peer name port", "link set far up", "link set port up master kb0",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", args, err, out)
		}
	}
	w := &wire{t: t, send: raw(t, "guest"), hear: raw(t, "far")}
	for deadline := time.Now().Add(10 * time.Second); !w.passes(frames[0].bytes, 50*time.Millisecond); {
		if time.Now().After(deadline) {
			t.Fatal("nothing comes through the bridge")
		}
	}
	return w
}

func raw(t *testing.T, name string) int {
	t.Helper()
	iface, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	all := binary.NativeEndian.Uint16(be(unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// emit sends a frame and returns its cookie.
func (w *wire) emit(bytes []byte) uint64 {
	w.t.Helper()
	w.cookies++
	cookie := cookies | w.cookies
	if _, err := unix.Write(w.send, binary.BigEndian.AppendUint64(slices.Clone(bytes), cookie)); err != nil {
		w.t.Fatal(err)
	}
	return cookie
}

// passes sends a frame and waits for it.
func (w *wire) passes(bytes []byte, within time.Duration) bool {
	w.t.Helper()
	cookie := w.emit(bytes)
	return w.await(cookie, within)[cookie]
}

// await hears until a cookie came, and returns what was heard of the others.
func (w *wire) await(cookie uint64, within time.Duration) map[uint64]bool {
	w.t.Helper()
	heard, buffer := map[uint64]bool{}, make([]byte, 2048)
	deadline := time.Now().Add(within)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return heard
		}
		poll := []unix.PollFd{{Fd: int32(w.hear), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, int(left/time.Millisecond)+1); err != nil && err != unix.EINTR {
			w.t.Fatal(err)
		} else if n < 1 {
			continue
		}
		n, err := unix.Read(w.hear, buffer)
		if err != nil {
			w.t.Fatal(err)
		}
		if n < 8 {
			continue
		}
		if got := binary.BigEndian.Uint64(buffer[n-8 : n]); got&cookies == cookies {
			heard[got] = true
			if got == cookie {
				return heard
			}
		}
	}
}

// expect sends every frame and compares what came through. Frames keep their order, so that the one sent
// last says when all have been heard.
func (w *wire) expect(kept func(frame) bool) {
	w.t.Helper()
	sent := make([]uint64, len(frames))
	for i, f := range frames {
		sent[i] = w.emit(f.bytes)
	}
	end := w.emit(frames[0].bytes)
	heard := w.await(end, 10*time.Second)
	if !heard[end] {
		w.t.Fatalf("%s does not come through", frames[0].says)
	}
	for i, f := range frames {
		if came := heard[sent[i]]; came == kept(f) {
			w.t.Errorf("%s: came through %v", f.says, came)
		}
	}
}

func newKeeper(t *testing.T, owner string) *Keeper {
	t.Helper()
	k, err := New(owner)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func apply(t *testing.T, k *Keeper, cards ...Card) {
	t.Helper()
	if err := k.Apply(cards); err != nil {
		t.Fatal(err)
	}
}

// card is that of the machine on the wire.
func card(addresses ...string) Card {
	c := Card{Tap: tapName, MACs: []net.HardwareAddr{ownMAC}}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, netip.MustParsePrefix(a))
	}
	return c
}

// What a machine sends under its own addresses comes through; what it sends under others does not, and is
// counted.
func TestA21SpoofedFramesAreKeptBack(t *testing.T) {
	w, k := newWire(t), newKeeper(t, "me")
	w.expect(func(frame) bool { return false }) // without rules everything passes

	apply(t, k, card("10.0.0.5/32", "2001:db8::5/128"))
	w.expect(func(f frame) bool { return f.reason != "" })
	want := map[Reason]uint64{}
	for _, r := range reasons {
		want[r] = 0
	}
	for _, f := range frames {
		if f.reason != "" {
			want[f.reason]++
		}
	}
	if got, err := k.Dropped(); err != nil || !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v, %v", got, want, err)
	}
	// Other rules do not forget what was counted, and the agent's restart does not open a gap.
	apply(t, k, card("10.0.0.5/32", "10.0.0.9/32", "2001:db8::5/128"))
	if got, err := k.Dropped(); err != nil || !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v, %v", got, want, err)
	}
	w.expect(func(f frame) bool { return f.reason != "" })
}

// What a card may do follows from what is known of it.
func TestA21Cards(t *testing.T) {
	w, k := newWire(t), newKeeper(t, "me")
	shared := card("10.0.0.5/32", "10.0.0.6/32", "2001:db8::5/128")
	shared.MACs = append(shared.MACs, otherMAC)
	routes := card("10.0.0.5/32")
	routes.Router = true
	for _, c := range []struct {
		says  string
		card  Card
		kept  []Reason
		never []string // pieces of what the frames say that pass all the same
	}{
		{"no address is known", card(), []Reason{MAC, DHCP, Router, Tag}, nil},
		{"it is a router", routes, []Reason{MAC, Tag}, nil},
		{"any address of its subnet", card("10.0.0.0/24", "10.0.0.5/32", "2001:db8::/64"), []Reason{MAC, DHCP, Router, Tag, Protocol, ARP, Address, Neighbor},
			[]string{"IPv4 under its neighbour's address", "IPv6 under its neighbour's address", "ARP for its neighbour's address", "of its neighbour's", "for its neighbour"}},
		{"it shares the address and MAC of its neighbour", shared, []Reason{DHCP, Router, Tag, Protocol, Address, Neighbor}, []string{"IPv4 under its neighbour's address"}},
	} {
		t.Log(c.says)
		apply(t, k, c.card)
		w.expect(func(f frame) bool {
			return slices.Contains(c.kept, f.reason) && !slices.ContainsFunc(c.never, func(part string) bool { return strings.Contains(f.says, part) })
		})
	}
	// Without the machine its rules are gone; another's do not concern it.
	apply(t, k, Card{Tap: "kwother0", MACs: []net.HardwareAddr{otherMAC}})
	w.expect(func(frame) bool { return false })
}

// The rules are what was applied last whatever happens to them, and nobody else's rules are touched.
func TestA21RulesStay(t *testing.T) {
	w, k, neighbour := newWire(t), newKeeper(t, "me"), newKeeper(t, "another")
	kept := func(f frame) bool { return f.reason != "" }
	mine := card("10.0.0.5/32", "2001:db8::5/128")
	apply(t, k, mine)
	apply(t, neighbour, Card{Tap: "kwother0", MACs: []net.HardwareAddr{otherMAC}})
	foreign := &nftables.Table{Name: "theirs", Family: nftables.TableFamilyBridge}
	k.nft.AddTable(foreign)
	if err := k.nft.Flush(); err != nil {
		t.Fatal(err)
	}
	before, _ := k.Dropped()
	w.expect(kept)
	apply(t, newKeeper(t, "me"), mine) // a new agent finds its rules and leaves them, counters too
	if after, _ := k.Dropped(); after[MAC] != before[MAC]+1 {
		t.Errorf("the same rules were made anew: %v, %v", before, after)
	}
	for _, flush := range []func(){k.nft.FlushRuleset, func() { k.nft.FlushTable(k.table) }} {
		flush()
		if err := k.nft.Flush(); err != nil {
			t.Fatal(err)
		}
		w.expect(func(frame) bool { return false })
		apply(t, k, mine)
		w.expect(kept)
	}
	apply(t, neighbour, Card{Tap: "kwother0", MACs: []net.HardwareAddr{otherMAC}})
	apply(t, neighbour) // its last machine is gone, and its table
	if err := k.Apply([]Card{{Tap: "a-name-that-is-too-long"}}); err == nil {
		t.Error("a card whose tap cannot have its name was taken")
	}
	w.expect(kept)
	if err := k.Remove(); err != nil {
		t.Fatal(err)
	}
	w.expect(func(frame) bool { return false })
	if tables, err := k.nft.ListTables(); err != nil || len(tables) != 0 {
		t.Errorf("left %v, %v", tables, err)
	}
}

// A host full of machines is one transaction.
func TestA21ManyCards(t *testing.T) {
	w, k := newWire(t), newKeeper(t, "me")
	cards := []Card{card("10.0.0.5/32", "2001:db8::5/128")}
	for i := range 1000 {
		cards = append(cards, Card{Tap: fmt.Sprintf("kwmany%d", i), MACs: []net.HardwareAddr{otherMAC}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.6/32")}})
	}
	begun := time.Now()
	apply(t, k, cards...)
	t.Logf("%d cards in %v", len(cards), time.Since(begun))
	w.expect(func(f frame) bool { return f.reason != "" })
}
