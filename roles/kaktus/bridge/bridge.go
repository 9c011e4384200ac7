// Package bridge keeps the Linux bridges that machines are attached to as they are declared: present,
// up, of the right MTU, with their uplink or a VLAN of it as a port.
//
// Everything may be applied again at any time; what is right already is not touched. What cannot be
// had is reported and holds up nothing else. Nothing is ever removed: a bridge of ours that is
// declared no more is only reported. An interface that the host itself talks through is not made a
// port unless the host's configuration says so, because that would cut the host off. Addresses are
// not this package's business.
package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

// mark begins the alias (ip link … alias) of the interfaces this package made; the owner follows.
const mark = "kowabunga "

// Limits of interface settings: IFNAMSIZ without its end (linux/if.h), the range of a VLAN id (IEEE
// 802.1Q), and MTUs from what IPv6 needs (RFC 8200, section 5) to what an interface can be set to.
const (
	maxName = 15
	maxVLAN = 4094
	minMTU  = 1280
	maxMTU  = 65535
)

// Config is what a host decides about its bridges.
type Config struct {
	// Owner is whose bridges these are: the agent's id. Another owner's on the same host are not ours.
	Owner string
	// Uplinks are interfaces that may become ports although the host's default route or addresses are
	// on them.
	Uplinks []string
	Log     *slog.Logger
}

// Keeper keeps the bridges of one network namespace.
type Keeper struct {
	cfg Config
	nl  *netlink.Handle
}

// New makes a keeper for the network namespace of the calling thread.
func New(cfg Config) (*Keeper, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open netlink")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{cfg: cfg, nl: nl}, nil
}

// Close gives the sockets back.
func (k *Keeper) Close() { k.nl.Close() }

// Apply makes the declared bridges and returns what is not as declared, one sentence each.
func (k *Keeper) Apply(declared []agentproto.Bridge) []string {
	var problems []string
	for _, want := range declared {
		if err := k.apply(want); err != nil {
			k.cfg.Log.Warn("bridge is not as declared", "bridge", want.Name, "error", err)
			problems = append(problems, fmt.Sprintf("bridge %.32s: %s", want.Name, describe(err)))
		}
	}
	links, err := k.nl.LinkList()
	if err != nil {
		return append(problems, "bridges cannot be listed: "+err.Error())
	}
	for _, link := range links {
		name := link.Attrs().Name
		if link.Type() == "bridge" && link.Attrs().Alias == k.alias() && !slices.ContainsFunc(declared, func(b agentproto.Bridge) bool { return b.Name == name }) {
			problems = append(problems, "bridge "+name+" is not declared any more; it is left as it is")
		}
	}
	return problems
}

func (k *Keeper) alias() string { return mark + k.cfg.Owner }

// Names lists the bridges of this host, whoever made them.
func (k *Keeper) Names() []string {
	names := []string{}
	links, err := k.nl.LinkList()
	if err != nil {
		k.cfg.Log.Warn("bridges cannot be listed", "error", err)
	}
	for _, link := range links {
		if link.Type() == "bridge" {
			names = append(names, link.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func check(want agentproto.Bridge) error {
	for field, name := range map[string]string{"name": want.Name, "uplink": want.Uplink} {
		if field == "uplink" && name == "" {
			continue
		}
		if len(name) > maxName || !namePattern.MatchString(name) {
			return fault.Bad(field, "%.32q is no interface name; up to 15 letters, digits, dots, dashes and underscores are", name)
		}
	}
	switch {
	case want.Name == want.Uplink:
		return fault.Bad("uplink", "a bridge cannot be its own uplink")
	case want.VLAN > maxVLAN:
		return fault.Bad("vlan", "%d is no VLAN; 1 to %d are", want.VLAN, maxVLAN)
	case want.VLAN != 0 && want.Uplink == "":
		return fault.Bad("vlan", "a VLAN needs an uplink")
	case want.MTU != 0 && (want.MTU < minMTU || want.MTU > maxMTU):
		return fault.Bad("mtu", "%d is not between %d and %d", want.MTU, minMTU, maxMTU)
	}
	return nil
}

func (k *Keeper) apply(want agentproto.Bridge) error {
	if err := check(want); err != nil {
		return err
	}
	bridge, err := k.bridge(want.Name)
	if err != nil {
		return err
	}
	var port netlink.Link
	if want.Uplink != "" {
		if port, err = k.port(want); err != nil {
			// A bridge without its uplink still joins the machines of this host.
			return errors.Join(err, k.up(bridge))
		}
		if err := k.enslave(port, bridge); err != nil {
			return errors.Join(err, k.up(bridge))
		}
	}
	if want.MTU != 0 {
		// The kernel lowers a bridge's MTU to its smallest port's, so the port comes first.
		for _, link := range []netlink.Link{port, bridge} {
			if link == nil || want.VLAN == 0 && link == port && link.Attrs().MTU >= want.MTU {
				continue
			}
			if err := k.setMTU(link, want.MTU); err != nil {
				return errors.Join(err, k.up(bridge))
			}
		}
	}
	if err := k.up(bridge); err != nil {
		return err
	}
	return k.verify(want, port)
}

// bridge finds or makes the bridge itself.
func (k *Keeper) bridge(name string) (netlink.Link, error) {
	link, err := k.nl.LinkByName(name)
	if err == nil {
		if link.Type() != "bridge" {
			return nil, fault.New(fault.Conflict, "an interface of this name exists and is a %s", link.Type())
		}
		return link, nil
	}
	if !isAbsent(err) {
		return nil, doing("look for it", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := k.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, doing("create it", err)
	}
	if link, err = k.nl.LinkByName(name); err != nil {
		return nil, doing("look for it", err)
	}
	if err := k.nl.LinkSetAlias(link, k.alias()); err != nil {
		return nil, doing("mark it", err)
	}
	quiet(name)
	k.cfg.Log.Info("bridge created", "bridge", name)
	return link, nil
}

// quiet keeps the host out of its tenants' segment: no addresses or routes from router advertisements
// that a machine sends, and no link-local address to reach the host at. Kernels without IPv6 have no
// such settings.
func quiet(name string) {
	for _, setting := range []struct{ key, value string }{{"accept_ra", "0"}, {"autoconf", "0"}, {"addr_gen_mode", "1"}} {
		path := filepath.Join("/proc/sys/net/ipv6/conf", name, setting.key)
		if _, err := os.Stat(path); err == nil {
			os.WriteFile(path, []byte(setting.value), 0o644)
		}
	}
}

// port finds what becomes the bridge's port: the uplink, or its VLAN, made if need be.
func (k *Keeper) port(want agentproto.Bridge) (netlink.Link, error) {
	uplink, err := k.nl.LinkByName(want.Uplink)
	if isAbsent(err) {
		return nil, fault.New(fault.NotFound, "its uplink %s does not exist", want.Uplink)
	}
	if err != nil {
		return nil, doing("look for the uplink", err)
	}
	if want.MTU > uplink.Attrs().MTU && want.VLAN != 0 {
		return nil, fault.New(fault.Conflict, "its uplink %s has an MTU of %d, less than %d; raise it there", want.Uplink, uplink.Attrs().MTU, want.MTU)
	}
	if want.VLAN == 0 {
		return uplink, nil
	}
	if err := k.up(uplink); err != nil {
		return nil, err
	}
	links, err := k.nl.LinkList()
	if err != nil {
		return nil, doing("list interfaces", err)
	}
	for _, link := range links {
		if vlan, ok := link.(*netlink.Vlan); ok && vlan.ParentIndex == uplink.Attrs().Index && vlan.VlanId == int(want.VLAN) {
			return link, nil
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = vlanName(uplink, want.VLAN)
	attrs.ParentIndex = uplink.Attrs().Index
	err = k.nl.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: int(want.VLAN), VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, fault.New(fault.Unavailable, "this kernel cannot tag VLANs (802.1Q), which VLAN %d on %s needs; load the module 8021q", want.VLAN, want.Uplink)
	}
	if err != nil {
		return nil, doing(fmt.Sprintf("create VLAN %d on %s", want.VLAN, want.Uplink), err)
	}
	link, err := k.nl.LinkByName(attrs.Name)
	if err != nil {
		return nil, doing("look for the VLAN", err)
	}
	if err := k.nl.LinkSetAlias(link, k.alias()); err != nil {
		return nil, doing("mark the VLAN", err)
	}
	return link, nil
}

// vlanName is the usual UPLINK.VLAN, or one by number where that is too long.
func vlanName(uplink netlink.Link, vlan uint16) string {
	if name := fmt.Sprintf("%s.%d", uplink.Attrs().Name, vlan); len(name) <= maxName {
		return name
	}
	return fmt.Sprintf("vl%d.%d", uplink.Attrs().Index, vlan)
}

// enslave makes an interface a port, unless it is another bridge's or the host's own.
func (k *Keeper) enslave(port, bridge netlink.Link) error {
	name := port.Attrs().Name
	switch master := port.Attrs().MasterIndex; {
	case master == bridge.Attrs().Index:
		return k.up(port)
	case master != 0:
		other := fmt.Sprint(master)
		if link, err := k.nl.LinkByIndex(master); err == nil {
			other = link.Attrs().Name
		}
		return fault.New(fault.Conflict, "%s is a port of %s", name, other)
	}
	if !slices.Contains(k.cfg.Uplinks, name) {
		used, err := k.hosts(port)
		if err != nil {
			return err
		}
		if used != "" {
			return fault.New(fault.Conflict, "%s has %s of this host, which a port of a bridge would lose; move it to the bridge, or list %s under bridges.uplinks", name, used, name)
		}
	}
	if err := k.nl.LinkSetMasterByIndex(port, bridge.Attrs().Index); err != nil {
		return doing("make "+name+" its port", err)
	}
	k.cfg.Log.Info("interface became a port", "interface", name, "bridge", bridge.Attrs().Name)
	return k.up(port)
}

// hosts tells what the host itself uses an interface for; empty for nothing.
func (k *Keeper) hosts(port netlink.Link) (string, error) {
	routes, err := k.nl.RouteList(port, netlink.FAMILY_ALL)
	if err != nil {
		return "", doing("list routes", err)
	}
	for _, route := range routes {
		if route.Dst == nil {
			return "the default route", nil
		}
		if ones, _ := route.Dst.Mask.Size(); ones == 0 {
			return "the default route", nil
		}
	}
	addresses, err := k.nl.AddrList(port, netlink.FAMILY_ALL)
	if err != nil {
		return "", doing("list addresses", err)
	}
	for _, address := range addresses {
		if address.IP.IsGlobalUnicast() {
			return "the address " + address.IP.String(), nil
		}
	}
	return "", nil
}

func (k *Keeper) setMTU(link netlink.Link, mtu int) error {
	if link.Attrs().MTU == mtu {
		return nil
	}
	if err := k.nl.LinkSetMTU(link, mtu); err != nil {
		return doing(fmt.Sprintf("set the MTU of %s to %d", link.Attrs().Name, mtu), err)
	}
	return nil
}

func (k *Keeper) up(link netlink.Link) error {
	if link.Attrs().Flags&net.FlagUp != 0 {
		return nil
	}
	if err := k.nl.LinkSetUp(link); err != nil {
		return doing("set "+link.Attrs().Name+" up", err)
	}
	return nil
}

// verify looks at what the kernel made of it.
func (k *Keeper) verify(want agentproto.Bridge, port netlink.Link) error {
	bridge, err := k.nl.LinkByName(want.Name)
	if err != nil {
		return doing("look at it again", err)
	}
	var wrong []string
	if bridge.Attrs().Flags&net.FlagUp == 0 {
		wrong = append(wrong, "it is not up")
	}
	if want.MTU != 0 && bridge.Attrs().MTU != want.MTU {
		wrong = append(wrong, fmt.Sprintf("its MTU is %d, not %d", bridge.Attrs().MTU, want.MTU))
	}
	if port != nil {
		if now, err := k.nl.LinkByIndex(port.Attrs().Index); err != nil || now.Attrs().MasterIndex != bridge.Attrs().Index {
			wrong = append(wrong, port.Attrs().Name+" is not its port")
		} else if now.Attrs().Flags&net.FlagUp == 0 {
			wrong = append(wrong, port.Attrs().Name+" is not up")
		}
	}
	if len(wrong) > 0 {
		return fault.New(fault.Internal, "%s, though the kernel accepted it", strings.Join(wrong, ", "))
	}
	return nil
}

func isAbsent(err error) bool {
	var absent netlink.LinkNotFoundError
	return errors.As(err, &absent)
}

func doing(what string, err error) error {
	return &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf("the kernel refused to %s: %v", what, err), Err: err}
}

// describe joins the public texts of one or several faults.
func describe(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var texts []string
		for _, e := range joined.Unwrap() {
			texts = append(texts, describe(e))
		}
		return strings.Join(texts, "; ")
	}
	f := fault.From(err)
	if f.Field != "" {
		return f.Field + ": " + f.Public()
	}
	return f.Public()
}
