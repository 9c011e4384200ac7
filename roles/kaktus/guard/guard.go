// Package guard keeps machines from sending under the addresses of others: what comes from a machine's
// tap passes only with the card's own MAC address and, in IPv4, IPv6 and ARP, under the card's own
// addresses. What only a router may say - answers of DHCP, router advertisements, redirects - does not
// come from machines, nor do frames that are tagged for a VLAN or of another protocol.
//
// The rules of an agent are a table of its own in nftables' bridge family, made anew as a whole in one
// transaction whenever they have to be others. Rules name taps, whether they exist or not: they are
// there before the machine is. Applying the same again touches nothing, and a table that somebody
// flushed is noticed by the mark in it.
package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"kowabunga/core/fault"
)

// Table is the name of an agent's table in the bridge family. Several agents of one host have their own.
func Table(owner string) string { return "kowabunga-" + owner }

// entry is the chain that frames come through first. A rule of it has a comment that says which rules these
// are: whoever flushes them takes the comment away as well. layout changes with what is made of the same cards.
const (
	entry  = "from"
	layout = "2"
)

// socketBuffer holds one transaction with the rules of some hundred machines, bytes.
const socketBuffer = 64 << 20

// Card is what a machine may send by one of its network cards.
type Card struct {
	Tap       string             // interface of the host, at most 15 bytes (IFNAMSIZ)
	MACs      []net.HardwareAddr // none: it sends nothing
	Addresses []netip.Prefix     // senders in IPv4, ARP and IPv6; none: only what routers say is kept back
	Router    bool               // forwards for others: its MAC address alone is looked at
}

// Keeper keeps the rules of one network namespace.
type Keeper struct {
	table *nftables.Table
	nft   *nftables.Conn

	mu      sync.Mutex
	dropped map[Reason]uint64 // by tables that are no more
}

// New makes a keeper of the rules of an agent, by its id. Each call is about the network namespace of the
// thread that makes it.
func New(owner string) (*Keeper, error) {
	nft, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetWriteBuffer(socketBuffer), c.SetReadBuffer(socketBuffer))
	}))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open netfilter")
	}
	return &Keeper{table: &nftables.Table{Name: Table(owner), Family: nftables.TableFamilyBridge}, nft: nft, dropped: map[Reason]uint64{}}, nil
}

// Remove takes all rules of the agent away.
func (k *Keeper) Remove() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return explain(k.remove())
}

func (k *Keeper) remove() error {
	k.nft.AddTable(k.table) // so that there is one to delete
	k.nft.DelTable(k.table)
	return k.nft.Flush()
}

// Apply makes the rules those of the cards, and of no others; without cards there is no table. Nothing is
// changed when it fails.
func (k *Keeper) Apply(cards []Card) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	cards = slices.Clone(cards)
	slices.SortFunc(cards, func(a, b Card) int { return strings.Compare(a.Tap, b.Tap) })
	for i, c := range cards {
		if c.Tap == "" || len(c.Tap) > 15 || i > 0 && cards[i-1].Tap == c.Tap {
			return fault.New(fault.Internal, "%.32q is no card of one machine", c.Tap)
		}
	}
	mark := mark(cards)
	there, found, err := k.look()
	switch {
	case len(cards) == 0 && !there:
		return nil // also where there can be none
	case err != nil:
		return explain(err)
	case len(cards) > 0 && found == mark:
		return nil
	}
	was, _ := k.counters() // a table that cannot be read counted nothing
	if len(cards) == 0 {
		err = k.remove()
	} else {
		err = k.replace(cards, mark)
	}
	if err != nil {
		return explain(err)
	}
	for reason, n := range was {
		k.dropped[reason] += n
	}
	return nil
}

// look tells whether there is a table, and the mark of the rules in it.
func (k *Keeper) look() (there bool, mark string, err error) {
	all, err := k.nft.ListChainsOfTableFamily(nftables.TableFamilyBridge)
	if err != nil {
		return false, "", err
	}
	for _, c := range all {
		if c.Table.Name != k.table.Name {
			continue
		}
		there = true
		if c.Name != entry {
			continue
		}
		rules, err := k.nft.GetRules(k.table, c)
		if err != nil {
			return true, "", err
		}
		for _, r := range rules {
			if text, ok := userdata.GetString(r.UserData, userdata.TypeComment); ok {
				mark = text
			}
		}
	}
	return there, mark, nil
}

// mark is the comment that stands for the rules of the cards.
func mark(cards []Card) string {
	sum := sha256.Sum256(fmt.Append(nil, layout, cards))
	return hex.EncodeToString(sum[:8])
}

// Dropped is how many frames were kept back since the keeper was made, by reason. Frames that fell while
// rules were being replaced may be missing.
func (k *Keeper) Dropped() (map[Reason]uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.counters()
	if err != nil {
		return nil, explain(err)
	}
	for reason, n := range k.dropped {
		now[reason] += n
	}
	return now, nil
}

func (k *Keeper) counters() (map[Reason]uint64, error) {
	objects, err := k.nft.GetObjects(k.table)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	now := map[Reason]uint64{}
	for _, o := range objects {
		if c, ok := o.(*nftables.CounterObj); ok {
			now[Reason(c.Name)] = c.Packets
		}
	}
	return now, nil
}

// explain says what a host needs.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return &fault.Error{Code: fault.Unavailable, Message: "the agent may not set rules of nftables; it needs CAP_NET_ADMIN", Err: err}
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf("this kernel has no nftables for bridges, or not all of it (%v); load the module nf_tables", err), Err: err}
	}
	return &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf("the kernel refused the rules: %v", err), Err: err}
}
