package quota_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/quota"
	"kowabunga/core/trace"
	"kowabunga/store/tree"
	"kowabunga/testdata/chance"
)

func id(n int) model.ID { return model.ID(fmt.Sprintf("%024x", n)) }

func meta(n int) model.Meta { return model.Meta{ID: id(n), Name: fmt.Sprintf("object%d", n)} }

const (
	shop, other         = 1, 2
	region, zone, hoard = 10, 11, 12
	host                = 13
)

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world has two projects, the first with the quotas, and what machines and volumes refer to.
func world(t fatal, quotas model.Resources) model.Draft {
	t.Helper()
	d := tree.New(catalogue.Tables()).Edit()
	p := &model.Project{Meta: meta(shop), Quotas: quotas}
	p.Name = "shop"
	put(t, d, &model.Region{Meta: meta(region)}, &model.Zone{Meta: meta(zone), Region: id(region)},
		&model.Pool{Meta: meta(hoard), Region: id(region)}, &model.Kaktus{Meta: meta(host), Zone: id(zone)},
		p, &model.Project{Meta: meta(other)})
	return d
}

func put(t fatal, d model.Draft, objects ...model.Object) {
	t.Helper()
	for _, o := range objects {
		if err := d.Put(o); err != nil {
			t.Fatalf("put %s %q: %v", o.Kind(), o.Base().Name, err)
		}
	}
}

func machine(n, project int, vcpus, memory int64) *model.Instance {
	return &model.Instance{Meta: meta(n), Project: id(project), Zone: id(zone), Kaktus: id(host), VCPUs: vcpus, Memory: memory}
}

func volume(n, project int, size int64) *model.Volume {
	return &model.Volume{Meta: meta(n), Project: id(project), Region: id(region), Pool: id(hoard), Size: size}
}

func TestUsageCountsEverythingThatExists(t *testing.T) {
	v := world(t, model.Resources{})
	creating, deleting, resizing := machine(100, shop, 1, 10), machine(101, shop, 2, 20), machine(102, shop, 4, 40)
	creating.Phase, deleting.Phase, resizing.Phase = model.Creating, model.Deleting, model.Updating
	resizing.Reserved = model.Shape{VCPUs: 8, Memory: 30} // more CPUs, less memory: both count with the larger
	off := machine(103, shop, 16, 80)
	put(t, v, creating, deleting, resizing, off, machine(104, other, 100, 1000),
		volume(200, shop, 5), volume(201, shop, 6), volume(202, other, 700))
	want := model.Resources{VCPUs: 1 + 2 + 8 + 16, Memory: 10 + 20 + 40 + 80, Storage: 11, Instances: 4}
	if got := quota.Usage(v, id(shop)); got != want {
		t.Errorf("usage %+v, want %+v", got, want)
	}
}

// The nodes of gateways and load balancers are machines, and what lies in shares takes room.
func TestServicesAndSharesCount(t *testing.T) {
	v := world(t, model.Resources{Instances: 2, Storage: 20})
	put(t, v, machine(100, shop, 1, 10), volume(200, shop, 5),
		&model.Node{Meta: meta(300), Project: id(shop), Zone: id(zone), Kaktus: id(host), Shape: model.Shape{VCPUs: 1, Memory: 7}},
		&model.NFS{Meta: meta(15), Region: id(region)},
		&model.Kylo{Meta: meta(400), Project: id(shop), Region: id(region), NFS: id(15), ExportID: 100, Size: 11})
	want := model.Resources{VCPUs: 2, Memory: 17, Storage: 16, Instances: 2}
	if got := quota.Usage(v, id(shop)); got != want {
		t.Errorf("usage %+v, want %+v", got, want)
	}
	if err := quota.Check(v, id(shop), model.Resources{Instances: 1, Storage: 5}, nil); !fault.Is(err, fault.Exhausted) {
		t.Errorf("more than the quota: %v", err)
	}
}

func TestCheckAtTheLimit(t *testing.T) {
	const gib = 1 << 30
	limits := model.Resources{VCPUs: 4, Memory: 8 * gib, Storage: 100 * gib, Instances: 2}
	v := world(t, limits)
	put(t, v, machine(100, shop, 3, 6*gib), volume(200, shop, 90*gib))
	cases := []struct {
		name  string
		delta model.Resources
		says  []string // empty when it is fine
	}{
		{"nothing", model.Resources{}, nil},
		{"exactly the rest", model.Resources{VCPUs: 1, Memory: 2 * gib, Storage: 10 * gib, Instances: 1}, nil},
		{"one CPU more", model.Resources{VCPUs: 2}, []string{"quota of virtual CPUs is 4, 3 are used and 2 more"}},
		{"one byte more", model.Resources{Memory: 2*gib + 1}, []string{"quota of memory is 8 GiB, 6 GiB are used"}},
		{"storage", model.Resources{Storage: 10*gib + 1}, []string{"quota of storage is 100 GiB, 90 GiB are used"}},
		{"instances", model.Resources{Instances: 2}, []string{"quota of instances is 2, 1 are used"}},
		{"everything", model.Resources{VCPUs: 9, Memory: 9 * gib, Storage: 99 * gib, Instances: 9}, []string{"virtual CPUs", "memory", "storage", "instances"}},
		{"16 bits do not wrap", model.Resources{VCPUs: 1<<16 + 1, Instances: 1 << 16}, []string{"65537 more", "65536 more"}},
		{"64 bits do not wrap", model.Resources{Memory: math.MaxInt64}, []string{"memory"}},
		{"giving back", model.Resources{VCPUs: -100, Memory: math.MinInt64}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := quota.Check(v, id(shop), c.delta, nil)
			if len(c.says) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), `project "shop"`) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestZeroIsUnlimited(t *testing.T) {
	v := world(t, model.Resources{Memory: 10})
	tr := &trace.Trace{}
	if err := quota.Check(v, id(shop), model.Resources{VCPUs: 1 << 40, Instances: 5, Memory: 10}, tr); err != nil {
		t.Fatal(err)
	}
	want := "quota of instances " + string(id(shop)) + ": unlimited, 0 used, 5 asked [allowed]\n" +
		"quota of virtual CPUs " + string(id(shop)) + ": unlimited, 0 used, 1099511627776 asked [allowed]\n" +
		"quota of memory " + string(id(shop)) + ": 0 B of 10 B used, 10 B asked [allowed]"
	if tr.String() != want {
		t.Errorf("trace:\n%s\nwant:\n%s", tr, want)
	}
	if err := quota.Check(v, id(999), model.Resources{}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown project: %v", err)
	}
}

func TestOverQuotaProjectsMayShrinkAndGrowElsewhere(t *testing.T) {
	v := world(t, model.Resources{VCPUs: 2, Storage: 100})
	put(t, v, machine(100, shop, 8, 1))
	for _, fine := range []model.Resources{{VCPUs: -4}, {VCPUs: 0, Storage: 100}} {
		if err := quota.Check(v, id(shop), fine, nil); err != nil {
			t.Errorf("%+v: %v", fine, err)
		}
	}
	if err := quota.Check(v, id(shop), model.Resources{VCPUs: 1}, nil); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one CPU more on top: %v", err)
	}
}

func TestUsageStaysInRange(t *testing.T) {
	v := world(t, model.Resources{Storage: math.MaxInt64})
	put(t, v, volume(200, shop, math.MaxInt64-1), volume(201, shop, math.MaxInt64-1))
	if got := quota.Usage(v, id(shop)).Storage; got != math.MaxInt64 {
		t.Errorf("storage %d", got)
	}
	if err := quota.Check(v, id(shop), model.Resources{Storage: 1}, nil); !fault.Is(err, fault.Exhausted) {
		t.Errorf("a full range took more: %v", err)
	}
}

func TestGrowth(t *testing.T) {
	got := quota.Growth(model.Resources{VCPUs: 4, Memory: 8, Storage: math.MinInt64}, model.Resources{VCPUs: 6, Memory: 2, Storage: 1, Instances: 1})
	if want := (model.Resources{VCPUs: 2, Storage: math.MaxInt64, Instances: 1}); got != want {
		t.Errorf("growth %+v, want %+v", got, want)
	}
}

// TestQuotasHold runs creations, resizes and deletions in any order: what was allowed never adds up to
// more than the quota, and a refusal happened only because it would have.
func TestQuotasHold(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(1, 8)
		limits := model.Resources{
			VCPUs: rapid.Int64Range(0, 20).Draw(t, "cpus"), Memory: rapid.Int64Range(0, 20).Draw(t, "memory"),
			Storage: rapid.Int64Range(0, 20).Draw(t, "storage"), Instances: rapid.Int64Range(0, 5).Draw(t, "instances"),
		}
		v := world(t, limits)
		fits := func(limit, sum int64) bool { return limit == 0 || sum <= limit }
		machines, disks := map[int]model.Shape{}, map[int]int64{}
		sum := func() (r model.Resources) {
			for _, m := range machines {
				r.VCPUs, r.Memory, r.Instances = r.VCPUs+m.VCPUs, r.Memory+m.Memory, r.Instances+1
			}
			for _, d := range disks {
				r.Storage += d
			}
			return r
		}
		pick := func(label string, n int) int { return 100 + rapid.IntRange(0, n).Draw(t, label) }
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := sum()
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1: // create or resize a machine
				n, s := pick("machine", 5), model.Shape{VCPUs: amount.Draw(t, "vcpus"), Memory: amount.Draw(t, "bytes")}
				old, exists := machines[n]
				have := model.Resources{VCPUs: old.VCPUs, Memory: old.Memory}
				if exists {
					have.Instances = 1
				}
				delta := quota.Growth(have, model.Resources{VCPUs: s.VCPUs, Memory: s.Memory, Instances: 1})
				fine := (delta.VCPUs == 0 || fits(limits.VCPUs, before.VCPUs+delta.VCPUs)) &&
					(delta.Memory == 0 || fits(limits.Memory, before.Memory+delta.Memory)) &&
					(delta.Instances == 0 || fits(limits.Instances, before.Instances+1))
				if err := quota.Check(v, id(shop), delta, nil); (err == nil) != fine {
					t.Fatalf("%+v on top of %+v within %+v: %v", delta, before, limits, err)
				} else if err == nil {
					machines[n] = s
					put(t, v, machine(n, shop, s.VCPUs, s.Memory))
				}
			case 2: // create a volume
				n, size := pick("volume", 50)+100, amount.Draw(t, "size")
				if _, exists := disks[n]; exists {
					continue
				}
				if err := quota.Check(v, id(shop), model.Resources{Storage: size}, nil); (err == nil) != fits(limits.Storage, before.Storage+size) {
					t.Fatalf("%d bytes on top of %+v within %+v: %v", size, before, limits, err)
				} else if err == nil {
					disks[n] = size
					put(t, v, volume(n, shop, size))
				}
			case 3: // delete a machine
				n := pick("gone", 5)
				if _, exists := machines[n]; exists {
					delete(machines, n)
					if err := v.Delete(model.KindInstance, id(n)); err != nil {
						t.Fatalf("delete: %v", err)
					}
				}
			}
			used := quota.Usage(v, id(shop))
			if used != sum() {
				t.Fatalf("usage %+v, want %+v", used, sum())
			}
			if !fits(limits.VCPUs, used.VCPUs) || !fits(limits.Memory, used.Memory) || !fits(limits.Storage, used.Storage) || !fits(limits.Instances, used.Instances) {
				t.Fatalf("%+v is more than %+v", used, limits)
			}
		}
	})
}
