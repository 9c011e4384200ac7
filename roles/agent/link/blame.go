package link

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// blame counts failed handshakes by remote address. It bounds the work and the log lines that somebody
// without a key can cause; guessing is hopeless anyhow. The bound is generous because a whole region
// may come from behind one address.
type blame struct {
	refill rate.Limit
	burst  int

	mu       sync.Mutex
	now, old map[netip.Prefix]*rate.Limiter // the older half is forgotten when the newer is full
}

const blameHalf = 2048

func newBlame(refill rate.Limit, burst int) *blame {
	return &blame{refill: refill, burst: burst, now: map[netip.Prefix]*rate.Limiter{}}
}

// innocent reports whether the remote may try.
func (b *blame) innocent(remote netip.Prefix, at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.find(remote)
	return l == nil || l.TokensAt(at) >= 1
}

// failed counts one failure.
func (b *blame) failed(remote netip.Prefix, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.find(remote)
	if l == nil {
		l = rate.NewLimiter(b.refill, b.burst)
	}
	if len(b.now) >= blameHalf {
		b.old, b.now = b.now, map[netip.Prefix]*rate.Limiter{}
	}
	b.now[remote] = l
	l.AllowN(at, 1)
}

func (b *blame) find(remote netip.Prefix) *rate.Limiter {
	if l, ok := b.now[remote]; ok {
		return l
	}
	return b.old[remote]
}

// remoteKey is the address of a remote, for IPv6 its /64, which is what one host usually has.
func remoteKey(addr string) netip.Prefix {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
