package store

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"

	"kowabunga/core/model"
)

// mirror keeps what it is told of: the names of regions by id.
type mirror struct {
	index uint64
	names map[model.ID]string
	gaps  int
	panic bool
}

func (m *mirror) Follow(from uint64, v model.View, touched iter.Seq2[model.Kind, model.ID]) {
	if m.panic {
		m.panic = false
		panic("a defect of the follower")
	}
	if from != m.index {
		m.gaps++
	}
	m.index = v.Index()
	for kind, id := range touched {
		if kind != model.KindRegion {
			continue
		}
		if r, ok := model.Find[*model.Region](v, id); ok {
			m.names[id] = r.Name
		} else {
			delete(m.names, id)
		}
	}
}

// as says where the mirror differs from a view.
func (m *mirror) as(v model.View) error {
	if m.index != v.Index() || len(m.names) != v.Len(model.KindRegion) {
		return fmt.Errorf("it has %d regions as of %d, the view %d as of %d", len(m.names), m.index, v.Len(model.KindRegion), v.Index())
	}
	for r := range model.All[*model.Region](v) {
		if m.names[r.ID] != r.Name {
			return fmt.Errorf("region %s is %q, followed as %q", r.ID, r.Name, m.names[r.ID])
		}
	}
	return nil
}

// Whatever comes and goes, and however changes fail, a change finds the follower as of the state its
// draft began from.
func TestFollowerIsAsOfTheDraft(t *testing.T) {
	m := &mirror{names: map[model.ID]string{}}
	opts := options(t.TempDir())
	opts.Follower = m
	s := create(t, opts)
	defer shut(t, s)
	m.index = s.View().Index()
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := range 60 {
				_, _ = s.Update(t.Context(), Cause{}, func(d model.Draft) error {
					if err := m.as(d); err != nil {
						t.Error(err)
					}
					id := region(w*4 + n%4)
					if _, ok := model.Find[*model.Region](d, id.ID); ok && n%5 == 0 {
						return d.Delete(model.KindRegion, id.ID)
					}
					id.Name += fmt.Sprintf("-%d", n)
					if err := d.Put(id); err != nil {
						return err
					}
					switch n % 7 {
					case 3:
						return errors.New("no")
					case 5:
						panic("a defect of the change")
					}
					return nil
				})
			}
		})
	}
	writers.Wait()
	if err := m.as(s.View()); err != nil || m.gaps > 0 {
		t.Errorf("%v; %d gaps", err, m.gaps)
	}
}

// A state that could not be written is taken back from the follower as well; one that panics holds up
// nothing and can tell that it missed something.
func TestFollowerHearsWhatIsTakenBack(t *testing.T) {
	m := &mirror{names: map[model.ID]string{}}
	opts := options(t.TempDir())
	opts.Follower = m
	s := create(t, opts)
	defer shut(t, s)
	m.index = s.View().Index()
	update(t, s, put(region(1)))
	update(t, s, put(region(2)))
	lost := s.tipChange(t, region(3)) // made on the tip, never written
	if err := m.as(lost); err != nil {
		t.Errorf("before it is taken back: %v", err)
	}
	if _, err := s.Update(t.Context(), Cause{}, func(model.Draft) error { s.rewind(); return errors.New("taken back") }); err == nil {
		t.Fatal("no error")
	}
	if err := m.as(s.View()); err != nil || s.View().Len(model.KindRegion) != 2 {
		t.Errorf("after it was taken back: %v", err)
	}
	m.panic = true
	update(t, s, put(region(4)))
	update(t, s, put(region(5)))
	if m.gaps != 1 || s.View().Len(model.KindRegion) != 4 {
		t.Errorf("%d gaps noticed, %d regions", m.gaps, s.View().Len(model.KindRegion))
	}
}

// tipChange puts an object on top of the tip in the committer, without writing it.
func (s *Store) tipChange(t *testing.T, o model.Object) (seen model.View) {
	t.Helper()
	_, err := s.Update(t.Context(), Cause{}, func(model.Draft) error {
		edit := s.tip.Edit()
		if err := edit.Put(o); err != nil {
			return err
		}
		changes := edit.Changes()
		s.advance(edit.Publish(s.tip.Index()+1), changes)
		seen = s.tip
		return errors.New("not written")
	})
	if err == nil {
		t.Fatal("it was written")
	}
	return seen
}
