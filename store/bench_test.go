package store

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"kowabunga/core/model"
)

// concurrently shares b.N operations among writers and reports operations a second and the time that
// half and all but one percent of them took.
func concurrently(b *testing.B, writers int, op func(n int)) {
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < b.N; n = int(next.Add(1)) - 1 {
				began := time.Now()
				op(n)
				took[n] = time.Since(began)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

var writerCounts = []int{1, 16, 256}

// BenchmarkPut measures durable puts of new objects with a secret, a unique name, an index and a
// reference, journal included.
func BenchmarkPut(b *testing.B) {
	for _, writers := range writerCounts {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			s := create(b, options(b.TempDir()))
			update(b, s, put(region(0)))
			concurrently(b, writers, func(n int) {
				if _, err := s.Update(context.Background(), Cause{Actor: "bench"}, put(pool(n+1, region(0), "secret"))); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkBatch is the same number of durable puts of the same JSON through bbolt's DB.Batch, without
// journal, index, reference or seal.
func BenchmarkBatch(b *testing.B) {
	for _, writers := range writerCounts {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "x"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }); err != nil {
				b.Fatal(err)
			}
			concurrently(b, writers, func(n int) {
				err := db.Batch(func(tx *bbolt.Tx) error {
					o := pool(n+1, region(0), "secret")
					text, err := json.Marshal(o)
					if err != nil {
						return err
					}
					return tx.Bucket([]byte("b")).Put([]byte(o.ID), text)
				})
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// filled is a store with n pools in 100 regions.
func filled(b *testing.B, opts Options, n int) *Store {
	s := create(b, opts)
	update(b, s, func(d model.Draft) error {
		for r := range 100 {
			if err := d.Put(region(r)); err != nil {
				return err
			}
		}
		return nil
	})
	for at := 0; at < n; at += 1000 {
		update(b, s, func(d model.Draft) error {
			for i := at; i < min(at+1000, n); i++ {
				if err := d.Put(pool(i, region(i%100), "secret")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return s
}

func BenchmarkView(b *testing.B) {
	s := filled(b, options(b.TempDir()), 10_000)
	id := pool(5000, region(0), "").ID
	b.Run("Find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := model.Find[*model.Pool](s.View(), id); !ok {
				b.Fatal("gone")
			}
		}
	})
	b.Run("One", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := model.One[*model.Pool](s.View(), "name", "pool 5000"); !ok {
				b.Fatal("gone")
			}
		}
	})
	b.Run("By100", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range model.By[*model.Pool](s.View(), "region", region(7).ID) {
				n++
			}
			if n != 100 {
				b.Fatal(n)
			}
		}
	})
	b.Run("All10000", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for range model.All[*model.Pool](s.View()) {
				n++
			}
			if n != 10_000 {
				b.Fatal(n)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	opts := options(b.TempDir())
	shut(b, filled(b, opts, 10_000))
	for b.Loop() {
		s, err := Open(opts)
		if err != nil {
			b.Fatal(err)
		}
		if s.View().Len(model.KindPool) != 10_000 {
			b.Fatal("objects are missing")
		}
		shut(b, s)
	}
	b.ReportMetric(10_100, "objects")
}
