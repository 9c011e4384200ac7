package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/lease"
	"kowabunga/roles/agent/link"
	"kowabunga/store/failpoint"
)

// ledger is what an agent remembers of the steps it was asked for, in this process and on disk.
type ledger struct {
	log  *slog.Logger
	file *ledgerFile

	mu    sync.Mutex
	steps *lease.Ledger
}

// newLedger makes the ledger of a state directory; nil where there is none.
func newLedger(file *ledgerFile, why string, flaws lease.Flaws, log *slog.Logger) *ledger {
	if file == nil {
		return nil
	}
	l := &ledger{log: log, file: file, steps: lease.NewLedger(file.entries(), flaws)}
	if file.lost {
		l.steps.Lose()
		if why == "" {
			why = "it was damaged before this start"
		}
		log.Error("the ledger of steps lost something: what this agent may have been asked for before is unknown, until Kahuna has told what that is", "why", why)
	}
	return l
}

// The points at which an agent's death must be harmless: around the effect of a step.
var (
	fpStepBegun    = failpoint.Register("agent.step.begun")    // on disk as started, not done
	fpStepDone     = failpoint.Register("agent.step.done")     // done, no answer on disk
	fpStepAnswered = failpoint.Register("agent.step.answered") // answer on disk, not sent
	fpStepSettled  = failpoint.Register("agent.step.settled")  // told settled, perhaps not on disk
)

// isStep tells whether a call is a step: it has a request id, and is not only to read something.
func isStep(request string) bool {
	return request != "" && !strings.HasPrefix(request, agentproto.ReadPrefix)
}

// stepAnswer is an answer on disk: one of both.
type stepAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Fault  *fault.Error    `json:"fault,omitempty"`
}

// ask takes a call of a step: known has its answer, or starts is what begin must do before it is done.
// Faults: Conflict, the request id was used for another call or is settled; Unknown, it was begun before and
// its answer is lost, or may have been; Throttled, nothing is settled any more.
func (l *ledger) ask(method string, env agentproto.Envelope) (known *stepAnswer, starts []lease.Effect, err error) {
	sum := sha256.New()
	sum.Write([]byte(method))
	sum.Write([]byte{0})
	sum.Write(env.Args)
	l.mu.Lock()
	reply, answer, effects, err := l.steps.Ask(lease.LedgerEntry{Request: env.Request, Epoch: env.Epoch, Sum: hex.EncodeToString(sum.Sum(nil))})
	full := err == nil && reply == lease.ReplyFresh && l.steps.Len() > maxSteps
	if full {
		l.steps.NotKept(env.Request)
	}
	l.mu.Unlock()
	switch {
	case err != nil:
		return nil, nil, err
	case full:
		return nil, nil, fault.New(fault.Throttled, "%d steps wait for Kahuna to take their answers; no more is begun", maxSteps)
	}
	switch reply {
	case lease.ReplyFresh:
		return nil, effects, nil
	case lease.ReplyUnknown:
		l.note(effects)
		return nil, nil, fault.New(fault.Unknown, "whether %s was done is not known: the agent was interrupted while it worked on it", method)
	case lease.ReplyRunning: // done, and its answer could not be kept then
		if answer, err = l.carry(effects); err != nil {
			return nil, nil, unkept(err)
		}
		if answer == nil {
			return nil, nil, fault.New(fault.Unavailable, "%s is being worked on; repeat the call", method)
		}
	}
	known = &stepAnswer{}
	if err := json.Unmarshal(answer, known); err != nil {
		return nil, nil, &fault.Error{Code: fault.Unknown, Message: "the step was done; its answer in the ledger cannot be read", Err: err}
	}
	return known, nil, nil
}

func unkept(err error) error {
	return &fault.Error{Code: fault.Unknown, Op: "keep the answer of the step", Message: "the step is over, but its answer cannot be kept on the agent's disk; see the agent's log", Err: err}
}

// begin has a step on disk as started.
func (l *ledger) begin(starts []lease.Effect) error {
	_, err := l.carry(starts)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "note the step on the agent's disk")
	}
	fpStepBegun.Hit()
	return nil
}

// leave takes back a step that never began.
func (l *ledger) leave(request string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps.NotKept(request)
}

// done has the answer of a step on disk.
func (l *ledger) done(request string, a stepAnswer) error {
	fpStepDone.Hit()
	answer, err := json.Marshal(a)
	if err != nil {
		return err
	}
	l.mu.Lock()
	effects := l.steps.Done(request, answer)
	l.mu.Unlock()
	if _, err := l.carry(effects); err != nil {
		l.log.Error("the answer of a step cannot be kept", "request", request, "error", err)
		return unkept(err)
	}
	fpStepAnswered.Hit()
	return nil
}

// carry does what the ledger wants, and returns the answer if that is told.
func (l *ledger) carry(effects []lease.Effect) (answer []byte, failed error) {
	for len(effects) > 0 {
		e := effects[0]
		effects = effects[1:]
		switch e := e.(type) {
		case lease.KeepEntry:
			err := l.file.put(line([]lease.Effect{e}))
			l.mu.Lock()
			if err != nil {
				failed = err
				l.steps.NotKept(e.Entry.Request)
			} else {
				effects = append(effects, l.steps.Kept(e.Entry.Request)...)
			}
			l.mu.Unlock()
		case lease.AnswerStep:
			answer = e.Answer
		}
	}
	return answer, failed
}

// note does what nothing waits for.
func (l *ledger) note(effects []lease.Effect) {
	if len(effects) > 0 {
		l.file.later(line(effects))
	}
}

// line is what effects do to the disk.
func line(effects []lease.Effect) (l ledgerLine) {
	for _, e := range effects {
		switch e := e.(type) {
		case lease.KeepEntry:
			l.Changes = append(l.Changes, change{Keep: &e.Entry})
		case lease.DropEntry:
			l.Changes = append(l.Changes, change{Drop: e.Request})
		}
	}
	return l
}

// settle forgets answers that nobody needs any more.
func (l *ledger) settle(e agentproto.Epoch, s agentproto.Settled) error {
	l.mu.Lock()
	defer l.mu.Unlock() // later changes of the same requests are noted after these
	l.note(l.steps.Settle(e, s.Requests))
	if !s.Whole || !l.steps.Lost() {
		fpStepSettled.Hit()
		return nil
	}
	whole := line(l.steps.Recover(e, s.Open))
	whole.Lost = new(bool)
	if err := l.file.put(whole); err != nil {
		l.steps.Lose()
		return fault.Wrap(err, fault.Unavailable, "keep what is unknown")
	}
	l.log.Info("the ledger of steps is whole again", "unknown", len(whole.Changes))
	fpStepSettled.Hit()
	return nil
}

// open is a part of what is not settled.
func (l *ledger) open(after string) (list agentproto.OpenStepsList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list.Requests, list.Lost = []string{}, l.steps.Lost()
	entries := l.steps.Open()
	from, _ := slices.BinarySearchFunc(entries, after+"\x00", func(e lease.LedgerEntry, after string) int { return strings.Compare(e.Request, after) })
	for _, e := range entries[from:min(len(entries), from+agentproto.MaxOpenSteps)] {
		list.Requests = append(list.Requests, e.Request)
	}
	list.More = len(entries) > from+agentproto.MaxOpenSteps
	return list
}

// obey lets go of what a higher epoch makes superfluous.
func (l *ledger) obey(e agentproto.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(l.steps.Obey(e))
}

// openSteps answers agentproto.MethodOpenSteps.
func (a *Agent) openSteps(params json.RawMessage) (any, error) {
	var env agentproto.Envelope
	var args agentproto.OpenSteps
	if err := json.Unmarshal(params, &env); err != nil {
		return nil, link.BadParams(agentproto.MethodOpenSteps, err)
	}
	if len(env.Args) > 0 {
		if err := json.Unmarshal(env.Args, &args); err != nil {
			return nil, link.BadParams(agentproto.MethodOpenSteps, err)
		}
	}
	return a.steps.open(args.After), nil
}

// settle answers agentproto.MethodSettle.
func (a *Agent) settle(env agentproto.Envelope) (any, error) {
	var s agentproto.Settled
	if err := json.Unmarshal(env.Args, &s); err != nil {
		return nil, link.BadParams(agentproto.MethodSettle, err)
	}
	return agentproto.Empty{}, a.steps.settle(env.Epoch, s)
}
