package block

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"kowabunga/core/fault"
)

// maxRedirects is how often a download may be sent elsewhere.
const maxRedirects = 5

// metadata are addresses outside the link-local ranges at which clouds answer with credentials.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("168.63.129.16"),
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052

// forbidden tells whether a download may not go to an address. The host itself and its segment's
// link-local services trust whoever can reach them; a template source is chosen by people who cannot.
func forbidden(addr netip.Addr, allow []netip.Prefix) bool {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return false
	}
	return !addr.IsValid() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsLinkLocalUnicast() ||
		addr.IsMulticast() || slices.Contains(metadata, addr) || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// client downloads: it checks every address it is about to connect to, after the name was resolved,
// so that no name and no redirect leads to a forbidden one. It takes bytes as they are served.
func client(allow []netip.Prefix) *http.Client {
	dialer := &net.Dialer{
		Timeout: 15 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || forbidden(to.Addr(), allow) {
				return fault.New(fault.Denied, "the source leads to %s, which this host does not download from; allow it with import.allow if that is right", address)
			}
			return nil
		},
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			DisableCompression:     true,
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    15 * time.Second,
			ResponseHeaderTimeout:  time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			last := via[len(via)-1].URL.Scheme
			switch {
			case len(via) > maxRedirects:
				return fault.New(fault.Invalid, "the source redirects more than %d times", maxRedirects)
			case to.URL.Scheme != "http" && to.URL.Scheme != "https":
				return fault.New(fault.Denied, "the source redirects to %s:, only http and https are followed", to.URL.Scheme)
			case last == "https" && to.URL.Scheme == "http":
				return fault.New(fault.Denied, "the source redirects from https to http")
			}
			return nil
		},
	}
}

// shown is a source without what may be secret in it: user, query and fragment.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
