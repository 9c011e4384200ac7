package figures

import (
	"fmt"
	"iter"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

// fixed is a state in memory, for values that no store would keep.
type fixed []model.Object

func (f fixed) View() model.View { return f }
func (f fixed) Index() uint64    { return 1 }

func (f fixed) Get(kind model.Kind, id model.ID) (model.Object, bool) {
	for _, o := range f {
		if o.Kind() == kind && o.Base().ID == id {
			return o, true
		}
	}
	return nil, false
}

func (f fixed) All(kind model.Kind) iter.Seq[model.Object] {
	return func(yield func(model.Object) bool) {
		for _, o := range f {
			if o.Kind() == kind && !yield(o) {
				return
			}
		}
	}
}

func (f fixed) By(kind model.Kind, index, key string) iter.Seq[model.Object] {
	var keys func(model.Object) []string
	for _, i := range catalogue.Of(kind).Table.Indexes {
		if i.Name == index {
			keys = i.Keys
		}
	}
	return func(yield func(model.Object) bool) {
		for o := range f.All(kind) {
			for _, k := range keys(o) {
				if k == key && !yield(o) {
					return
				}
			}
		}
	}
}

func (f fixed) One(model.Kind, string, string) (model.Object, bool) { return nil, false }

func (f fixed) Len(kind model.Kind) (n int) {
	for range f.All(kind) {
		n++
	}
	return n
}

// A scrape of 10,000 machines of 200 projects on 200 hosts, which is 41,000 series.
func BenchmarkScrape(b *testing.B) {
	objects := []model.Object{&model.Region{Meta: named(1, "eu")}, &model.Zone{Meta: named(2, "eu-a"), Region: id(1)}, &model.Team{Meta: named(3, "team")},
		&model.VNet{Meta: named(4, "lan"), Region: id(1), Private: true},
		&model.Pool{Meta: named(5, "fast"), Region: id(1), Pool: "dir:fast", Capacity: 1 << 50, Available: 1 << 49, Cost: model.Cost{Price: 50, Currency: "EUR"}}}
	for i := range 200 {
		objects = append(objects,
			&model.Kaktus{Meta: named(1000+i, fmt.Sprintf("host-%d", i)), Zone: id(2), CPUCost: model.Cost{Price: 200, Currency: "EUR"}, OvercommitCPU: 3, OvercommitMemory: 1, Caps: model.Caps{Threads: 128, Memory: 1 << 40}},
			&model.Project{Meta: named(2000+i, fmt.Sprintf("project-%d", i)), Teams: []model.ID{id(3)}, Regions: []model.ID{id(1)}},
			&model.Subnet{Meta: named(3000+i, fmt.Sprintf("net-%d", i)), VNet: id(4), CIDR: fmt.Sprintf("10.%d.0.0/24", i), Project: id(2000 + i)})
	}
	for i := range 10_000 {
		p := i % 200
		objects = append(objects,
			&model.Adapter{Meta: named(20_000+i, fmt.Sprintf("card-%d", i)), Subnet: id(3000 + p), MAC: fmt.Sprintf("da:1e:70:00:%02x:%02x", i>>8, i&255), Addresses: []string{fmt.Sprintf("10.%d.0.%d", p, 10+i/200)}},
			&model.Volume{Meta: named(40_000+i, fmt.Sprintf("disk-%d", i)), Project: id(2000 + p), Region: id(1), Pool: id(5), Type: "os", Size: 20 << 30},
			&model.Instance{Meta: named(60_000+i, fmt.Sprintf("machine-%d", i)), Project: id(2000 + p), Zone: id(2), Kaktus: id(1000 + i%199), OS: "linux", VCPUs: 2, Memory: 4 << 30,
				Adapters: []model.ID{id(20_000 + i)}, Volumes: []model.ID{id(40_000 + i)}})
	}
	c := New(with(b, objects...))
	b.Run("collect", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out := make(chan prometheus.Metric, 1024)
			go func() {
				c.Collect(out)
				close(out)
			}()
			n := 0
			for range out {
				n++
			}
			b.ReportMetric(float64(n), "series")
		}
	})
	b.Run("scrape", func(b *testing.B) {
		r := prometheus.NewRegistry()
		r.MustRegister(c)
		b.ReportAllocs()
		for b.Loop() {
			if len(gather(b, r)) == 0 {
				b.Fatal("nothing")
			}
		}
	})
}
