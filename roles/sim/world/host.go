package world

import (
	"fmt"
	"time"
)

// host is a machine: its clocks and its disk.
type host struct {
	w      *World
	name   string
	booted time.Duration // world's time at its boot
	base   time.Duration // what the boot clock showed then
	ppm    int64         // how much faster than the world it runs, in millionths
	wall   time.Duration // what the wall clock is ahead of the world
	boots  int
	asleep bool
	slept  time.Duration // for how long the clock stood still since the boot
	since  time.Duration // asleep since
	stops  bool          // the clock stands still in sleep
	disk   *disk
	runs   []*process
	onBoot []func()
}

func (w *World) newHost(name string) *host {
	h := &host{w: w, name: name, stops: w.stopsInSleep()}
	h.disk = &disk{w: w}
	h.boot()
	w.hosts = append(w.hosts, h)
	return h
}

// boot starts the clocks anew.
func (h *host) boot() {
	h.boots++
	h.booted, h.slept, h.asleep = h.w.now, 0, false
	for _, booted := range h.onBoot {
		booted()
	}
	h.base = time.Duration(h.w.rng.Int64N(int64(40 * time.Second)))
	if h.boots == 1 {
		h.base = time.Duration(h.w.rng.Int64N(int64(1000 * time.Hour)))
	}
	h.ppm = h.w.rng.Int64N(2*worstDrift+1) - worstDrift
}

// worstDrift is what clocks of the field keep, in millionths; NTP slews by at most 500.
const worstDrift = 500

func (h *host) bootID() string { return fmt.Sprintf("%s/boot%d", h.name, h.boots) }

// clock is CLOCK_BOOTTIME.
func (h *host) clock() time.Duration {
	t := h.w.now - h.booted - h.slept
	if h.stops && h.asleep {
		t -= h.w.now - h.since
	}
	return h.base + t + t*time.Duration(h.ppm)/1e6
}

// until is how long it takes till the boot clock shows at.
func (h *host) until(at time.Duration) time.Duration {
	d := at - h.clock()
	if d <= 0 {
		return 0
	}
	return d - d*time.Duration(h.ppm)/1e6 + time.Microsecond
}

// time is what the wall clock shows.
func (h *host) time() time.Time { return epoch.Add(h.w.now + h.wall) }

// epoch is the wall time at which every run begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// sleep suspends everything on the host; wake lets it go on.
func (h *host) sleep() {
	if !h.asleep {
		h.asleep, h.since = true, h.w.now
	}
}

func (h *host) wake() {
	if !h.asleep {
		return
	}
	h.asleep = false
	if h.stops {
		h.slept += h.w.now - h.since
	}
	for _, p := range h.runs {
		p.goOn()
	}
}

// process is a program that runs on a host.
type process struct {
	w      *World
	name   string
	host   *host
	up     bool
	paused bool
	life   int // which run of the program this is
	inbox  []func()
}

// run does something in the process: at once, or when it goes on; never when it is down.
func (p *process) run(do func()) {
	switch {
	case !p.up:
	case p.paused || p.host.asleep:
		p.inbox = append(p.inbox, do)
	default:
		do()
	}
}

// later does something in the process after a while, unless it has ended by then.
func (p *process) later(d time.Duration, do func()) {
	life := p.life
	p.w.after(d, func() {
		if p.life == life {
			p.run(do)
		}
	})
}

// begin starts the program anew.
func (p *process) begin() {
	p.life++
	p.up, p.paused, p.inbox = true, false, nil
}

// end kills the program.
func (p *process) end() {
	p.life++
	p.up, p.paused, p.inbox = false, false, nil
}

// goOn does what waited while the process stood still.
func (p *process) goOn() {
	life := p.life
	for len(p.inbox) > 0 && p.life == life && p.up && !p.paused && !p.host.asleep {
		do := p.inbox[0]
		p.inbox = p.inbox[1:]
		do()
	}
}
