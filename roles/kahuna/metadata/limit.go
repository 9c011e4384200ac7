package metadata

import (
	"errors"
	"hash/maphash"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"kowabunga/core/fault"
)

// slots is the number of buckets that keys share by a hash nobody outside can predict: memory is
// constant, and nothing can be pushed out.
const slots = 1 << 12

type buckets struct {
	seed  maphash.Seed
	limit rate.Limit
	burst int
	mu    sync.Mutex
	slots [slots]*rate.Limiter
}

func newBuckets(burst int, every time.Duration) *buckets {
	return &buckets{seed: maphash.MakeSeed(), limit: rate.Every(every), burst: burst}
}

// limited says that somebody asks too often.
type limited struct{ wait time.Duration }

func (l *limited) Error() string { return "too many requests" }

func (l *limited) Unwrap() error {
	return fault.New(fault.Throttled, "too many requests; ask again in %s s, and use ?wait=30s with If-None-Match to learn of changes", seconds(l.wait))
}

func asLimited(err error, into **limited) bool { return errors.As(err, into) }

// seconds rounds a wait up to whole seconds, at least one.
func seconds(wait time.Duration) string { return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))) }

// take counts a request of a key; the fault says when to come back.
func (b *buckets) take(key string, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := &b.slots[maphash.String(b.seed, key)%slots]
	if *at == nil {
		*at = rate.NewLimiter(b.limit, b.burst)
	}
	if (*at).AllowN(now, 1) {
		return nil
	}
	missing := 1 - (*at).TokensAt(now)
	return &limited{time.Duration(missing / float64(b.limit) * float64(time.Second))}
}
