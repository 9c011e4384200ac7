package backups

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/store"
)

// Moment is the state to restore: as after the record of an index, or after the last record that is not
// later than a time. The zero value is the newest state there is.
type Moment struct {
	Index uint64
	Time  time.Time
}

// ParseMoment reads an index, or a time as RFC 3339 writes it. Fault: Invalid.
func ParseMoment(text string) (m Moment, err error) {
	if text == "" {
		return m, nil
	}
	if m.Index, err = strconv.ParseUint(text, 10, 64); err == nil && m.Index > 0 {
		return m, nil
	}
	if m.Time, err = time.Parse(time.RFC3339, strings.ToUpper(text)); err == nil {
		return Moment{Time: m.Time}, nil
	}
	return Moment{}, fault.Bad("at", "%q is neither the index of a record (4711) nor a time (2026-11-20T13:42:19Z)", text)
}

// Plan is what is to be restored.
type Plan struct {
	Chain   *Chain
	Pieces  int // from the full backup on
	Moment  Moment
	Skipped []*Chain // newer ones that would have reached the moment, were they whole
}

// Bytes is how much is read.
func (p *Plan) Bytes() (n int64) {
	for _, piece := range p.Chain.Manifest.Pieces[:p.Pieces] {
		n += piece.Bytes
	}
	return n
}

// Choose finds the chain to restore a moment from: the newest one that reaches it, because after a lossy
// promotion only that one tells what the cloud remembers. Fault: NotFound.
func Choose(chains []*Chain, at Moment) (*Plan, error) {
	plan := &Plan{Moment: at}
	for _, c := range slices.Backward(chains) {
		if !c.Counts() {
			plan.Skipped = append(plan.Skipped, c)
			continue
		}
		if !c.Reaches(at.Index, at.Time) {
			continue
		}
		plan.Chain, plan.Pieces = c, 1
		for i, p := range c.Manifest.Pieces[1:] {
			if at.Index != 0 && p.From > at.Index || !at.Time.IsZero() && p.First.After(at.Time) {
				break
			}
			plan.Pieces = i + 2
		}
		return plan, nil
	}
	return nil, fault.New(fault.NotFound, "no chain %s; %s", at.missed(), span(chains))
}

func (m Moment) missed() string {
	switch {
	case m.Index != 0:
		return fmt.Sprintf("reaches record %d", m.Index)
	case !m.Time.IsZero():
		return "reaches back to " + m.Time.Format(time.RFC3339)
	}
	return "counts"
}

// span says what there is.
func span(chains []*Chain) string {
	broken, whole := 0, []*Chain{}
	for _, c := range chains {
		if c.Counts() {
			whole = append(whole, c)
		} else {
			broken++
		}
	}
	text := "there are none"
	if len(whole) > 0 {
		first, last := whole[0].Manifest.Pieces[0], whole[len(whole)-1].Manifest.End()
		text = fmt.Sprintf("they reach from record %d of %s to record %d of %s", min(first.From, first.To.Index), first.First.Format(time.RFC3339), last.To.Index, last.Time.Format(time.RFC3339))
	}
	if broken > 0 {
		text += fmt.Sprintf("; %d are not whole", broken)
	}
	return text
}

// Restorer restores what a plan says.
type Restorer struct {
	Target     Target
	Identities []age.Identity
	Authentic  bool // the manifest was authenticated when it was read
	Progress   Progress
}

// Restore makes a store as the options say, which need a folder and a way to the sealing key only. Objects
// are copied into the scratch folder first, and removed.
func (r *Restorer) Restore(ctx context.Context, p *Plan, scratch string, o store.RestoreOptions) (*store.Restored, store.Key, error) {
	got, err := fetch(ctx, r.Target, p.Chain.Manifest, p.Pieces, scratch, r.Identities, r.Progress)
	if err != nil {
		return nil, store.Key{}, err
	}
	o.At, o.Until = p.Moment.Index, p.Moment.Time
	made, key, err := got.restore(ctx, o)
	if err == nil && !r.Authentic {
		err = Authentic(p.Chain, r.Target, ctx, key)
	}
	return made, key, err
}
