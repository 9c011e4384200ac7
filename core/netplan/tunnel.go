package netplan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// Words of proposals as strongSwan writes them (its documentation, "IKEv2 Cipher Suites").
var (
	ciphers = map[string]string{"AES128": "aes128", "AES256": "aes256", "CAMELLIA128": "camellia128", "CAMELLIA256": "camellia256"}
	hashes  = map[string]string{"SHA1": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
	// groups are by IANA number: MODP of RFC 2409 and RFC 3526, elliptic curves of RFC 5903, MODP with
	// prime order subgroups of RFC 5114. RFC 8247 section 2.4 advises against 2, 5 and 22 to 24.
	groups = map[int64]string{2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192",
		19: "ecp256", 20: "ecp384", 21: "ecp521", 22: "modp1024s160", 23: "modp2048s224", 24: "modp2048s256"}
)

// proposal writes what both sides must agree to, as cipher-hash-group.
func proposal(cipher, hash string, group int64) (string, error) {
	c, h, g := ciphers[strings.ToUpper(cipher)], hashes[strings.ToUpper(hash)], groups[group]
	switch {
	case c == "":
		return "", fmt.Errorf("encryption %q is unknown", cipher)
	case h == "":
		return "", fmt.Errorf("integrity %q is unknown", hash)
	case g == "":
		return "", fmt.Errorf("Diffie-Hellman group %d is unknown", group)
	}
	return c + "-" + h + "-" + g, nil
}

// lasting reads a time as strongSwan writes it, a number of s, m, h or d, in seconds.
func lasting(text string) (int64, error) {
	unit, digits := int64(1), text
	if n := len(text); n > 0 {
		if u := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[text[n-1]]; u != 0 {
			unit, digits = u, text[:n-1]
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n <= 0 || n > (1<<31-1)/unit {
		return 0, fmt.Errorf("%q is no time like 240s or 2h", text)
	}
	return n * unit, nil
}

// tunnels are up on the node that holds their address. What may come in through one its rules say, and
// nothing else may; what may go out, its policy.
func (g *gatewayPlan) tunnels() {
	if g.private.Subnet == nil {
		return
	}
	for t := range model.By[*model.IPsec](g.view, "kawaii", g.kawaii.ID) {
		tunnel, err := g.tunnel(t)
		if err != nil {
			g.problem("tunnel %s: %v", t.ID, err)
			continue
		}
		g.state.Tunnels = append(g.state.Tunnels, tunnel)
		peer, local := tunnel.Peer+"/32", tunnel.Local+"/32"
		g.rule(wire.Rule{Chain: "input", In: wire.Public, Source: peer, Destination: local, Protocol: "udp", Ports: "500,4500", Action: "accept", Why: "tunnel"}) // RFC 7296 section 2
		g.rule(wire.Rule{Chain: "input", In: wire.Public, Source: peer, Destination: local, Protocol: "esp", Action: "accept", Why: "tunnel"})
		link := wire.TunnelPrefix + strconv.FormatInt(t.XFRMID, 10)
		within, _ := netip.ParsePrefix(tunnel.RemoteNetwork)
		for _, r := range t.Firewall.Ingress {
			source, ok := network4(r.Source)
			list, good := portsOf(r.Ports)
			if !ok || !good {
				g.problem("tunnel %s: ingress rule %s %s from %s cannot be read and admits nothing", t.ID, r.Protocol, r.Ports, r.Source)
				continue
			}
			if common, ok := overlap(within, source); ok {
				g.rule(wire.Rule{Chain: "forward", In: link, Out: wire.Private, Source: common, Destination: g.private.cidr.String(), Protocol: r.Protocol, Ports: list, Action: "accept", Why: "ingress rule of a tunnel"})
			}
		}
		g.egress(&t.Firewall, link, tunnel.RemoteNetwork)
	}
}

func (g *gatewayPlan) tunnel(t *model.IPsec) (wire.Tunnel, error) {
	out := wire.Tunnel{ID: string(t.ID), Name: t.Name, XFRM: t.XFRMID, Local: t.IP, Peer: t.RemoteIP, LocalNetwork: g.private.cidr.String(),
		PreSharedKey: t.PreSharedKey, Start: t.StartAction, DPDAction: t.DPDAction}
	remote, ok := network4(t.RemoteSubnet)
	if !ok {
		return out, fmt.Errorf("remote network %q cannot be read", t.RemoteSubnet)
	}
	out.RemoteNetwork = remote
	for _, a := range []string{t.IP, t.RemoteIP} {
		if at, err := netip.ParseAddr(a); err != nil || !at.Is4() {
			return out, fmt.Errorf("%q is no IPv4 address", a)
		}
	}
	if t.PreSharedKey.Reveal() == "" {
		return out, fmt.Errorf("it has no pre-shared key")
	}
	var err error
	if out.IKE, err = proposal(t.Phase1Encryption, t.Phase1Integrity, t.Phase1DHGroup); err != nil {
		return out, err
	}
	if out.ESP, err = proposal(t.Phase2Encryption, t.Phase2Integrity, t.Phase2DHGroup); err != nil {
		return out, err
	}
	for _, d := range []struct {
		text string
		to   *int64
	}{{t.DPDTimeout, &out.DPD}, {t.Rekey, &out.Rekey}, {t.Phase1Lifetime, &out.IKELife}, {t.Phase2Lifetime, &out.ESPLife}} {
		if *d.to, err = lasting(d.text); err != nil {
			return out, err
		}
	}
	return out, nil
}
