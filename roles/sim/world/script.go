package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
)

// script is a directed run: a list of commands, one a line, that say what happens to whom and what must
// come of it.
type script struct {
	w      *World
	rules  []rule
	held   []packet
	client *client

	slowest time.Duration // a step takes at most
	slowly  bool          // and at least
	undo    bool          // operations of another epoch are undone, not gone on with
	wanted  []string      // "add ADDRESS AGENT" or "remove ADDRESS"
}

// rule is what happens to messages of a kind on a way.
type rule struct {
	from, to place
	kind     messageKind // 0: of any kind
	drop     bool
}

func (r rule) matches(p packet) bool {
	return r.from == p.from && r.to == p.to && (r.kind == 0 || r.kind == kindOf(p.message))
}

// holds tells whether a message does not leave now.
func (s *script) holds(p packet) bool {
	for _, r := range s.rules {
		if r.matches(p) {
			if !r.drop {
				s.held = append(s.held, p)
			}
			return true
		}
	}
	return false
}

// verbs are the commands of scripts.
var verbs = map[string]struct {
	usage string
	do    func(s *script, args []string) error
}{
	"wait":    {"wait TIME", (*script).wait},
	"until":   {"until CONDITION [within TIME]", (*script).until},
	"expect":  {"expect CONDITION", (*script).expect},
	"cut":     {"cut WAY...", harmed("cut", func(l *link) { l.cut = true })},
	"stall":   {"stall WAY...", harmed("stalled", func(l *link) { l.stalled = true })},
	"mend":    {"mend all|WAY...", (*script).mend},
	"drop":    {"drop FROM->TO [KIND]", (*script).drop},
	"hold":    {"hold FROM->TO [KIND]", (*script).hold},
	"release": {"release FROM->TO [KIND]", (*script).release},
	"open":    {"open FROM->TO [KIND]: new ones pass, those kept back stay", (*script).open},
	"ask":     {"ask NODE WITNESS: a promise of a higher epoch", (*script).askPromise},
	"address": {"address add N AGENT, address remove N", (*script).address},
	"undo":    {"undo yes|no: operations of another epoch", (*script).setUndo},
	"slow":    {"slow TIME: each step of an operation takes so long", (*script).slow},
	"claim":   {"claim AGENT NODE: it tells of an epoch that nobody asked for", (*script).claim},
	"hasty":   {"hasty NODE: its own configuration has timers five times as short", (*script).hasty},
	"forget":  {"forget FROM->TO [KIND]", (*script).forget},
	"kill":    {"kill WHO...", each(func(w *World, e endpoint) { w.kill(e, "is killed") })},
	"start":   {"start WHO...", each(func(w *World, e endpoint) { w.start(e) })},
	"power":   {"power WHO...: off, and the host has booted anew", each(powerLoss)},
	"image":   {"image AGENT...: the host is installed anew", each(imaged)},
	"pause":   {"pause WHO...", each(func(w *World, e endpoint) { p := processOf(e); w.say(p.name, "is paused"); p.paused = true })},
	"resume":  {"resume WHO...", each(func(w *World, e endpoint) { p := processOf(e); w.say(p.name, "goes on"); p.resume() })},
	"suspend": {"suspend WHO...", each(func(w *World, e endpoint) { p := processOf(e); w.say(p.name, "is suspended"); p.host.sleep() })},
	"wake":    {"wake WHO...", each(func(w *World, e endpoint) { p := processOf(e); w.say(p.name, "wakes up"); p.host.wake() })},
	"hang": {"hang WHO...: its disk does nothing", each(func(w *World, e endpoint) {
		p := processOf(e)
		w.say(p.name, "has a hung disk")
		p.host.disk.hung = true
	})},
	"fill": {"fill WHO...: its disk is full", each(func(w *World, e endpoint) {
		p := processOf(e)
		w.say(p.name, "has a full disk")
		p.host.disk.fill()
	})},
	"repair":    {"repair WHO...: its disk is sound", each(func(w *World, e endpoint) { w.mendDisk(processOf(e)) })},
	"rollback":  {"rollback NODE N: its disk is back at N records before the end", (*script).rollback},
	"retain":    {"retain NODE N: it keeps the last N published records", (*script).retain},
	"write":     {"write NODE NAME", (*script).write},
	"create":    {"create NODE NAME OBJECT", (*script).create},
	"read":      {"read NODE NAME OBJECT", (*script).read},
	"peek":      {"peek NODE NAME OBJECT: a stale read", (*script).peek},
	"witnesses": {"witnesses AGENT...", (*script).witnesses},
	"mode":      {"mode sync|async", (*script).mode},
	"handoff":   {"handoff", (*script).handoff},
	"promote":   {"promote NODE [WITNESS...]", (*script).promote},
	"restore":   {"restore NODE FROM: a new node of a backup of another", (*script).restore},
	"settle":    {"settle: all is mended and comes together", (*script).settle},
}

// run carries out the commands until one fails or a rule is broken.
func (s *script) run(text string) error {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		v, ok := verbs[words[0]]
		if !ok {
			return fault.New(fault.Invalid, "line %d: %q is no command of scenarios", i+1, words[0])
		}
		if err := v.do(s, words[1:]); err != nil {
			return fault.New(fault.Invalid, "line %d: %s: %v; usage: %s", i+1, words[0], err, v.usage)
		}
		if s.w.violation != nil {
			return nil
		}
	}
	return nil
}

func (s *script) who(name string) (endpoint, error) {
	if n := s.w.node(name); n != nil {
		return n, nil
	}
	if a := s.w.agent(name); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("there is no %q", name)
}

func each(do func(*World, endpoint)) func(*script, []string) error {
	return func(s *script, names []string) error {
		for _, name := range names {
			e, err := s.who(name)
			if err != nil {
				return err
			}
			do(s.w, e)
		}
		return nil
	}
}

func powerLoss(w *World, e endpoint) {
	w.kill(e, "loses power")
	processOf(e).host.boot()
}

func imaged(w *World, e endpoint) {
	if a, ok := e.(*agent); ok {
		w.kill(a, "is installed anew")
		a.host.boot()
		a.image()
	}
}

// way reads A->B, or A-B for both directions; * stands for everybody else.
func (s *script) way(text string) (out [][2]place, err error) {
	from, to, oneWay := strings.Cut(text, "->")
	if !oneWay {
		var ok bool
		if from, to, ok = strings.Cut(text, "-"); !ok {
			return nil, fmt.Errorf("%q is neither FROM->TO nor ONE-OTHER", text)
		}
	}
	places := func(name string) ([]place, error) {
		if name == "*" {
			return s.w.parties(), nil
		}
		e, err := s.who(name)
		return []place{s.w.placeOf(e)}, err
	}
	froms, err := places(from)
	if err != nil {
		return nil, err
	}
	tos, err := places(to)
	if err != nil {
		return nil, err
	}
	for _, f := range froms {
		for _, t := range tos {
			if f != t {
				out = append(out, [2]place{f, t})
				if !oneWay {
					out = append(out, [2]place{t, f})
				}
			}
		}
	}
	return out, nil
}

func harmed(word string, how func(*link)) func(*script, []string) error {
	return func(s *script, ways []string) error {
		for _, text := range ways {
			way, err := s.way(text)
			if err != nil {
				return err
			}
			for _, w := range way {
				how(s.w.link(w[0], w[1]))
			}
			s.w.say("world", "%s is %s", text, word)
		}
		return nil
	}
}

func (s *script) mend(ways []string) error {
	if slices.Equal(ways, []string{"all"}) {
		s.w.say("world", "the whole network is sound")
		s.w.mendAll()
		return nil
	}
	for _, text := range ways {
		way, err := s.way(text)
		if err != nil {
			return err
		}
		s.w.say("world", "%s is sound", text)
		for _, w := range way {
			s.w.mend(w[0], w[1])
		}
	}
	return nil
}

// some reads FROM->TO [KIND].
func (s *script) some(args []string, then func(rule)) error {
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("%d arguments", len(args))
	}
	kind := 0
	if len(args) == 2 {
		if kind = slices.Index(messageNames, args[1]); kind < 0 {
			return fmt.Errorf("%q is no kind of message", args[1])
		}
	}
	way, err := s.way(args[0])
	if err != nil {
		return err
	}
	for _, w := range way {
		then(rule{from: w[0], to: w[1], kind: messageKind(kind)})
	}
	return nil
}

func (s *script) drop(args []string) error {
	s.w.say("world", "loses %s", strings.Join(args, " "))
	return s.some(args, func(r rule) { r.drop = true; s.rules = append(s.rules, r) })
}

func (s *script) hold(args []string) error {
	s.w.say("world", "keeps back %s", strings.Join(args, " "))
	return s.some(args, func(r rule) { s.rules = append(s.rules, r) })
}

// release ends hold or drop; what was held arrives.
func (s *script) release(args []string) error {
	s.w.say("world", "lets %s arrive", strings.Join(args, " "))
	return s.some(args, func(r rule) {
		s.rules = slices.DeleteFunc(s.rules, func(o rule) bool { return o.from == r.from && o.to == r.to && o.kind == r.kind })
		var rest []packet
		for _, p := range s.held {
			if r.matches(p) {
				s.w.fly(p, s.w.link(p.from, p.to))
			} else {
				rest = append(rest, p)
			}
		}
		s.held = rest
	})
}

// forget ends hold or drop; what was held is lost.
func (s *script) forget(args []string) error {
	return s.some(args, func(r rule) {
		s.rules = slices.DeleteFunc(s.rules, func(o rule) bool { return o.from == r.from && o.to == r.to && o.kind == r.kind })
		s.held = slices.DeleteFunc(s.held, r.matches)
	})
}

func (s *script) wait(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments", len(args))
	}
	d, err := time.ParseDuration(args[0])
	if err == nil {
		s.w.runUntil(s.w.now + d)
	}
	return err
}

func (s *script) until(args []string) error {
	within := 30 * time.Second
	if n := len(args); n > 2 && args[n-2] == "within" {
		d, err := time.ParseDuration(args[n-1])
		if err != nil {
			return err
		}
		within, args = d, args[:n-2]
	}
	holds, err := s.condition(args)
	if err != nil {
		return err
	}
	if !s.w.runWhile(s.w.now+within, func() bool { return !holds() }) {
		s.w.broken("the scenario goes as expected", "not within %v: %s; %s", within, strings.Join(args, " "), s.w.missing())
	}
	return nil
}

func (s *script) expect(args []string) error {
	holds, err := s.condition(args)
	if err == nil && !holds() {
		s.w.broken("the scenario goes as expected", "it is not so: %s; %s", strings.Join(args, " "), s.w.missing())
	}
	return err
}
