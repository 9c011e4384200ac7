package cost_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/cost"
	"kowabunga/core/model"
	"kowabunga/core/place"
	"kowabunga/store/tree"
	"kowabunga/testdata/chance"
)

const (
	gib                            = 1 << 30
	shop, region, zone, pool, host = 1, 10, 11, 12, 13
	share                          = 14
)

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int) model.Meta { return model.Meta{ID: id(n), Name: fmt.Sprintf("o%d", n)} }

// world has a host of 10 threads and 50 GiB that may promise 20 and, its own reserve left out, 100, a pool of 1000 GiB, and a project.
func world(t interface{ Fatal(...any) }, cpu, memory, disk model.Cost, more ...model.Object) model.View {
	d := tree.New(catalogue.Tables()).Edit()
	all := []model.Object{&model.Region{Meta: meta(region)}, &model.Zone{Meta: meta(zone), Region: id(region)},
		&model.Kaktus{Meta: meta(host), Zone: id(zone), CPUCost: cpu, MemoryCost: memory, OvercommitCPU: 2, OvercommitMemory: 2, Caps: model.Caps{Threads: 10, Memory: 50*gib + place.Reserve(50*gib)}},
		&model.Pool{Meta: meta(pool), Region: id(region), Cost: disk, Capacity: 1000 * gib},
		&model.NFS{Meta: meta(share), Region: id(region), Pool: id(pool)}, &model.Project{Meta: meta(shop)}}
	for _, o := range append(all, more...) {
		if err := d.Put(o); err != nil {
			t.Fatal(err)
		}
	}
	return d.Publish(1)
}

func vm(n int, vcpus, memory int64) *model.Instance {
	return &model.Instance{Meta: meta(n), Project: id(shop), Zone: id(zone), Kaktus: id(host), VCPUs: vcpus, Memory: memory}
}

func disk(n int, size int64) *model.Volume {
	return &model.Volume{Meta: meta(n), Project: id(shop), Region: id(region), Pool: id(pool), Size: size}
}

func euro(price float64) model.Cost { return model.Cost{Price: price, Currency: "EUR"} }

// A vCPU is 200/20 = 10, a GiB of memory 300/100 = 3, a GiB of disk 500/1000 = 0.5.
func TestWhatEverythingCosts(t *testing.T) {
	resizing := vm(101, 1, gib)
	resizing.Reserved = model.Shape{VCPUs: 3}
	v := world(t, euro(200), euro(300), euro(500), vm(100, 2, 4*gib), resizing, disk(200, 8*gib),
		&model.Node{Meta: meta(300), Project: id(shop), Zone: id(zone), Kaktus: id(host), Shape: model.Shape{VCPUs: 1, Memory: gib}},
		&model.Kylo{Meta: meta(400), Project: id(shop), Region: id(region), NFS: id(share), ExportID: 100, Size: gib})
	want := cost.Breakdown{
		Total: []model.Cost{euro(32 + 33 + 13 + 4 + 0.5)},
		Kinds: []cost.Kind{{"instance", []model.Cost{euro(65)}}, {"node", []model.Cost{euro(13)}}, {"volume", []model.Cost{euro(4)}}, {"kylo", []model.Cost{euro(0.5)}}},
		Resources: []cost.Resource{{"instance", id(100), "o100", []model.Cost{euro(32)}}, {"instance", id(101), "o101", []model.Cost{euro(33)}},
			{"node", id(300), "o300", []model.Cost{euro(13)}}, {"volume", id(200), "o200", []model.Cost{euro(4)}}, {"kylo", id(400), "o400", []model.Cost{euro(0.5)}}},
	}
	if got := cost.Of(v, id(shop)); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := cost.Project(v, id(shop)); got != want.Total[0] {
		t.Errorf("the project costs %v", got)
	}
}

// Money of unlike currencies is not added up; the project's price is in the one that most is paid in.
func TestCurrenciesStayApart(t *testing.T) {
	v := world(t, model.Cost{Price: 200, Currency: "USD"}, model.Cost{Price: 300}, euro(500), vm(100, 2, 2*gib), disk(200, 4*gib))
	b := cost.Of(v, id(shop))
	want := []model.Cost{{Price: 20, Currency: "USD"}, euro(8)}
	if !reflect.DeepEqual(b.Total, want) || cost.Project(v, id(shop)) != want[0] {
		t.Errorf("total %v, main %v", b.Total, cost.Project(v, id(shop)))
	}
	if got := b.Resources[0].Costs; !reflect.DeepEqual(got, []model.Cost{{Price: 20, Currency: "USD"}, euro(6)}) {
		t.Errorf("the machine costs %v", got)
	}
}

// B8: hosts that were never seen, pools that were never reported, projects of nothing: 0, not NaN.
func TestWhatIsNotKnownCostsNothing(t *testing.T) {
	v := world(t, euro(200), euro(300), euro(500))
	if got := cost.Project(v, id(shop)); got != euro(0) {
		t.Errorf("an empty project costs %v", got)
	}
	if got := cost.Project(v, id(999)); got != euro(0) {
		t.Errorf("an unknown project costs %v", got)
	}
	unseen := &model.Kaktus{Meta: meta(20), Zone: id(zone), CPUCost: euro(10), MemoryCost: euro(10)}
	unheard := &model.Pool{Meta: meta(21), Region: id(region), Cost: euro(10)}
	machine, lost := vm(100, 2, gib), disk(200, gib)
	machine.Kaktus, lost.Pool = unseen.ID, unheard.ID
	b := cost.Of(world(t, euro(1), euro(1), euro(1), unseen, unheard, machine, lost), id(shop))
	if len(b.Total) != 0 || b.Main() != euro(0) || len(b.Resources) != 2 || len(b.Resources[0].Costs) != 0 {
		t.Errorf("%+v", b)
	}
}

// Whatever prices and sizes are: sums are finite, never negative, and the parts add up to the whole.
func TestSumsAddUp(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		price := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, -1, math.Inf(1), math.NaN(), math.MaxFloat64, 1e-300}))
		money := rapid.Custom(func(t *rapid.T) model.Cost {
			return model.Cost{Price: price.Draw(t, "price"), Currency: rapid.SampledFrom([]string{"", "EUR", "USD"}).Draw(t, "currency")}
		})
		var more []model.Object
		for n := range rapid.IntRange(0, 4).Draw(t, "things") {
			size := rapid.Int64Range(0, math.MaxInt64).Draw(t, "size")
			more = append(more, vm(100+n, size, size), disk(200+n, size))
		}
		v := world(t, money.Draw(t, "cpu"), money.Draw(t, "memory"), money.Draw(t, "disk"), more...)
		b := cost.Of(v, id(shop))
		sums := map[string]float64{}
		for _, r := range b.Resources {
			for _, c := range r.Costs {
				sums[c.Currency] += c.Price
			}
		}
		for _, c := range b.Total {
			if !(c.Price > 0) || math.IsInf(c.Price, 0) {
				t.Fatalf("a sum of %v", c)
			}
			if c.Price < 1e10 && math.Abs(sums[c.Currency]-c.Price) > 1e-6*math.Max(1, c.Price) {
				t.Fatalf("the parts are %v, the whole is %v", sums, b.Total)
			}
		}
		if cost.Project(v, id(shop)) != b.Main() {
			t.Fatalf("%v is not %v", cost.Project(v, id(shop)), b.Main())
		}
	})
}

func BenchmarkProject(b *testing.B) {
	var more []model.Object
	for n := range 100 {
		more = append(more, vm(1000+n, 2, gib), disk(2000+n, gib))
	}
	v := world(b, euro(200), euro(300), euro(500), more...)
	for b.Loop() {
		cost.Project(v, id(shop))
	}
}
