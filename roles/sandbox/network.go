package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/kaktus/guard"
)

// made begins the alias by which Kaktus marks the interfaces it made; the agent's id follows.
const made = "kowabunga "

// networkOf is the n-th candidate for a sandbox's network, 0 to 255: a bridge and a /24 of RFC 1918.
func networkOf(n int) (bridge string, network netip.Prefix) {
	return fmt.Sprintf("kbsandbox%d", n), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 173, byte(n), 0}), 24)
}

// chooseNetwork takes the first candidate from the given number on that nobody on this machine uses:
// neither an interface has the name, nor an address or a route, other than the default route, overlaps.
func chooseNetwork(from int) (bridge string, network netip.Prefix, err error) {
	const op = "choose a network"
	links, err := netlink.LinkList()
	if err != nil {
		return "", network, fault.Wrap(err, fault.Unavailable, op)
	}
	names := map[string]bool{}
	for _, link := range links {
		names[link.Attrs().Name] = true
	}
	var used []netip.Prefix
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", network, fault.Wrap(err, fault.Unavailable, op)
	}
	for _, a := range addresses {
		used = append(used, prefixOf(a.IPNet))
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", network, fault.Wrap(err, fault.Unavailable, op)
	}
	for _, r := range routes {
		if p := prefixOf(r.Dst); p.IsValid() && p.Bits() > 0 {
			used = append(used, p)
		}
	}
	for i := range 256 {
		bridge, network = networkOf((from + i) % 256)
		free := !names[bridge]
		for _, p := range used {
			free = free && !p.Overlaps(network)
		}
		if free {
			return bridge, network, nil
		}
	}
	return "", network, fault.New(fault.Exhausted, "%s: every /24 of 10.173.0.0/16 overlaps with an address or a route of this machine; give one of them up", op)
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones)
}

// lan is one subnet of the sandbox's network. The gateways are the addresses this machine takes on the
// bridge: the subnet's router and whatever projects may get as theirs.
type lan struct {
	Name     string
	Prefix   netip.Prefix
	Gateway  netip.Addr
	GwFirst  netip.Addr
	GwLast   netip.Addr
	gateways []netip.Addr
}

// lans splits the network into four subnets, one for the demo project and three for those that come.
func lans(network netip.Prefix) []lan {
	var out []lan
	for i := range 4 {
		base := network.Addr().As4()
		base[3] = byte(64 * i)
		l := lan{Name: "sandbox", Prefix: netip.PrefixFrom(netip.AddrFrom4(base), 26)}
		if i > 0 {
			l.Name = fmt.Sprintf("sandbox-%d", i+1)
		}
		l.Gateway = l.Prefix.Addr().Next()
		l.GwFirst = l.Gateway.Next()
		l.GwLast = l.GwFirst.Next().Next()
		out = append(out, l)
	}
	return out
}

// bridgeWithin is how long Kaktus may take to make a bridge that was just declared.
const bridgeWithin = 30 * time.Second

// takeGateways puts addresses on the bridge, which Kaktus makes, and returns how many were not there.
func takeGateways(ctx context.Context, bridge string, subnets []lan) (added int, err error) {
	const op = "put the gateways on the bridge"
	ctx, cancel := context.WithTimeout(ctx, bridgeWithin)
	defer cancel()
	for {
		link, err := netlink.LinkByName(bridge)
		if err == nil && link.Attrs().Flags&net.FlagUp != 0 {
			return putAddresses(link, subnets)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, &fault.Error{Code: fault.Unavailable, Op: op, Message: "Kaktus has not made bridge " + bridge + "; its log says why", Err: err}
		}
	}
}

func putAddresses(link netlink.Link, subnets []lan) (added int, err error) {
	const op = "put the gateways on the bridge"
	have, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return 0, fault.Wrap(err, fault.Unavailable, op)
	}
	there := map[netip.Prefix]bool{}
	for _, a := range have {
		there[prefixOf(a.IPNet)] = true
	}
	for _, s := range subnets {
		for _, gateway := range s.gateways {
			want := netip.PrefixFrom(gateway, s.Prefix.Bits())
			if there[want] {
				continue
			}
			address := &net.IPNet{IP: gateway.AsSlice(), Mask: net.CIDRMask(want.Bits(), 32)}
			if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: address}); err != nil {
				return added, &fault.Error{Code: fault.Unavailable, Op: op, Message: fmt.Sprintf("the kernel refused %s on %s", want, link.Attrs().Name), Err: err}
			}
			added++
		}
	}
	return added, nil
}

// addressesOf are the IPv4 addresses on an interface, with false when there is no such interface.
func addressesOf(name string) ([]string, bool) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, false
	}
	var out []string
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err == nil {
		for _, a := range addresses {
			out = append(out, prefixOf(a.IPNet).String())
		}
	}
	return out, true
}

// agentID is the id that Kaktus joined with, empty when it never did.
func agentID(p place) string {
	var joined struct {
		ID string `yaml:"id"`
	}
	text, err := os.ReadFile(p.path("kaktus", "kaktus.yaml"))
	if err != nil || yaml.Unmarshal(text, &joined) != nil {
		return ""
	}
	return joined.ID
}

// removeRules removes the rules about what the sandbox's machines may send. A kernel without nftables
// never had them.
func removeRules(p place) error {
	id := agentID(p)
	if id == "" {
		return nil
	}
	k, err := guard.New(id)
	if err != nil {
		return err
	}
	return k.Remove()
}

// removeBridges removes the sandbox's own bridge and those that Kaktus made for segments which were
// declared since, by the last desired state it kept.
func removeBridges(p place, own string) error {
	names := []string{own}
	owner := made + agentID(p)
	text, err := os.ReadFile(p.path("kaktus", "agent", "states", agentproto.StateKaktus+".json"))
	if err == nil {
		var held agentproto.State
		var state agentproto.KaktusState
		if json.Unmarshal(text, &held) == nil && json.Unmarshal(held.Body, &state) == nil {
			for _, b := range state.Bridges {
				names = append(names, b.Name)
			}
		}
	}
	for i, name := range names {
		link, err := netlink.LinkByName(name)
		var absent netlink.LinkNotFoundError
		if errors.As(err, &absent) || name == "" {
			continue
		}
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "look at bridge "+name)
		}
		// The sandbox's own was free when it was chosen; another one may have been there before.
		if link.Type() != "bridge" || i > 0 && link.Attrs().Alias != owner {
			continue
		}
		if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			return fault.Wrap(err, fault.Unavailable, "remove bridge "+name)
		}
	}
	return nil
}
