package backups

import (
	"context"
	"strconv"
	"time"

	"kowabunga/core/fault"
	"kowabunga/roles/config"
	"kowabunga/store"
	"kowabunga/store/failpoint"
)

var betweenRemovals = failpoint.Register("backups.retain.between-removals")

// Keep says how many chains stay, or how long; the zero value keeps all.
type Keep struct {
	Chains int
	Age    time.Duration // since the last piece was made
}

// ParseKeep reads a number of chains, or a length of time. Fault: Invalid.
func ParseKeep(text string) (Keep, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 {
			return Keep{}, fault.Bad("backup.keep", "%q is negative; 0 keeps all", text)
		}
		return Keep{Chains: n}, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil || d <= 0 {
		return Keep{}, fault.Bad("backup.keep", "%q is neither a number of chains (14) nor a length of time (30d)", text)
	}
	return Keep{Age: d}, nil
}

// ours tells whether an epoch may remove a chain: its own, and those of earlier ones. A later epoch's
// chains are never touched, so that a primary that was paused may do this late.
func ours(c *Chain, own store.Epoch) bool {
	return c.Epoch.Counter < own.Counter || c.Epoch == own
}

// Doomed are the chains that are not to be kept, the oldest first. A chain goes only when at least one
// newer one that counts stays; one whose manifest is damaged is left for a person to look at.
func Doomed(chains []*Chain, own store.Epoch, keep Keep, now time.Time) (out []*Chain) {
	if keep == (Keep{}) {
		return nil
	}
	newer := 0
	for i := len(chains) - 1; i >= 0; i-- {
		c := chains[i]
		if !ours(c, own) || c.Manifest == nil || c.Problem != nil {
			continue
		}
		over := newer >= keep.Chains
		if keep.Chains == 0 {
			over = now.Sub(c.Manifest.End().Made) > keep.Age
		}
		if newer > 0 && over {
			out = append([]*Chain{c}, out...)
			continue
		}
		if c.Counts() {
			newer++
		}
	}
	return out
}

// tidy removes the chains that are not to be kept and what earlier attempts left behind. It lists anew; a
// failure is logged and made good the next time.
func (b *Backups) tidy(ctx context.Context, t Target) (removed []string) {
	own := b.Store.Epoch()
	chains, err := Survey(ctx, t, Family(b.Key), &b.Key)
	if err != nil {
		b.Log.Warn("old backups stay for now", "target", t.String(), "error", err)
		return nil
	}
	remove := func(c *Chain, name string) bool {
		err := t.Remove(ctx, c.prefix()+name)
		if err == nil {
			err = betweenRemovals.Hit()
		}
		if err != nil {
			b.Log.Warn("an old backup stays for now", "object", c.prefix()+name, "error", err)
		}
		return err == nil
	}
	for _, c := range Doomed(chains, own, b.Keep, b.Now()) {
		if b.current != nil && c.Name == b.current.Chain {
			continue
		}
		// The manifest first: without it nothing of the chain counts, and the rest is a leftover.
		if !remove(c, c.newest) {
			continue
		}
		removed = append(removed, c.Name)
		for name := range c.objects {
			if name != c.newest && !remove(c, name) {
				break
			}
		}
	}
	for _, c := range chains {
		if !ours(c, own) || c.Problem != nil {
			continue
		}
		for _, name := range c.leftovers() {
			remove(c, name)
		}
	}
	for _, name := range removed {
		b.Log.Info("backup removed, as retention says", "target", t.String(), "chain", name)
	}
	return removed
}
