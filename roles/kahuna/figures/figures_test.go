package figures

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
	"kowabunga/testdata/chance"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func named(n int, name string) model.Meta { return model.Meta{ID: id(n), Name: name} }

// with is a store that holds objects.
func with(t testing.TB, objects ...model.Object) *store.Store {
	t.Helper()
	opts := store.Options{Dir: t.TempDir(), Tables: append(catalogue.Tables(), operation.Table)}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for chunk := range slices.Chunk(objects, 2000) {
		commit(t, s, func(d model.Draft) error {
			for _, o := range chunk {
				if err := d.Put(o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return s
}

func commit(t testing.TB, s *store.Store, f func(model.Draft) error) {
	t.Helper()
	if _, err := s.Update(context.Background(), store.Cause{What: "test"}, f); err != nil {
		t.Fatal(err)
	}
}

// scrape is what Prometheus reads.
func scrape(t testing.TB, c *Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	return gather(t, r)
}

func gather(t testing.TB, r *prometheus.Registry) string {
	t.Helper()
	found, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range found {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func world() []model.Object {
	euro := func(price float64) model.Cost { return model.Cost{Price: price, Currency: "EUR"} }
	return []model.Object{
		&model.Region{Meta: named(1, "eu")}, &model.Region{Meta: named(2, "empty")},
		&model.Zone{Meta: named(3, "eu-a"), Region: id(1)}, &model.Zone{Meta: named(4, "eu-b"), Region: id(1)},
		&model.Kaktus{Meta: named(5, "host-1"), Zone: id(3), CPUCost: euro(200), MemoryCost: euro(300), OvercommitCPU: 2, OvercommitMemory: 1, Caps: model.Caps{Threads: 10, Memory: 102 << 30}},
		&model.Kaktus{Meta: named(6, "never-seen"), Zone: id(4), CPUCost: euro(200), MemoryCost: model.Cost{Price: 100, Currency: "USD"}},
		&model.Pool{Meta: named(7, "fast"), Region: id(1), Pool: "dir:fast", Capacity: 1000 << 30, Available: 400 << 30, Cost: euro(50)},
		&model.Pool{Meta: named(8, "slow"), Region: id(1), Pool: "dir:slow", Capacity: 3000 << 30, Available: 3000 << 30, Cost: euro(20)},
		&model.Pool{Meta: named(9, "new"), Region: id(1), Pool: "dir:new", Cost: model.Cost{Price: 10, Currency: "USD"}},
		&model.Team{Meta: named(10, "team")},
		&model.Project{Meta: named(11, `shop "x"`), Teams: []model.ID{id(10)}, Regions: []model.ID{id(1)}},
		&model.Project{Meta: named(12, "idle"), Teams: []model.ID{id(10)}, Regions: []model.ID{id(1)}},
		&model.VNet{Meta: named(13, "wan"), Region: id(1)}, &model.VNet{Meta: named(14, "lan"), Region: id(1), Private: true, VLAN: 2},
		&model.Subnet{Meta: named(15, "wan-1"), VNet: id(13), CIDR: "203.0.113.0/28", Reserved: []model.IPRange{
			{First: "203.0.113.0", Last: "203.0.113.3"}, {First: "203.0.113.2", Last: "203.0.113.4"}, {First: "203.0.113.9", Last: "203.0.113.8"}, {First: "192.0.2.1", Last: "192.0.2.9"}}},
		&model.Subnet{Meta: named(16, "lan-1"), VNet: id(14), CIDR: "10.0.0.0/26", Project: id(11)},
		&model.Subnet{Meta: named(17, "lan-2"), VNet: id(14), CIDR: "10.0.0.64/26"},
		&model.Adapter{Meta: named(18, "a-pub"), Subnet: id(15), MAC: "da:1e:70:00:00:01", Addresses: []string{"203.0.113.7"}},
		&model.Adapter{Meta: named(19, "a-lan"), Subnet: id(16), MAC: "da:1e:70:00:00:02", Addresses: []string{"10.0.0.5"}},
		&model.Volume{Meta: named(20, "os"), Project: id(11), Region: id(1), Pool: id(7), Type: "os", Size: 100 << 30},
		&model.Volume{Meta: named(21, "data"), Project: id(11), Region: id(1), Pool: id(9), Type: "raw", Size: 10 << 30},
		&model.Instance{Meta: named(22, "web-1"), Project: id(11), Zone: id(3), Kaktus: id(5), OS: "linux", VCPUs: 2, Memory: 4 << 30, Adapters: []model.ID{id(18), id(19)}, Volumes: []model.ID{id(20)}},
		&model.Instance{Meta: named(23, "lost\nname"), Project: id(11), Zone: id(4), Kaktus: id(6), OS: "windows", VCPUs: 1, Memory: 1 << 30, Volumes: []model.ID{id(21)}},
	}
}

// The names and labels are those that dashboards of the earlier releases ask for.
func TestGolden(t *testing.T) {
	got := scrape(t, New(with(t, world()...)))
	const path = "testdata/metrics.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the figures differ from %s:\n%s", path, got)
	}
	for _, name := range strings.Fields(`regions zones kaktus_allocated_vcpus kaktus_allocated_memory_bytes kaktus_instances kaktus_cost
		storage_pools_allocated_bytes storage_pools_free_bytes storage_pools_capacity_bytes storage_pools_cost virtual_networks private_subnets public_subnets_ips
		projects project_instances project_allocated_vcpus project_allocated_memory_bytes project_volumes project_allocated_storage_bytes project_estimated_cost
		instance_settings instance_allocated_vcpus instance_allocated_memory_bytes instance_estimated_cost`) {
		if !strings.Contains(got, "\nkowabunga_"+name+"{") {
			t.Errorf("there is no kowabunga_%s", name)
		}
	}
}

// B23: what is deleted is gone from the figures, what is renamed has its new name alone.
func TestDeletedSeriesVanish(t *testing.T) {
	s := with(t, world()...)
	c := New(s)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	if got := gather(t, r); !strings.Contains(got, `name="idle"`) || !strings.Contains(got, `name="web-1"`) || !strings.Contains(got, "total_scrapes 1") {
		t.Fatal(got)
	}
	commit(t, s, func(d model.Draft) error {
		o, _ := model.Find[*model.Instance](d, id(22))
		o = model.Edit(o)
		o.Name = "web-2"
		if err := d.Put(o); err != nil {
			return err
		}
		return d.Delete(model.KindProject, id(12))
	})
	if got := gather(t, r); strings.Contains(got, `name="idle"`) || strings.Contains(got, `name="web-1"`) || !strings.Contains(got, `name="web-2"`) || !strings.Contains(got, "total_scrapes 2") {
		t.Error(got)
	}
	empty := with(t)
	if got := scrape(t, New(empty)); !strings.Contains(got, "kowabunga_up 1") || strings.Contains(got, "{") {
		t.Errorf("of nothing: %s", got)
	}
}

// B8: whatever hosts and pools report and cost, no value is infinite or no number.
func TestValuesAreNumbers(t *testing.T) {
	price := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, -1, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.NaN()}))
	size := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, math.MaxInt64, math.MinInt64}))
	chance.Check(t, func(t *rapid.T) {
		objects := world()
		for _, o := range objects {
			switch o := o.(type) {
			case *model.Kaktus:
				o.CPUCost.Price, o.MemoryCost.Price = price.Draw(t, "cpu"), price.Draw(t, "memory")
				o.OvercommitCPU, o.Caps.Threads, o.Caps.Memory = size.Draw(t, "overcommit"), size.Draw(t, "threads"), size.Draw(t, "bytes")
			case *model.Pool:
				o.Cost.Price, o.Capacity, o.Available = price.Draw(t, "pool"), size.Draw(t, "capacity"), size.Draw(t, "available")
			case *model.Instance:
				o.VCPUs, o.Memory = size.Draw(t, "vcpus"), size.Draw(t, "instance memory")
			}
		}
		out := make(chan prometheus.Metric, 1000)
		New(fixed(objects)).Collect(out)
		close(out)
		for m := range out {
			if s, ok := m.(*series); ok && (math.IsNaN(s.value) || math.IsInf(s.value, 0)) {
				t.Fatalf("%s is %v", s.of.desc, s.value)
			}
		}
	})
}

// Ranges are counted as a set of addresses is, without walking along them.
func TestCountAgreesWithCounting(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, 300) // past the end as well
		address := func(n int) string { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}).String() }
		s := &model.Subnet{CIDR: "10.0.0.0/24"}
		set := map[int]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			first, last := at.Draw(t, "first"), at.Draw(t, "last")
			s.Reserved = append(s.Reserved, model.IPRange{First: address(first), Last: address(last)})
			if last < 256 {
				for n := first; n <= last; n++ {
					set[n] = true
				}
			}
		}
		got, ok := count(s)
		if !ok || got.bits != 24 || got.size != 256 || got.reserved != float64(len(set)) {
			t.Fatalf("%+v of %+v, want %d", got, s.Reserved, len(set))
		}
	})
	for cidr, want := range map[string]addresses{
		"0.0.0.0/0": {0, 1 << 32, 1 << 32}, "2001:db8::/64": {64, math.Ldexp(1, 64), math.Ldexp(1, 64)}, "2001:db8::/32": {32, math.Ldexp(1, 96), math.Ldexp(1, 96)},
	} {
		p := netip.MustParsePrefix(cidr)
		last := p.Addr().AsSlice()
		for i := p.Bits(); i < len(last)*8; i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		end, _ := netip.AddrFromSlice(last)
		if got, ok := count(&model.Subnet{CIDR: cidr, Reserved: []model.IPRange{{First: p.Addr().String(), Last: end.String()}}}); !ok || got != want {
			t.Errorf("%s: %+v", cidr, got)
		}
	}
	if _, ok := count(&model.Subnet{CIDR: "nonsense"}); ok {
		t.Error("nonsense was counted")
	}
}
