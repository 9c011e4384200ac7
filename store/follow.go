package store

import (
	"fmt"
	"iter"
	"runtime/debug"

	"kowabunga/core/model"
	"kowabunga/store/tree"
)

// Follower keeps something that is worked out of the state, for changes that would take too long to work
// it out themselves. It is told in the committer, so that a change finds it as of the state that its
// draft began from; that state may not be durable yet, and may be taken back.
type Follower interface {
	// Follow tells that the state has become v after the one with index from, and which objects may be
	// other than they were. It must not block. One that panics is told of the next change all the same;
	// it notices by the index that it missed one.
	Follow(from uint64, v model.View, touched iter.Seq2[model.Kind, model.ID])
}

// advance makes root the state that the next draft begins from.
func (s *Store) advance(root *tree.Root, changes []tree.Change) {
	from := s.tip.Index()
	s.tip = root
	if s.opts.Follower != nil {
		s.uncommitted = append(s.uncommitted, changes...)
		s.tell(from, changes)
	}
}

// retreat makes an earlier state the one that the next draft begins from, taking back changes.
func (s *Store) retreat(root *tree.Root, lost []tree.Change) {
	from := s.tip.Index()
	s.tip = root
	if s.opts.Follower != nil && from != root.Index() {
		s.tell(from, lost)
	}
}

func (s *Store) tell(from uint64, changes []tree.Change) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a follower panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	s.opts.Follower.Follow(from, s.tip, func(yield func(model.Kind, model.ID) bool) {
		for i := range changes {
			if !yield(changes[i].Kind, changes[i].ID) {
				return
			}
		}
	})
}
