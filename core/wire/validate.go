package wire

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"kowabunga/core/fault"
)

// checks collects the first thing that is wrong with a document.
type checks struct {
	at  string // the entry being looked at
	err error
}

func (c *checks) bad(field, format string, args ...any) {
	if c.err == nil {
		c.err = fault.Bad(c.at+field, format, args...)
	}
}

// entry names the entry that the next checks are about.
func (c *checks) entry(list string, i int) { c.at = fmt.Sprintf("%s[%d].", list, i) }

// whole says that the next checks are about the document itself.
func (c *checks) whole() { c.at = "" }

func (c *checks) filled(field, text string) {
	if text == "" {
		c.bad(field, "is empty")
	}
}

// interfaceForm is what Linux takes as the name of an interface (dev_valid_name), in plain ASCII.
var interfaceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

func (c *checks) iface(field, name string) {
	if !interfaceForm.MatchString(name) {
		c.bad(field, "%q is no name of an interface", name)
	}
}

func (c *checks) address(field, text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		c.bad(field, "%q is no IPv4 address", text)
	}
	return a
}

// prefix checks an address with a length, network a network.
func (c *checks) prefix(field, text string) netip.Prefix {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		c.bad(field, "%q is no IPv4 address with a prefix length", text)
	}
	return p
}

func (c *checks) network(field, text string) {
	if p := c.prefix(field, text); p.IsValid() && p.Masked() != p {
		c.bad(field, "%s has bits set behind its length", text)
	}
}

func (c *checks) oneOf(field, text string, words ...string) {
	for _, w := range words {
		if text == w {
			return
		}
	}
	c.bad(field, "%q is none of %s", text, strings.Join(words, ", "))
}

func (c *checks) within(field string, n, least, most int64) {
	if n < least || n > most {
		c.bad(field, "%d is not between %d and %d", n, least, most)
	}
}

// once refuses a key that was seen before.
func (c *checks) once(field string, seen map[string]bool, key string) {
	if seen[key] {
		c.bad(field, "%s is there twice", key)
	}
	seen[key] = true
}

// ports checks a list like "80,443,8000-8080".
func (c *checks) ports(field, text string) {
	for _, item := range strings.Split(text, ",") {
		low, high, ranged := strings.Cut(item, "-")
		first, err := strconv.ParseUint(low, 10, 16)
		last := first
		if err == nil && ranged {
			last, err = strconv.ParseUint(high, 10, 16)
		}
		if err != nil || first == 0 || last < first {
			c.bad(field, "%q is no port and no range of ports", item)
			return
		}
	}
}

func (c *checks) rules(rules []Rule) {
	for i, r := range rules {
		c.entry("filter", i)
		c.oneOf("chain", r.Chain, "input", "forward")
		c.oneOf("action", r.Action, "accept", "drop")
		c.oneOf("protocol", r.Protocol, "", "tcp", "udp", "icmp", "esp", "vrrp")
		if r.In != "" {
			c.iface("in", r.In)
		}
		if r.Out != "" {
			c.iface("out", r.Out)
		}
		if r.Source != "" {
			c.network("source", r.Source)
		}
		if r.Destination != "" {
			c.network("destination", r.Destination)
		}
		if r.Ports != "" {
			c.ports("ports", r.Ports)
		}
		switch transport := r.Protocol == "tcp" || r.Protocol == "udp"; {
		case r.Ports != "" && !transport:
			c.bad("ports", "protocol %q has no ports", r.Protocol)
		case r.Chain == "input" && r.Out != "":
			c.bad("out", "what comes in leaves through no interface")
		}
	}
	c.whole()
}
