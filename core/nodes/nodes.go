// Package nodes is how the Kahunas that serve one cloud tell callers where they are, which of them acts,
// and what became of a request that was not answered as it should be: three headers of answers, which the
// server writes and the command line reads.
package nodes

import (
	"net/url"
	"slices"
	"strings"

	"kowabunga/core/fault"
)

// Headers of answers, of API v1 too.
const (
	// Header lists the nodes, as [Format] writes them. Every answer of a node that has another carries it.
	Header = "X-Kowabunga-Nodes"
	// OutcomeHeader stands in answers 503 (and redirects need none): one of the outcomes below. A 503
	// without it is an answer like any other, and nobody repeats the request by itself.
	OutcomeHeader = "X-Kowabunga-Outcome"
)

// Outcomes of a request.
const (
	// None: nothing was begun, and no other node was asked. There is no primary, or this node is none and
	// reaches none. Any request may be sent to another node, or here again later.
	None = "none"
	// Unknown: it may have been carried out, or may still be. Only what can be repeated is sent again: a
	// read, or a write under the same Idempotency-Key.
	Unknown = "unknown"
)

// Most is how many nodes are read out of a header.
const Most = 8

// maxText bounds a header; an address is far shorter.
const maxText = 4 << 10

// Node is one Kahuna.
type Node struct {
	URL     string // as clients reach it: scheme, host, port when it is not the scheme's; no slash at the end
	Primary bool   // it acts for all; at most one does
}

// Format writes nodes as a list of strings with a parameter (RFC 8941, sections 3.1 and 3.3.3):
//
//	"https://k1.example.org:8443";primary, "https://k2.example.org:8443"
//
// An address that no header can carry is left out.
func Format(all []Node) string {
	var b strings.Builder
	for _, n := range all {
		if !plain(n.URL) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + n.URL + `"`)
		if n.Primary {
			b.WriteString(";primary")
		}
	}
	return b.String()
}

// plain tells whether an address stands in a header as it is: visible ASCII without quotes and backslashes,
// none of which an address has (RFC 3986, appendix A).
func plain(address string) bool {
	return address != "" && !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// Parse reads what Format wrote; parameters of later releases are passed over. Faults: Malformed for
// anything else, for an address that is not http or https with a host and nothing behind it, for a node
// named twice, for two that act, and for more than [Most].
func Parse(text string) ([]Node, error) {
	if len(text) > maxText {
		return nil, fault.New(fault.Malformed, "%s is longer than %d bytes", Header, maxText)
	}
	var all []Node
	for text = strings.Trim(text, " \t"); text != ""; {
		if len(all) == Most {
			return nil, fault.New(fault.Malformed, "%s names more than %d nodes", Header, Most)
		}
		quoted, rest, closed := strings.Cut(strings.TrimPrefix(text, `"`), `"`)
		if text[0] != '"' || !closed || !address(quoted) {
			return nil, fault.New(fault.Malformed, "%s is no list of addresses in quotes", Header)
		}
		n := Node{URL: quoted}
		parameters, rest, more := strings.Cut(rest, ",")
		for i, name := range strings.Split(parameters, ";") {
			if name = strings.Trim(name, " \t"); i == 0 && name != "" {
				return nil, fault.New(fault.Malformed, "%s has something behind an address that is no parameter", Header)
			}
			n.Primary = n.Primary || name == "primary" || name == "primary=?1"
		}
		for _, other := range all {
			if other.URL == n.URL || other.Primary && n.Primary {
				return nil, fault.New(fault.Malformed, "%s names a node, or one that acts, twice", Header)
			}
		}
		all = append(all, n)
		if text = strings.Trim(rest, " \t"); more && text == "" {
			return nil, fault.New(fault.Malformed, "%s ends with a comma", Header)
		}
	}
	return all, nil
}

// address tells whether a text is the address of a node and nothing else.
func address(text string) bool {
	if !plain(text) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && text == u.Scheme+"://"+u.Host
}

// Primary is the address of the node that acts, empty when none does.
func Primary(all []Node) string {
	if i := slices.IndexFunc(all, func(n Node) bool { return n.Primary }); i >= 0 {
		return all[i].URL
	}
	return ""
}
