package world

import "time"

// harm does something to the way between two, in one direction or in both.
func (w *World) harm(both bool, how func(*link), word string) func() {
	from := w.someone()
	to := from
	for to == from {
		to = w.someone()
	}
	a, b := w.placeOf(from), w.placeOf(to)
	arrow := "->"
	how(w.link(a, b))
	if both {
		how(w.link(b, a))
		arrow = "-"
	}
	w.say("world", "%s%s%s is %s", from.title(), arrow, to.title(), word)
	return func() {
		w.mend(a, b)
		if both {
			w.mend(b, a)
		}
		w.say("world", "%s%s%s is sound again", from.title(), arrow, to.title())
	}
}

// parties are the places of all but clients.
func (w *World) parties() []place {
	var out []place
	for _, n := range w.nodes {
		out = append(out, n.at)
	}
	for _, a := range w.agents {
		out = append(out, a.at)
	}
	return out
}

func isolate(w *World) func() {
	e := w.someone()
	at := w.placeOf(e)
	for _, o := range w.parties() {
		if o != at {
			w.link(at, o).cut, w.link(o, at).cut = true, true
		}
	}
	w.say("world", "%s is cut off from all", e.title())
	return func() {
		for _, o := range w.parties() {
			if o != at {
				w.mend(at, o)
				w.mend(o, at)
			}
		}
		w.say("world", "%s is back in the network", e.title())
	}
}

// split divides all into two halves that do not hear each other; sometimes only in one direction.
func split(w *World) func() {
	all := w.parties()
	side := make([]bool, len(all))
	names := ""
	for i := range all {
		if side[i] = w.rng.IntN(2) == 0; side[i] {
			names += " " + w.places[all[i]].title()
		}
	}
	both := w.rng.IntN(3) > 0
	each := func(do func(a, b place)) {
		for i, a := range all {
			for j, b := range all {
				if i != j && side[i] && !side[j] {
					do(a, b)
					if both {
						do(b, a)
					}
				}
			}
		}
	}
	each(func(a, b place) { w.link(a, b).cut = true })
	w.say("world", "the network splits: %s on one side, two-way %v", names, both)
	return func() {
		each(w.mend)
		w.say("world", "the split is over")
	}
}

// badNetwork loses, repeats and delays messages everywhere.
func badNetwork(w *World) func() {
	drop, twice, slow := w.rng.IntN(400), w.rng.IntN(300), w.between(0, 1500*time.Millisecond)
	all := w.parties()
	for _, a := range all {
		for _, b := range all {
			if l := w.link(a, b); a != b && !l.cut {
				l.drop, l.twice, l.slow = drop, twice, slow
			}
		}
	}
	w.say("world", "the network loses %d and repeats %d of 1000, delays up to %v", drop, twice, slow)
	return func() {
		for _, a := range all {
			for _, b := range all {
				l := w.link(a, b)
				l.drop, l.twice, l.slow = 0, 0, 0
			}
		}
		w.say("world", "the network is good again")
	}
}
