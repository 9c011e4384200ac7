package identity

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	addressBurst = 20
	addressEvery = 6 * time.Second // one more attempt
	nameBurst    = 60
	nameEvery    = 2 * time.Second
	resetBurst   = 20
	resetEvery   = 30 * time.Second
	letterBurst  = 4
	letterEvery  = 10 * time.Minute
	keyBurst     = 400
	keyEvery     = 200 * time.Millisecond
	linkBurst    = 60
	linkEvery    = 2 * time.Second
	deviceBurst  = 20
	deviceEvery  = 5 * time.Second
	limitSlots   = 1 << 12
)

// limits is what is counted.
type limits struct {
	// Failed logins are counted by address and by account. An address fills up well before it can fill up
	// an account, so that one stranger cannot keep somebody else from logging in; with passwords of
	// strengthBits the limit for an account is about load, not about guessing.
	addresses, names *limiter
	// Requests for a new password are counted by address, and by account because each is a letter.
	resets, letters *limiter
	// Wrong keys and tokens, by address. They have more than 160 bits and are checked with one fast hash,
	// so that what is refused here are programs gone wild: a valid key is never turned away for the sake of
	// a neighbour behind the same address.
	keys *limiter
	// Links that are not good, by address.
	links *limiter
	// Programs that ask to be let in, by address.
	devices *limiter
}

func newLimits() limits {
	return limits{
		addresses: newLimiter(addressBurst, addressEvery), names: newLimiter(nameBurst, nameEvery),
		resets: newLimiter(resetBurst, resetEvery), letters: newLimiter(letterBurst, letterEvery),
		keys: newLimiter(keyBurst, keyEvery), links: newLimiter(linkBurst, linkEvery), devices: newLimiter(deviceBurst, deviceEvery),
	}
}

// limiter is a fixed number of token buckets that keys share by a hash nobody outside can predict. Its
// memory is constant, there is nothing to evict and so nothing to push somebody's count out with; the
// price is that one stranger in limitSlots shares a count with another.
type limiter struct {
	burst float64
	every time.Duration
	seed  maphash.Seed
	mu    sync.Mutex
	slots [limitSlots]bucket
}

type bucket struct {
	used float64
	at   int64 // Unix nanoseconds of the last change
}

func newLimiter(burst float64, every time.Duration) *limiter {
	return &limiter{burst: burst, every: every, seed: maphash.MakeSeed()}
}

// take counts an attempt; when it may not be made it says how long until one may.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if over := b.used + 1 - l.burst; over > 0 {
		return time.Duration(over * float64(l.every)), false
	}
	b.used++
	return 0, true
}

// peek tells whether take would succeed.
func (l *limiter) peek(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := l.bucket(key, now).used + 1 - l.burst
	return max(0, time.Duration(over*float64(l.every))), over <= 0
}

// refund takes back a count: the attempt succeeded.
func (l *limiter) refund(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	b.used = max(0, b.used-1)
}

func (l *limiter) bucket(key string, now time.Time) *bucket {
	b := &l.slots[maphash.String(l.seed, key)%limitSlots]
	at := now.UnixNano()
	if passed := at - b.at; passed > 0 {
		b.used = max(0, b.used-float64(passed)/float64(l.every))
	}
	b.at = at
	return b
}

// network is what addresses are counted by: an IPv4 address, or the /64 that one IPv6 customer has.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = port.Addr()
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
