package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// A program without a browser is let in by a person who has one (RFC 8628): it asks for a pair of codes,
// shows the short one, and asks again and again until somebody has typed that one together with his own
// credentials. Pairs live in memory alone: after a restart the program asks for another one.
const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second // between two questions (section 3.5)
	deviceMost     = 4096            // pairs at a time
	// Consonants, so that no code reads as a word (section 6.1): 8 of 20 letters, 34 bits.
	userLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userLength  = 8
)

// Device is a pair of codes for a program that asked to be let in.
type Device struct {
	DeviceCode string        // the program's, secret
	UserCode   string        // to be shown, "ABCD-EFGH"
	Life       time.Duration // of both
	Interval   time.Duration // between two questions
}

// DeviceState is what a program is told that waits, in the words of RFC 8628 section 3.5.
type DeviceState string

// The states. Granted comes with a token, once.
const (
	Granted  DeviceState = "granted"
	Waiting  DeviceState = "authorization_pending"
	SlowDown DeviceState = "slow_down"
	Refused  DeviceState = "access_denied"
	Over     DeviceState = "expired_token"
)

type device struct {
	user     string // code
	from     string
	agent    string
	expires  time.Time
	asked    time.Time
	interval time.Duration
	state    DeviceState
	owner    *model.User // who granted it, as he was verified
}

type devices struct {
	*sync.Mutex
	pairs map[[sha256.Size]byte]*device // by the hash of the device's code
}

func newDevices() devices { return devices{new(sync.Mutex), map[[sha256.Size]byte]*device{}} }

// BeginDevice makes a pair of codes for a program at an address. Faults: Throttled; Unavailable when too
// many wait.
func (a *Accounts) BeginDevice(from, agent string) (Device, error) {
	now := a.now()
	if _, ok := a.limits.devices.take(network(from), now); !ok {
		return Device{}, fault.New(fault.Throttled, "too many programs ask to be let in from this address; wait a minute")
	}
	a.devices.Lock()
	defer a.devices.Unlock()
	for sum, d := range a.devices.pairs {
		if !now.Before(d.expires) {
			delete(a.devices.pairs, sum)
		}
	}
	if len(a.devices.pairs) >= deviceMost {
		return Device{}, fault.New(fault.Unavailable, "too many programs wait to be let in; try again in some minutes")
	}
	code := draw(now).Token(secretLetters)
	d := &device{user: drawUserCode(), from: from, agent: printable(agent), expires: now.Add(deviceLife), interval: deviceInterval, state: Waiting}
	for a.devices.find(d.user, now) != nil {
		d.user = drawUserCode()
	}
	a.devices.pairs[sha256.Sum256([]byte(code))] = d
	return Device{DeviceCode: code, UserCode: d.user[:4] + "-" + d.user[4:], Life: deviceLife, Interval: deviceInterval}, nil
}

// secretLetters is the length of a device's code: 40 letters of 5.8 bits.
const secretLetters = 40

func drawUserCode() string {
	out := make([]byte, 0, userLength)
	for len(out) < userLength {
		var b [16]byte
		rand.Read(b[:])
		for _, c := range b {
			if n := len(userLetters); int(c) < 256/n*n && len(out) < userLength {
				out = append(out, userLetters[int(c)%n])
			}
		}
	}
	return string(out)
}

// find is the pair with a user's code that nobody has decided about yet.
func (d devices) find(code string, now time.Time) *device {
	for _, p := range d.pairs {
		if p.user == code && p.state == Waiting && now.Before(p.expires) {
			return p
		}
	}
	return nil
}

// plain is a user's code as people type it, without what they put between its letters.
func plain(code string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(code))
}

// DecideDevice lets a program in, or refuses it, in the name of the user whose credentials these are, and
// tells from which address it asked. Faults: those of Login; Invalid (field "user_code") for a code that
// no program waits with, and Throttled after too many of those from an address.
func (a *Accounts) DecideDevice(ctx context.Context, email, password, code, from string, grant bool) (asked string, err error) {
	u, err := a.verify(ctx, email, password, from)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "let a program in")
	}
	now, net := a.now(), network(from)
	if _, ok := a.limits.links.take(net, now); !ok {
		return "", throttled()
	}
	a.devices.Lock()
	defer a.devices.Unlock()
	d := a.devices.find(plain(code), now)
	if d == nil {
		return "", fault.Bad("user_code", "no program waits with this code: it was mistyped, used or is too old")
	}
	a.limits.links.refund(net, now)
	d.state, d.owner = Refused, u
	if grant {
		d.state = Granted
	}
	a.log.Info("a program was let in or refused", "user", u.ID, "granted", grant, "from", from, "program", d.from)
	return d.from, nil
}

// AskDevice is the question of a program whether it was let in. With Granted comes the token of a session
// that began just now. Faults: those of Login, should the account have been closed meanwhile.
func (a *Accounts) AskDevice(ctx context.Context, code, from string) (DeviceState, string, error) {
	d, state := a.askDevice(code)
	if state != Granted {
		return state, "", nil
	}
	token, err := a.begin(ctx, d.owner, from, d.agent)
	return Granted, token, err
}

func (a *Accounts) askDevice(code string) (*device, DeviceState) {
	now, sum := a.now(), sha256.Sum256([]byte(code))
	a.devices.Lock()
	defer a.devices.Unlock()
	d := a.devices.pairs[sum]
	switch {
	case d == nil:
		return nil, Over
	case !now.Before(d.expires):
		delete(a.devices.pairs, sum)
		return nil, Over
	case d.state != Waiting:
		delete(a.devices.pairs, sum) // answered once
		return d, d.state
	case now.Sub(d.asked) < d.interval:
		d.interval += deviceInterval // section 3.5: by five seconds, for good
		d.asked = now
		return nil, SlowDown
	}
	d.asked = now
	return nil, Waiting
}
