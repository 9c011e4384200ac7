package store

import "time"

// linger is how long a batch waits for callers who were there a moment ago: about as long as it takes them to be
// answered and to come back, and less than most disks take for a batch. Sixteen callers without a pause made a
// fifth more changes so, since each transaction costs the same whatever is in it (make bench --only pair).
const linger = time.Millisecond

// company is how many callers there were at once lately, as far as the committer saw. One alone never waits.
type company int

// seen takes how many there were around one batch. Those who stay away are forgotten, an eighth with each batch.
func (c *company) seen(n int) { *c = max(company(n), *c-1-*c/8) }

// gather takes more changes into the batch: what is queued, and what the others bring in a moment. It returns
// what has to be alone, which ends the batch.
func (s *Store) gather() *job {
	var limit <-chan time.Time
	for len(s.batch) < batchAtMost {
		var j *job
		select {
		case j = <-s.queue:
		default:
			if len(s.batch) >= int(s.company) {
				return nil
			}
			if limit == nil {
				timer := time.NewTimer(linger)
				defer timer.Stop()
				limit = timer.C
			}
			select {
			case j = <-s.queue:
			case <-limit:
				return nil
			}
		}
		if j.act != nil {
			return j
		}
		s.batch = append(s.batch, j)
	}
	return nil
}
