// Package trace is the record of why a decision came out as it did: the facts it used, in the order it
// used them. Tests assert it, logs carry it and `kowabunga explain` prints it, so that nobody has to
// guess why a machine is where it is.
//
// A nil *Trace is valid and records nothing, so deciding code never asks whether anybody listens.
package trace

import (
	"fmt"
	"log/slog"
	"strings"

	"kowabunga/core/model"
)

// Verdict is what a fact did to the decision.
type Verdict string

// The verdicts. A fact without one is an input the decision started from.
const (
	Given   Verdict = ""
	Allowed Verdict = "allowed" // a condition that was met
	Refused Verdict = "refused" // a candidate or a request turned down, with the reason as value
	Chosen  Verdict = "chosen"  // what the decision came to
)

// Fact is one thing a decision knew. What names it in plain words ("host", "quota of memory"), Subject
// is the object it is about if there is one, Value says it with units.
type Fact struct {
	What    string   `json:"what"`
	Subject model.ID `json:"subject,omitempty"`
	Value   string   `json:"value,omitempty"`
	Verdict Verdict  `json:"verdict,omitempty"`
}

// String renders a fact as "what subject: value [verdict]".
func (f Fact) String() string {
	var b strings.Builder
	b.WriteString(f.What)
	if f.Subject != "" {
		b.WriteByte(' ')
		b.WriteString(string(f.Subject))
	}
	if f.Value != "" {
		b.WriteString(": ")
		b.WriteString(f.Value)
	}
	if f.Verdict != Given {
		b.WriteString(" [")
		b.WriteString(string(f.Verdict))
		b.WriteByte(']')
	}
	return b.String()
}

// Trace collects facts. Detail asks for a fact about every candidate that was looked at, which costs
// time in proportion to them, instead of only those that settled the matter.
type Trace struct {
	Detail bool   `json:"-"`
	Facts  []Fact `json:"facts"`
}

// Add records a fact; the value is formatted as by fmt.Sprintf, and only when somebody listens.
func (t *Trace) Add(what string, subject model.ID, verdict Verdict, format string, args ...any) {
	if t == nil {
		return
	}
	t.Facts = append(t.Facts, Fact{What: what, Subject: subject, Value: fmt.Sprintf(format, args...), Verdict: verdict})
}

// Detailed tells whether every candidate deserves a fact.
func (t *Trace) Detailed() bool { return t != nil && t.Detail }

// About returns the facts about one object, in order.
func (t *Trace) About(subject model.ID) []Fact {
	if t == nil {
		return nil
	}
	var facts []Fact
	for _, f := range t.Facts {
		if f.Subject == subject {
			facts = append(facts, f)
		}
	}
	return facts
}

// String renders the trace one fact a line, without a final newline.
func (t *Trace) String() string {
	if t == nil {
		return ""
	}
	lines := make([]string, len(t.Facts))
	for i, f := range t.Facts {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// LogValue puts the facts on one line of a log.
func (t *Trace) LogValue() slog.Value {
	return slog.StringValue(strings.ReplaceAll(t.String(), "\n", "; "))
}
