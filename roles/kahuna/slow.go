package kahuna

import (
	"sync"
	"time"

	"kowabunga/roles/term"
)

// patience is how long work may take before its progress is shown.
const patience = 2 * time.Second

// slow shows the progress of work that takes longer than people wait without a word.
type slow struct {
	mu          sync.Mutex
	timer       *time.Timer
	progress    *term.Progress // once it is shown
	step        *term.Step
	done, total int64
}

// slowly begins work; it must be ended.
func slowly(t *term.Terminal, name string) *slow {
	s := &slow{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer == nil {
			return
		}
		s.progress = t.Progress()
		s.step = s.progress.Step(name)
		s.step.Update(s.done, s.total)
	})
	return s
}

// Update says how far the work is, in bytes. A total of 0 means that it is not known.
func (s *slow) Update(done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.total = done, total
	if s.step != nil {
		s.step.Update(done, total)
	}
}

// end ends the work and gives its error back.
func (s *slow) end(err error) error {
	s.mu.Lock()
	step, progress := s.step, s.progress
	s.timer.Stop()
	s.timer = nil
	s.mu.Unlock()
	if step == nil {
		return err
	}
	if err == nil {
		step.Done("done")
	} else {
		err = step.Fail(err)
	}
	progress.Close()
	return err
}
