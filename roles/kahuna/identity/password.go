package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Passwords are kept as argon2id (RFC 9106) with 19 MiB of memory, two passes and one lane: the least
// the OWASP Password Storage Cheat Sheet recommends, chosen over more memory because Kahuna shares small
// machines, because only two run at once, and because passwords must be worth strengthBits anyway.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16 // bytes, RFC 9106 section 3.1
	argonSize   = 32 // bytes

	hashesAtOnce = 2
	hashWait     = 5 * time.Second // for a free place; a hash takes some 50 ms
	hashQueue    = 64              // callers waiting for one; more are turned away at once
	maxPassword  = 1024            // bytes
)

// passwords bounds how much of the machine hashing can take: hashesAtOnce times 19 MiB and a core each.
type passwords struct {
	slots   chan struct{}
	waiting atomic.Int32
	wait    time.Duration
	memory  uint32       // KiB for new hashes
	hashes  atomic.Int64 // done so far, for tests
	absent  model.Secret // checked against when there is no account, for equal work
}

func newPasswords() *passwords {
	chance := make([]byte, argonSalt+argonSize)
	rand.Read(chance)
	p := &passwords{slots: make(chan struct{}, hashesAtOnce), wait: hashWait, memory: argonMemory}
	p.absent = p.encode(chance[:argonSalt], chance[argonSalt:])
	return p
}

// enter waits for a place. Faults: Unavailable when there is none in time.
func (p *passwords) enter(ctx context.Context) (leave func(), err error) {
	busy := fault.New(fault.Unavailable, "too many people log in at this moment; try again in a few seconds")
	if p.waiting.Add(1) > hashQueue+hashesAtOnce {
		p.waiting.Add(-1)
		return nil, busy
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots; p.waiting.Add(-1) }, nil
	case <-timer.C:
		err = busy
	case <-ctx.Done():
		err = fault.From(ctx.Err())
	}
	p.waiting.Add(-1)
	return nil, err
}

// hash makes the stored form of a password.
func (p *passwords) hash(ctx context.Context, password string) (model.Secret, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	p.hashes.Add(1)
	return p.encode(salt, argon2.IDKey([]byte(password), salt, argonTime, p.memory, argonLanes, argonSize)), nil
}

// matches checks a password. It takes a stored form of any kind, empty included, and always hashes.
func (p *passwords) matches(ctx context.Context, stored model.Secret, password string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	h, ok := decodeHash(stored)
	if !ok {
		h, _ = decodeHash(p.absent)
	}
	if len(password) > maxPassword {
		password, ok = password[:maxPassword], false
	}
	p.hashes.Add(1)
	sum := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, argonSize)
	return subtle.ConstantTimeCompare(sum, h.sum) == 1 && ok, nil
}

type hash struct {
	memory, time uint32
	lanes        uint8
	salt, sum    []byte
}

// encode writes the form that argon2's reference program prints.
func (p *passwords) encode(salt, sum []byte) model.Secret {
	text := base64.RawStdEncoding.EncodeToString
	return model.Secret(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, argonTime, argonLanes, text(salt), text(sum)))
}

// decodeHash reads that form, with parameters within what one login may cost.
func decodeHash(stored model.Secret) (hash, bool) {
	parts := strings.Split(stored.Reveal(), "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hash{}, false
	}
	var h hash
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); n != 3 || err != nil {
		return hash{}, false
	}
	if h.memory > 256<<10 || h.time == 0 || h.time > 16 || h.lanes == 0 {
		return hash{}, false
	}
	var err, err2 error
	h.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	return h, err == nil && err2 == nil && len(h.sum) == argonSize && len(h.salt) >= 8
}
