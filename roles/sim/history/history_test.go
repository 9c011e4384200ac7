package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// at is an operation of a client between two milliseconds; an end of 0 means that nobody knows.
func at(client int, write bool, value string, begin, end int) Op {
	return Op{Client: client, Object: "x", Write: write, Value: value, Unknown: end == 0,
		Begin: time.Duration(begin) * time.Millisecond, End: time.Duration(end) * time.Millisecond}
}

// What one Kahuna that never fails could answer is right; a lost write, a read of what was there before, and
// a value nobody wrote are not.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		right bool
		ops   []Op
	}{
		{"one after the other", true, []Op{at(1, false, Absent, 0, 1), at(1, true, "a", 2, 3), at(2, false, "a", 4, 5), at(1, true, "b", 6, 7), at(2, false, "b", 8, 9)}},
		{"a lost write", false, []Op{at(1, true, "a", 2, 3), at(2, false, Absent, 4, 5)}},
		{"a lost second write", false, []Op{at(1, true, "a", 2, 3), at(1, true, "b", 4, 5), at(2, false, "a", 6, 7)}},
		{"a stale read", false, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 3), at(2, false, "b", 4, 5), at(3, false, "a", 6, 7)}},
		{"a read goes back during a write", false, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 20), at(2, false, "b", 3, 4), at(3, false, "a", 5, 6)}},
		{"reads during a write see either", true, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 20), at(2, false, "a", 3, 4), at(3, false, "b", 5, 6)}},
		{"two writes at once, one order", true, []Op{at(1, true, "a", 0, 9), at(2, true, "b", 0, 9), at(3, false, "a", 10, 11)}},
		{"two writes at once, two orders", false, []Op{at(1, true, "a", 0, 9), at(2, true, "b", 0, 9), at(3, false, "a", 10, 11), at(3, false, "b", 12, 13)}},
		{"an unknown write was done", true, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 0), at(2, false, "b", 30, 31)}},
		{"an unknown write was not done", true, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 0), at(2, false, "a", 30, 31)}},
		{"an unknown write is done late", true, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 0), at(2, false, "a", 30, 31), at(2, false, "b", 40, 41)}},
		{"an unknown write was done and taken back", false, []Op{at(1, true, "a", 0, 1), at(1, true, "b", 2, 0), at(2, false, "b", 30, 31), at(2, false, "a", 40, 41)}},
		{"an unknown write before it began", false, []Op{at(2, false, "b", 0, 1), at(1, true, "b", 2, 0)}},
		{"a value nobody wrote", false, []Op{at(1, true, "a", 0, 1), at(2, false, "z", 2, 3)}},
	} {
		err := Check(c.ops, time.Minute)
		if (err == nil) != c.right {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.ops[len(c.ops)-1].String()) {
			t.Errorf("%s: the complaint does not show the operations: %v", c.name, err)
		}
	}
	both := append([]Op{at(1, true, "a", 2, 3), at(2, false, Absent, 4, 5)}, Op{Object: "y", Value: Absent})
	if err := Check(both, time.Minute); err == nil || !strings.Contains(err.Error(), "1 of 2 objects") {
		t.Errorf("two objects: %v", err)
	}
}

// Very many writes without an answer are judged as well: a full disk gives one for each attempt.
func TestCheckWithManyUnknownWrites(t *testing.T) {
	ops := []Op{at(1, true, "a", 0, 1), at(2, true, "b", 1200, 1201), at(3, false, "b", 1300, 1301)}
	for i := range 500 {
		ops = append(ops, at(4+i, true, fmt.Sprint("never read ", i), 2+i, 0))
	}
	ops = append(ops, at(600, true, "read", 5, 0), at(601, false, "read", 1000, 1001))
	if err := Check(ops, time.Minute); err != nil {
		t.Errorf("%.300v", err)
	}
	if err := Check(append(ops, at(602, false, "a", 1400, 1401)), time.Minute); err == nil {
		t.Error("a lost write is not found among them")
	}
}

// Whatever a register that works answers is right, however many clients ask at once and however many
// answers get lost; and it is wrong as soon as one acknowledged last write is missing in the end.
func TestCheckRandomly(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		var ops []Op
		now, state, lastKnown := 0, Absent, false
		for i := range rapid.IntRange(1, 25).Draw(t, "operations") {
			begin := now
			takes := rapid.IntRange(1, 3).Draw(t, "takes")
			done := begin + takes
			write := rapid.Bool().Draw(t, "write")
			value := state
			if write {
				value = fmt.Sprint("v", i)
				state = value
			}
			o := at(i, write, value, max(0, begin-rapid.IntRange(0, 5).Draw(t, "waited")), done+rapid.IntRange(0, 5).Draw(t, "delayed"))
			if write {
				if lastKnown = rapid.IntRange(0, 4).Draw(t, "lost") > 0; !lastKnown {
					o.Unknown = true
				}
			}
			ops = append(ops, o)
			now = done
		}
		if err := Check(ops, time.Minute); err != nil {
			t.Fatalf("a working register was blamed: %v", err)
		}
		if state != Absent && lastKnown {
			lost := append(ops[:len(ops):len(ops)], at(99, false, Absent, now+10, now+11))
			if Check(lost, time.Minute) == nil {
				t.Fatalf("nobody missed %s", state)
			}
		}
	})
}

func TestSilence(t *testing.T) {
	ops := []Op{at(1, true, "a", 0, 10), at(1, false, "a", 11, 12), at(1, true, "b", 11, 0), at(2, true, "c", 12, 70), at(2, true, "d", 71, 80)}
	if got := Silence(ops, 5*time.Millisecond, 90*time.Millisecond); got != 60*time.Millisecond {
		t.Error(got)
	}
	if got := Silence(ops, 75*time.Millisecond, 200*time.Millisecond); got != 120*time.Millisecond {
		t.Error(got)
	}
}
