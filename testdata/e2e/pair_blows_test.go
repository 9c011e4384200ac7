//go:build lab

package e2e

import (
	"time"
)

// blow is something that happens to the two.
type blow struct {
	name  string
	short bool // enough for the tests of every day
	moves bool // the other one acts afterwards
	hold  time.Duration
	// hit has it happen; undo, which may do nothing, repairs what a person would.
	hit func(primary, other *node) (undo func())
}

var blows = []blow{
	{name: "kill the primary", short: true, moves: true, hit: func(primary, _ *node) func() { return primary.crash() }},
	{name: "cut the primary off", short: true, moves: true, hit: func(primary, _ *node) func() { primary.unplug(); return primary.plug }},
	{name: "stop the primary in order", short: true, moves: true, hit: func(primary, _ *node) func() { primary.proc.stop(primary.p.t); return func() { primary.start() } }},
	{name: "hand over", short: true, moves: true, hit: func(primary, _ *node) func() { primary.handOver(); return func() {} }},
	{name: "orders of the primary arrive late", short: true, moves: true, hit: func(primary, _ *node) func() { return primary.late() }},
	{name: "hang the primary's disk", short: true, moves: true, hit: func(primary, _ *node) func() { primary.freeze(); return primary.thaw }},

	{name: "stop the primary for a moment", moves: true, hold: 12 * time.Second, hit: func(primary, _ *node) func() { primary.pause(); return primary.resume }},
	{name: "stop the primary for a minute", moves: true, hold: time.Minute, hit: func(primary, _ *node) func() { primary.pause(); return primary.resume }},
	{name: "cut the cable between the two", hold: 15 * time.Second, hit: func(primary, other *node) func() {
		primary.deafTo(other.address)
		other.deafTo(primary.address)
		return func() { primary.hears(); other.hears() }
	}},
	{name: "the primary does not hear the other one", hold: 15 * time.Second, hit: func(primary, other *node) func() { primary.deafTo(other.address); return primary.hears }},
	{name: "the other one does not hear the primary", hold: 15 * time.Second, hit: func(primary, other *node) func() { other.deafTo(primary.address); return other.hears }},
	{name: "the primary hears nobody", moves: true, hold: 15 * time.Second, hit: func(primary, other *node) func() {
		primary.deafTo(other.address, network+"1", network+"20")
		return primary.hears
	}},
	{name: "the primary hears clients alone", moves: true, hold: 15 * time.Second, hit: func(primary, other *node) func() {
		primary.deafTo(other.address, network+"20")
		return primary.hears
	}},
	{name: "nobody hears the primary but clients", moves: true, hold: 15 * time.Second, hit: func(primary, other *node) func() {
		primary.p.deafen("g", primary.address)
		other.deafTo(primary.address)
		return func() { primary.p.hear("g"); other.hears() }
	}},
	{name: "fill the primary's disk", hold: 20 * time.Second, hit: func(primary, _ *node) func() { primary.fill(); return primary.cleared }},
	{name: "fill the other one's disk", hold: 20 * time.Second, hit: func(_, other *node) func() { other.fill(); return other.cleared }},
	{name: "hang the other one's disk", hold: 15 * time.Second, hit: func(_, other *node) func() { other.freeze(); return other.thaw }},
	{name: "kill the other one", hold: 5 * time.Second, hit: func(_, other *node) func() { return other.crash() }},
	{name: "stop the other one", hold: 15 * time.Second, hit: func(_, other *node) func() { other.pause(); return other.resume }},
	{name: "cut the other one off", hold: 15 * time.Second, hit: func(_, other *node) func() { other.unplug(); return other.plug }},
	{name: "agents are installed anew, and the primary is killed", moves: true, hit: func(primary, _ *node) func() {
		for _, h := range primary.p.hosts[:3] { // at most a third of the witnesses
			h.reimage()
		}
		return primary.crash()
	}},
	{name: "agents are killed", hold: 10 * time.Second, hit: func(primary, _ *node) func() {
		hosts := primary.p.hosts[len(primary.p.hosts)-4:]
		for _, h := range hosts {
			h.kill()
		}
		return func() {
			for _, h := range hosts {
				h.start()
			}
		}
	}},
}
