package world

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"kowabunga/core/lease"
)

// tail is how many lines are kept to be shown with a violation.
const tail = 60

// trace is the story of a run: a line for each thing of interest, and a sum over all that happened.
type trace struct {
	out   io.Writer // all lines, when not nil
	last  []string
	lines int
	sum   uint64
	quiet bool
	zero  time.Duration // where times are counted from
}

// say writes a line.
func (t *trace) say(now time.Duration, who, format string, args ...any) {
	line := fmt.Sprintf("%9.3f s  %-7s %s", (now - t.zero).Seconds(), who, fmt.Sprintf(format, args...))
	t.line(line)
}

func (t *trace) line(line string) {
	line = strings.TrimRight(line, " ")
	h := fnv.New64a()
	io.WriteString(h, line)
	t.fold(h.Sum64())
	t.lines++
	if len(t.last) == tail {
		copy(t.last, t.last[1:])
		t.last = t.last[:tail-1]
	}
	t.last = append(t.last, line)
	if t.out != nil && !t.quiet {
		fmt.Fprintln(t.out, line)
	}
}

// mix adds a message to the sum without a line.
func (t *trace) mix(now time.Duration, from, to place, message any) {
	t.fold(uint64(now)<<8 ^ uint64(from)<<4 ^ uint64(to))
	t.fold(uint64(kindOf(message)))
}

// fold is FNV-1a over words.
func (t *trace) fold(x uint64) { t.sum = (t.sum ^ x) * 1099511628211 }

// messageKind names messages, in scripts too.
type messageKind uint8

var messageNames = []string{"other", "prevote", "prevote-reply", "promise", "promise-reply", "accept", "accept-reply",
	"renew", "renew-reply", "hello", "entries", "entries-reply", "fetch", "leave", "give-up", "announce", "snapshot",
	"request", "reply", "step", "stepped", "desired", "obeyed", "here", "applied", "settled"}

func (k messageKind) String() string { return messageNames[k] }

func kindOf(message any) messageKind {
	switch message.(type) {
	case lease.Prevote:
		return 1
	case lease.PrevoteReply:
		return 2
	case lease.Promise:
		return 3
	case lease.PromiseReply:
		return 4
	case lease.Accept:
		return 5
	case lease.AcceptReply:
		return 6
	case lease.Renew:
		return 7
	case lease.RenewReply:
		return 8
	case lease.Hello:
		return 9
	case lease.Entries:
		return 10
	case lease.EntriesReply:
		return 11
	case lease.Fetch:
		return 12
	case lease.Leave:
		return 13
	case lease.GiveUp:
		return 14
	case lease.Announce:
		return 15
	case snapshot:
		return 16
	case request:
		return 17
	case reply:
		return 18
	case step:
		return 19
	case stepped:
		return 20
	case desired:
		return 21
	case obeyed:
		return 22
	case here:
		return 23
	case applied:
		return 24
	case settled:
		return 25
	}
	return 0
}
