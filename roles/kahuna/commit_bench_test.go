package kahuna

import (
	"fmt"
	"sync/atomic"
	"testing"

	"kowabunga/core/model"
	"kowabunga/store"
)

// BenchmarkCommit is a change by 32 callers at once, of a Kahuna that is alone and of a store that has
// nobody to wait for at all: what being a node costs.
func BenchmarkCommit(b *testing.B) {
	change := func(b *testing.B, update func(n uint64) error) {
		var n atomic.Uint64
		b.SetParallelism(16) // times two processors
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := update(n.Add(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	put := func(n uint64) func(d model.Draft) error {
		return func(d model.Draft) error {
			return d.Put(&model.Region{Meta: model.Meta{ID: model.ID(fmt.Sprintf("%024x", n)), Name: fmt.Sprintf("r%d", n)}})
		}
	}
	b.Run("node", func(b *testing.B) {
		s := newBenchServer(b).s
		change(b, func(n uint64) error {
			_, err := s.store.Update(b.Context(), store.Cause{What: "bench"}, put(n))
			return err
		})
	})
	b.Run("store", func(b *testing.B) {
		o := store.Options{Dir: b.TempDir(), Tables: tables()}
		if err := store.Create(o); err != nil {
			b.Fatal(err)
		}
		s, err := store.Open(o)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		change(b, func(n uint64) error {
			_, err := s.Update(b.Context(), store.Cause{What: "bench"}, put(n))
			return err
		})
	})
}
