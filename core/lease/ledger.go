package lease

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/fault"
)

// StepID names one attempt at one direction of one step of an operation. It is the request id under
// which an agent is asked, published before it is asked for the first time.
type StepID struct {
	Operation string
	Step      int
	Direction string // "do" or "undo"
	Attempt   int    // counts from 1
}

// Request is the id on the wire: operation/step/direction/attempt.
func (s StepID) Request() string {
	return fmt.Sprintf("%s/%d/%s/%d", s.Operation, s.Step, s.Direction, s.Attempt)
}

// ParseStep is the inverse of Request.
func ParseStep(request string) (s StepID, ok bool) {
	parts := strings.Split(request, "/")
	if len(parts) != 4 {
		return s, false
	}
	var errs [2]error
	s.Operation, s.Direction = parts[0], parts[2]
	s.Step, errs[0] = strconv.Atoi(parts[1])
	s.Attempt, errs[1] = strconv.Atoi(parts[3])
	return s, errs == [2]error{} && s.Request() == request
}

// Resumed is the id under which a step is asked again whose outcome is not recorded: the same, whoever
// asks. Only after an answer, or a probe that decided what is unknown, is there another attempt.
func (s StepID) Resumed(flaws Flaws) StepID {
	if flaws.Has(FlawFreshRequest) {
		s.Attempt++
	}
	return s
}

// EntryState is how far a step is at the agent.
type EntryState string

// The states of a step at an agent.
const (
	StepStarted  EntryState = "started"  // on disk before the effect
	StepAnswered EntryState = "answered" // on disk before the answer leaves
	StepSettled  EntryState = "settled"  // Kahuna has the answer recorded; nothing is asked under this id any more
)

// LedgerEntry is what an agent keeps on disk of a step.
type LedgerEntry struct {
	Request string     `json:"request"`
	Epoch   Epoch      `json:"epoch"`         // that asked first
	Sum     string     `json:"sum,omitempty"` // of method and arguments, in any form; equal sums are equal calls
	State   EntryState `json:"state"`
	Answer  []byte     `json:"answer,omitempty"` // of an answered step
}

// KeepEntry makes an entry survive a crash, in the place of an earlier one of the same request. The
// ledger's Kept or NotKept answers.
type KeepEntry struct{ Entry LedgerEntry }

// DropEntry lets an entry go; nothing waits for it.
type DropEntry struct{ Request string }

// RunStep has a step done: it is on disk as started. Ledger.Done answers.
type RunStep struct{ Request string }

// AnswerStep tells everybody who asked: it is on disk as answered.
type AnswerStep struct {
	Request string
	Answer  []byte
}

func (KeepEntry) effect()  {}
func (DropEntry) effect()  {}
func (RunStep) effect()    {}
func (AnswerStep) effect() {}

// Reply is what an agent says of a step at once.
type Reply string

// The replies.
const (
	ReplyFresh    Reply = "fresh"    // it is about to start; AnswerStep will come
	ReplyRunning  Reply = "running"  // it runs; AnswerStep will come
	ReplyAnswered Reply = "answered" // the answer is at hand
	ReplyUnknown  Reply = "unknown"  // it was started, or may have been, and its answer is lost: a probe decides
)

// settledKept is how many settled requests a ledger remembers, so that a late copy of a call is not
// taken for a new one. Those of epochs below the one obeyed need no remembering: they are fenced.
const settledKept = 1024

// Ledger is what an agent remembers of the steps it was asked for, so that each has at most one effect
// and one answer, across restarts.
type Ledger struct {
	flaws   Flaws
	steps   map[string]*step
	settled []string // requests, oldest first

	lost    bool           // of what was on disk something is missing
	doubted map[string]int // since then: attempts answered as unknown, by operation and step
}

type step struct {
	LedgerEntry
	at phase
}

// phase is where a step is in this process.
type phase uint8

const (
	starting  phase = iota // being kept as started
	running                // its effect may be happening
	answering              // being kept as answered
	unkept                 // answered, but keeping that failed
	answered
	unknown // started by a process that is gone, or perhaps so
	settled
)

// NewLedger makes a ledger of what was on disk, in the order it was kept.
func NewLedger(entries []LedgerEntry, flaws Flaws) *Ledger {
	l := &Ledger{flaws: flaws, steps: map[string]*step{}}
	for _, e := range entries {
		s := &step{LedgerEntry: e, at: unknown}
		switch e.State {
		case StepAnswered:
			s.at = answered
		case StepSettled:
			s.at = settled
			l.settled = append(l.settled, e.Request)
		}
		l.steps[e.Request] = s
	}
	return l
}

// Lose tells that of what was on disk something is missing. Whatever is not known may have been started:
// it is unknown, until Recover. Another attempt at a step that was answered so is fresh.
func (l *Ledger) Lose() { l.lost, l.doubted = true, map[string]int{} }

// Lost tells whether Recover is waited for.
func (l *Ledger) Lost() bool { return l.lost }

// Recover ends what Lose began, by all requests that may have been asked for before and are not settled:
// those that are not known here are unknown for good.
func (l *Ledger) Recover(e Epoch, open []string) (effects []Effect) {
	for _, request := range open {
		if _, there := l.steps[request]; !there && request != "" {
			effects = append(effects, l.doubt(LedgerEntry{Request: request, Epoch: e})...)
		}
	}
	l.lost, l.doubted = false, nil
	return effects
}

// doubt makes a step unknown.
func (l *Ledger) doubt(e LedgerEntry) []Effect {
	s := &step{LedgerEntry: LedgerEntry{Request: e.Request, Epoch: e.Epoch, Sum: e.Sum, State: StepStarted}, at: unknown}
	l.steps[e.Request] = s
	return l.keep(s)
}

// doubtful tells whether a request that is not known may be one that is missing.
func (l *Ledger) doubtful(request string) bool {
	if !l.lost {
		return false
	}
	s, ok := ParseStep(request)
	if !ok {
		return true
	}
	key := s.Operation + "/" + strconv.Itoa(s.Step)
	if before := l.doubted[key]; before != 0 && before < s.Attempt {
		return false
	}
	l.doubted[key] = s.Attempt
	return true
}

// Ask takes a call of a step: its request, epoch and sum. Faults: Conflict, the request id was used for
// another call, or is settled; Malformed, there is no request id.
func (l *Ledger) Ask(e LedgerEntry) (r Reply, answer []byte, effects []Effect, err error) {
	s, there := l.steps[e.Request]
	switch {
	case e.Request == "":
		return "", nil, nil, fault.New(fault.Malformed, "a step has no request id")
	case !there && l.doubtful(e.Request):
		return ReplyUnknown, nil, l.doubt(e), nil
	case !there:
		s = &step{LedgerEntry: LedgerEntry{Request: e.Request, Epoch: e.Epoch, Sum: e.Sum, State: StepStarted}}
		l.steps[e.Request] = s
		return ReplyFresh, nil, l.keep(s), nil
	case s.at == settled:
		return "", nil, nil, fault.New(fault.Conflict, "request %.100q is settled: its answer was taken", e.Request)
	case s.Sum != e.Sum && s.Sum != "": // one that Recover named has none
		return "", nil, nil, fault.New(fault.Conflict, "request id %.100q was used for another call", e.Request)
	}
	switch s.at {
	case answered:
		return ReplyAnswered, s.Answer, nil, nil
	case unknown:
		return ReplyUnknown, nil, nil, nil
	case unkept:
		s.at = answering
		return ReplyRunning, nil, l.keep(s), nil
	}
	return ReplyRunning, nil, nil, nil
}

// Done takes the answer of a step that RunStep began.
func (l *Ledger) Done(request string, answer []byte) []Effect {
	s, there := l.steps[request]
	if !there || s.at != running {
		return nil
	}
	s.State, s.Answer, s.at = StepAnswered, answer, answering
	return l.keep(s)
}

// Kept tells that the entry of a KeepEntry is on disk.
func (l *Ledger) Kept(request string) []Effect {
	s, there := l.steps[request]
	if !there {
		return nil
	}
	switch s.at {
	case starting:
		s.at = running
		return []Effect{RunStep{request}}
	case answering:
		s.at = answered
		return []Effect{AnswerStep{request, s.Answer}}
	}
	return nil
}

// NotKept tells that a KeepEntry failed. A step that was to start is as if never asked for; an answer is
// kept by the next who asks.
func (l *Ledger) NotKept(request string) {
	s, there := l.steps[request]
	switch {
	case !there:
	case s.at == starting:
		delete(l.steps, request)
	case s.at == answering:
		s.at = unkept
	}
}

// Settle forgets the answers of steps whose outcome the primary of an epoch has recorded, or which it
// will never ask about again. What runs stays.
func (l *Ledger) Settle(e Epoch, requests []string) (effects []Effect) {
	for _, request := range requests {
		s, there := l.steps[request]
		if there && (s.at < unkept || s.at == settled) || request == "" {
			continue
		}
		s = &step{LedgerEntry{Request: request, Epoch: e, State: StepSettled}, settled}
		l.steps[request] = s
		l.settled = append(l.settled, request)
		effects = append(effects, l.keep(s)...)
	}
	return append(effects, l.forget(func(*step) bool { return len(l.settled) > settledKept })...)
}

// Obey forgets the settled requests of epochs below the one obeyed.
func (l *Ledger) Obey(e Epoch) []Effect {
	return l.forget(func(s *step) bool { return s.Epoch.Compare(e) < 0 })
}

// Len is how many requests are remembered.
func (l *Ledger) Len() int { return len(l.steps) }

// Open are the steps that are not settled, by request.
func (l *Ledger) Open() []LedgerEntry {
	var out []LedgerEntry
	for _, s := range l.steps {
		if s.at != settled {
			out = append(out, s.LedgerEntry)
		}
	}
	slices.SortFunc(out, func(a, b LedgerEntry) int { return cmp.Compare(a.Request, b.Request) })
	return out
}

func (l *Ledger) keep(s *step) []Effect {
	if l.flaws.Has(FlawAnswersInMemory) {
		return l.Kept(s.Request)
	}
	return []Effect{KeepEntry{s.LedgerEntry}}
}

// forget drops settled requests, oldest first, while they are to be.
func (l *Ledger) forget(drop func(*step) bool) (effects []Effect) {
	for len(l.settled) > 0 && drop(l.steps[l.settled[0]]) {
		effects = append(effects, DropEntry{l.settled[0]})
		delete(l.steps, l.settled[0])
		l.settled = l.settled[1:]
	}
	return effects
}
