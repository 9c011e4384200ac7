// Package history records what clients asked of a cloud and what they were answered, and decides whether
// one Kahuna that never fails could have answered so: whether the history is linearizable.
//
// An object is a register: it is written, read, and absent in the beginning. Objects are judged one by
// one, so that a history of any length takes little time as long as each object has few operations. A write
// whose outcome nobody knows may have been done at any time after it began, or never.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Absent is the value that a read of an object gives that is not there.
const Absent = ""

// Op is one request of a client.
type Op struct {
	Client int
	Object string
	Write  bool
	Value  string        // written, or read
	Begin  time.Duration // when it was sent, on one clock for all
	End    time.Duration // when the answer was there; without meaning when Unknown
	// Unknown tells that no answer came. A read without an answer says nothing and is not recorded.
	Unknown bool
	Request string // id, for people
}

func (o Op) String() string {
	verb, end := "reads ", fmt.Sprintf("%9.4f", o.End.Seconds())
	if o.Write {
		verb = "writes"
	}
	if o.Unknown {
		end = "  unknown"
	}
	value := o.Value
	if value == Absent {
		value = "(absent)"
	}
	return fmt.Sprintf("%9.4f - %s  client %2d %s %s %s  %s", o.Begin.Seconds(), end, o.Client, verb, o.Object, value, o.Request)
}

// Recorder gathers what clients see. It is safe for concurrent use.
type Recorder struct {
	began time.Time
	mu    sync.Mutex
	ops   []Op
}

// NewRecorder starts the clock.
func NewRecorder() *Recorder { return &Recorder{began: time.Now()} }

// Now is the time since the beginning.
func (r *Recorder) Now() time.Duration { return time.Since(r.began) }

// Add takes an operation that has ended.
func (r *Recorder) Add(o Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
}

// Ops are all operations so far, in the order of their beginnings.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := slices.Clone(r.ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Begin, b.Begin) })
	return ops
}

// register is the model. Its input is the operation; the state is the value.
var register = porcupine.Model{
	Init: func() any { return Absent },
	Step: func(state, input, _ any) (bool, any) {
		o := input.(Op)
		if o.Write {
			return true, o.Value
		}
		return state.(string) == o.Value, state
	},
}

// Check says nothing when the history is linearizable, and otherwise which objects are not and what was
// seen of the first few of them. An object that cannot be judged within patience is a complaint as well.
func Check(ops []Op, patience time.Duration) error {
	objects := map[string][]Op{}
	for _, o := range ops {
		objects[o.Object] = append(objects[o.Object], o)
	}
	var wrong []string
	for name, of := range objects {
		of = seen(of)
		events := make([]porcupine.Operation, len(of))
		for i, o := range of {
			events[i] = porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Begin), Return: int64(o.End)}
			if o.Unknown {
				events[i].Return = math.MaxInt64 // done at last, after everything, is the same as never
			}
		}
		if porcupine.CheckOperationsTimeout(register, events, patience) != porcupine.Ok {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	var b strings.Builder
	fmt.Fprintf(&b, "no order of the requests explains what was seen of %d of %d objects", len(wrong), len(objects))
	for _, name := range wrong[:min(3, len(wrong))] {
		fmt.Fprintf(&b, "\n%s:", name)
		for _, o := range objects[name] {
			fmt.Fprintf(&b, "\n  %v", o)
		}
	}
	return errors.New(b.String())
}

// seen leaves out writes without an answer whose value nobody read: had such a write been done, another one
// followed before anybody looked, and the same order without it explains what was seen. Each that stays
// doubles what has to be tried.
func seen(ops []Op) []Op {
	read := map[string]bool{}
	for _, o := range ops {
		if !o.Write {
			read[o.Value] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(ops), func(o Op) bool { return o.Write && o.Unknown && !read[o.Value] })
}

// Silence is the longest time without an acknowledged write between two moments.
func Silence(ops []Op, from, to time.Duration) time.Duration {
	var ends []time.Duration
	for _, o := range ops {
		if o.Write && !o.Unknown && o.End >= from && o.End <= to {
			ends = append(ends, o.End)
		}
	}
	slices.Sort(ends)
	longest, last := time.Duration(0), from
	for _, end := range append(ends, to) {
		longest, last = max(longest, end-last), end
	}
	return longest
}
