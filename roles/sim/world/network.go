package world

import "time"

// place is where messages come from and go to: an index of World.places.
type place int

// endpoint is who is at a place.
type endpoint interface {
	title() string
	receive(from place, message any)
}

// link is the way from one place to another.
type link struct {
	cut     bool
	stalled bool // what is sent arrives once it is mended, as TCP would have it
	drop    int  // of a thousand
	twice   int  // of a thousand
	slow    time.Duration
	waiting []packet
}

// packet is a message under way.
type packet struct {
	from, to place
	message  any
}

// The fastest and the slowest a sound network carries a message.
const (
	fastest = 200 * time.Microsecond
	slowest = 4 * time.Millisecond
)

// atMost is how many messages a second there are in a world that is well: a sound one of nine witnesses
// has about forty.
const atMost = 5000

func (w *World) link(from, to place) *link { return &w.links[int(from)*len(w.places)+int(to)] }

// join gives somebody a place. All places are taken before the first message.
func (w *World) join(e endpoint) place {
	w.places = append(w.places, e)
	w.links = make([]link, len(w.places)*len(w.places))
	return place(len(w.places) - 1)
}

// send carries a message to a place, or does not.
func (w *World) send(from, to place, message any) {
	p := packet{from, to, message}
	if w.script != nil && w.script.holds(p) {
		return
	}
	w.carry(p)
}

func (w *World) carry(p packet) {
	l := w.link(p.from, p.to)
	switch {
	case l.cut:
		return
	case l.stalled:
		l.waiting = append(l.waiting, p)
		return
	case l.drop > 0 && w.rng.IntN(1000) < l.drop:
		return
	}
	w.fly(p, l)
	if l.twice > 0 && w.rng.IntN(1000) < l.twice {
		w.fly(p, l)
	}
}

func (w *World) fly(p packet, l *link) {
	delay := fastest + time.Duration(w.rng.Int64N(int64(slowest-fastest)))
	if l.slow > 0 {
		delay += time.Duration(w.rng.Int64N(int64(l.slow)))
	}
	w.after(delay, func() { w.arrive(p) })
}

func (w *World) arrive(p packet) {
	w.messages++
	if second := w.now / time.Second; second != w.second {
		w.second, w.inSecond = second, 0
	}
	if w.inSecond++; w.inSecond > atMost {
		w.broken("messages do not beget messages without end", "more than %d arrive within a second", atMost)
	}
	w.trace.mix(w.now, p.from, p.to, p.message)
	w.places[p.to].receive(p.from, p.message)
}

// mend makes a link sound again; what stalled arrives.
func (w *World) mend(from, to place) {
	l := w.link(from, to)
	waiting := l.waiting
	*l = link{}
	for _, p := range waiting {
		w.fly(p, l)
	}
}

// mendAll makes every link sound again.
func (w *World) mendAll() {
	for from := range w.places {
		for to := range w.places {
			w.mend(place(from), place(to))
		}
	}
}
