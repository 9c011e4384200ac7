package guard

import (
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Fields of what is looked at: offsets and lengths in bytes.
var (
	etherSource   = field{expr.PayloadBaseLLHeader, 6, 6}
	etherType     = field{expr.PayloadBaseLLHeader, 12, 2}
	ip4Source     = field{expr.PayloadBaseNetworkHeader, 12, 4}  // RFC 791 section 3.1
	ip6Source     = field{expr.PayloadBaseNetworkHeader, 8, 16}  // RFC 8200 section 3
	arpSenderMAC  = field{expr.PayloadBaseNetworkHeader, 8, 6}   // RFC 826, hardware of Ethernet
	arpSenderIP   = field{expr.PayloadBaseNetworkHeader, 14, 4}  // the same, protocol of IPv4
	ports         = field{expr.PayloadBaseTransportHeader, 0, 4} // source, destination
	toPort        = field{expr.PayloadBaseTransportHeader, 2, 2}
	icmpType      = field{expr.PayloadBaseTransportHeader, 0, 1}
	neighborAbout = field{expr.PayloadBaseTransportHeader, 8, 16} // target address, RFC 4861 sections 4.3 and 4.4
)

// Values of EtherTypes, ports and types of ICMPv6.
var (
	isIP4, isIP6, isARP = []byte{0x08, 0x00}, []byte{0x86, 0xdd}, []byte{0x08, 0x06}
	isRARP              = []byte{0x80, 0x35} // QEMU tells switches by it where a moved machine is
	isTag, isOuterTag   = []byte{0x81, 0x00}, []byte{0x88, 0xa8}
	fromDHCPClient      = []byte{0, 68, 0, 67}
	toDHCPClient        = []byte{0, 68}
	toDHCP6Client       = []byte{0x02, 0x22}
	solicits, tells     = []byte{135}, []byte{136}
	advertisesRouter    = []byte{134}
	redirects           = []byte{137}
)

var (
	nobody4   = netip.IPv4Unspecified() // who has no address yet: DHCP, ARP probes (RFC 5227)
	nobody6   = netip.IPv6Unspecified() // the same: duplicate address detection
	linkLocal = netip.MustParsePrefix("fe80::/10")
)

func ifname(name string) []byte {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return key
}

// pad fills up to whole registers of 4 bytes.
func pad(b []byte) []byte { return append(slices.Clone(b), make([]byte, -len(b)&3)...) }

// Registers of 16 bytes; a key of two parts lies in both.
const (
	register = 1
	behind   = 2
)

// field is a place in a frame.
type field struct {
	base        expr.PayloadBase
	offset, len uint32
}

func (f field) load(to uint32) expr.Any {
	return &expr.Payload{DestRegister: to, Base: f.base, Offset: f.offset, Len: f.len}
}

func each(e ...expr.Any) []expr.Any { return e }

var (
	pass = each(&expr.Verdict{Kind: expr.VerdictAccept})
	tap  = &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}
)

// is asks whether a field has a value, inside whether it is of a prefix.
func is(f field, value []byte) []expr.Any {
	return each(f.load(register), &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: value})
}

func inside(f field, p netip.Prefix) []expr.Any {
	address := p.Masked().Addr().AsSlice()
	mask := net.CIDRMask(p.Bits(), 8*len(address))
	return each(f.load(register),
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(address)), Mask: mask, Xor: make([]byte, len(address))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: address})
}

// tapIs asks for one tap, tapIn for one that is in a set or, without wanted, is not; with asks for tap and
// field together.
func tapIs(name string) []expr.Any {
	return each(tap, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: ifname(name)})
}

func tapIn(s *nftables.Set, wanted bool) []expr.Any {
	return each(tap, &expr.Lookup{SourceRegister: register, SetName: s.Name, SetID: s.ID, Invert: !wanted})
}

func with(f field, s *nftables.Set, wanted bool) []expr.Any {
	return each(tap, f.load(behind), &expr.Lookup{SourceRegister: register, SetName: s.Name, SetID: s.ID, Invert: !wanted})
}

// kind asks for the EtherType, carries for what IPv4 or IPv6 carries behind all its extension headers.
func kind(value []byte) []expr.Any {
	return each(&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: register}, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: value})
}

func carries(protocol byte) []expr.Any {
	return each(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{protocol}})
}

// follow goes on in a chain and does not come back.
func follow(chain string) []expr.Any {
	return each(&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain})
}

func drop(r Reason) []expr.Any {
	return each(&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: string(r)}, &expr.Verdict{Kind: expr.VerdictDrop})
}
