package guard

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// Reason is why a frame was kept back; it is the name of its counter.
type Reason string

// The reasons.
const (
	Tag      Reason = "tag"      // the frame was tagged for a VLAN
	MAC      Reason = "mac"      // another MAC address
	ARP      Reason = "arp"      // another sender in ARP
	Address  Reason = "address"  // another source address
	Neighbor Reason = "neighbor" // neighbor discovery about another address
	DHCP     Reason = "dhcp"     // an answer of a DHCP server
	Router   Reason = "router"   // a router advertisement or redirect
	Protocol Reason = "protocol" // neither IPv4, IPv6 nor ARP
)

var reasons = []Reason{Tag, MAC, ARP, Address, Neighbor, DHCP, Router, Protocol}

// replace makes the table anew in one transaction. However many cards there are, their exact addresses
// are elements of a few sets, which cost the same to ask for one and for a thousand; only prefixes are
// rules of their own.
func (k *Keeper) replace(cards []Card, mark string) error {
	b := &builder{nft: k.nft, table: k.table}
	// Added first, so that deleting never finds nothing.
	b.nft.AddTable(b.table)
	b.nft.DelTable(b.table)
	b.nft.AddTable(b.table)
	for _, r := range reasons {
		b.nft.AddObj(&nftables.CounterObj{Table: b.table, Name: string(r)})
	}
	s := b.sets(cards)
	ip4, arp, ip6 := b.ip4(s), b.arp(s), b.ip6(s)
	accept := nftables.ChainPolicyAccept
	b.chain = b.nft.AddChain(&nftables.Chain{Table: b.table, Name: entry, Type: nftables.ChainTypeFilter, Policy: &accept,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-200)}) // NF_BR_PRI_FILTER_BRIDGED
	b.rule(tapIn(s.taps, false), pass)
	for _, tag := range [][]byte{isTag, isOuterTag} {
		b.rule(is(etherType, tag), drop(Tag))
	}
	b.rule(with(etherSource, s.macs, false), drop(MAC))
	b.rule(tapIn(s.routers, true), pass)
	b.rule(kind(isIP4), is(ip4Source, nobody4.AsSlice()), carries(unix.IPPROTO_UDP), is(ports, fromDHCPClient), pass)
	b.rule(kind(isIP4), carries(unix.IPPROTO_UDP), is(toPort, toDHCPClient), drop(DHCP))
	b.rule(kind(isIP6), carries(unix.IPPROTO_UDP), is(toPort, toDHCP6Client), drop(DHCP))
	for _, says := range [][]byte{advertisesRouter, redirects} {
		b.rule(kind(isIP6), carries(unix.IPPROTO_ICMPV6), is(icmpType, says), drop(Router))
	}
	b.rule(tapIn(s.unknown, true), pass)
	b.rule(kind(isIP4), follow(ip4))
	b.rule(kind(isARP), follow(arp))
	b.rule(kind(isIP6), follow(ip6))
	b.rule(kind(isRARP), pass)
	b.nft.AddRule(&nftables.Rule{Table: b.table, Chain: b.chain, Exprs: drop(Protocol), UserData: userdata.AppendString(nil, userdata.TypeComment, mark)})
	if b.err != nil {
		return b.err
	}
	return b.nft.Flush()
}

func (b *builder) ip4(s sets) string {
	b.begin("ip4")
	b.rule(with(ip4Source, s.senders4, true), pass)
	for _, p := range s.prefixes4 {
		b.rule(tapIs(p.tap), inside(ip4Source, p.prefix), pass)
	}
	b.rule(drop(Address))
	return b.chain.Name
}

func (b *builder) arp(s sets) string {
	b.begin("arp")
	b.rule(with(arpSenderMAC, s.macs, false), drop(ARP))
	b.rule(is(arpSenderIP, nobody4.AsSlice()), pass)
	b.rule(with(arpSenderIP, s.senders4, true), pass)
	for _, p := range s.prefixes4 {
		b.rule(tapIs(p.tap), inside(arpSenderIP, p.prefix), pass)
	}
	b.rule(drop(ARP))
	return b.chain.Name
}

// ip6 asks who sends, and before that what neighbor discovery is about: its sender may be a link-local
// address while it claims another.
func (b *builder) ip6(s sets) string {
	b.begin("ip6-from")
	from := b.chain.Name
	b.rule(is(ip6Source, nobody6.AsSlice()), carries(unix.IPPROTO_ICMPV6), pass)
	b.rule(inside(ip6Source, linkLocal), pass)
	b.rule(with(ip6Source, s.senders6, true), pass)
	for _, p := range s.prefixes6 {
		b.rule(tapIs(p.tap), inside(ip6Source, p.prefix), pass)
	}
	b.rule(drop(Address))

	b.begin("ip6-about")
	about := b.chain.Name
	b.rule(inside(neighborAbout, linkLocal), follow(from))
	b.rule(with(neighborAbout, s.senders6, true), follow(from))
	for _, p := range s.prefixes6 {
		b.rule(tapIs(p.tap), inside(neighborAbout, p.prefix), follow(from))
	}
	b.rule(drop(Neighbor))

	b.begin("ip6")
	b.rule(carries(unix.IPPROTO_ICMPV6), is(icmpType, tells), follow(about))
	b.rule(is(ip6Source, nobody6.AsSlice()), carries(unix.IPPROTO_ICMPV6), is(icmpType, solicits), follow(about))
	b.rule(follow(from))
	return b.chain.Name
}

// sets is what the rules ask about taps.
type sets struct {
	taps, routers, unknown   *nftables.Set // by tap
	macs, senders4, senders6 *nftables.Set // by tap and address
	prefixes4, prefixes6     []within
}

// within is a tap that may send under any address of a prefix.
type within struct {
	tap    string
	prefix netip.Prefix
}

func (b *builder) sets(cards []Card) sets {
	var s sets
	elements := map[string][][]byte{}
	add := func(name string, c Card, address []byte) {
		elements[name] = append(elements[name], append(ifname(c.Tap), pad(address)...))
	}
	for _, c := range cards {
		add("taps", c, nil)
		for _, mac := range c.MACs {
			add("macs", c, mac)
		}
		switch {
		case c.Router:
			add("routers", c, nil)
		case len(c.Addresses) == 0:
			add("unknown", c, nil)
		}
		for _, p := range c.Addresses {
			switch of4 := p.Addr().Is4(); {
			case p.IsSingleIP() && of4:
				add("senders4", c, p.Addr().AsSlice())
			case p.IsSingleIP():
				add("senders6", c, p.Addr().AsSlice())
			case of4:
				s.prefixes4 = append(s.prefixes4, within{c.Tap, p})
			default:
				s.prefixes6 = append(s.prefixes6, within{c.Tap, p})
			}
		}
	}
	for _, made := range []struct {
		set  **nftables.Set
		name string
		of   nftables.SetDatatype
	}{
		{&s.taps, "taps", nftables.TypeInvalid}, {&s.routers, "routers", nftables.TypeInvalid}, {&s.unknown, "unknown", nftables.TypeInvalid},
		{&s.macs, "macs", nftables.TypeEtherAddr}, {&s.senders4, "senders4", nftables.TypeIPAddr}, {&s.senders6, "senders6", nftables.TypeIP6Addr},
	} {
		*made.set = b.set(made.name, made.of, elements[made.name])
	}
	return s
}

// builder gathers one transaction.
type builder struct {
	nft   *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain // that rules are added to
	err   error
}

func (b *builder) begin(chain string) {
	b.chain = b.nft.AddChain(&nftables.Chain{Table: b.table, Name: chain})
}

func (b *builder) rule(parts ...[]expr.Any) {
	b.nft.AddRule(&nftables.Rule{Table: b.table, Chain: b.chain, Exprs: slices.Concat(parts...)})
}

// chunk is how many elements fit into one message: the length of an attribute is 16 bits.
const chunk = 500

// set makes a set of taps, or of taps and addresses.
func (b *builder) set(name string, of nftables.SetDatatype, keys [][]byte) *nftables.Set {
	s := &nftables.Set{Table: b.table, Name: name, KeyType: nftables.TypeIFName}
	if of != nftables.TypeInvalid {
		s.KeyType, s.Concatenation = nftables.MustConcatSetType(nftables.TypeIFName, of), true
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	b.err = errors.Join(b.err, b.nft.AddSet(s, nil))
	for some := range slices.Chunk(keys, chunk) {
		var elements []nftables.SetElement
		for _, key := range some {
			elements = append(elements, nftables.SetElement{Key: key})
		}
		b.err = errors.Join(b.err, b.nft.SetAddElements(s, elements))
	}
	return s
}
