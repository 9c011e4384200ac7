package ipam_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/ipam"
	"kowabunga/core/model"
	"kowabunga/core/trace"
	"kowabunga/testdata/chance"
)

func card(n int, addresses ...string) *model.Adapter {
	return &model.Adapter{Meta: meta(n, fmt.Sprintf("card%d", n)), Subnet: id(subnetID), MAC: fmt.Sprintf("da:1e:70:00:%02x:%02x", n>>8&255, n&255), Addresses: addresses}
}

func TestPickIsTheLowestFreeAddress(t *testing.T) {
	v := world(t)
	s := tenant(subnetID, "10.1.0.0/29", "10.1.0.1")
	s.Reserved = []model.IPRange{{First: "10.1.0.2", Last: "10.1.0.2"}}
	s.GwPool = []model.IPRange{{First: "10.1.0.5", Last: "10.1.0.6"}}
	put(t, v, s)
	for n, want := range []string{"10.1.0.3", "10.1.0.4"} {
		tr := &trace.Trace{}
		got, err := ipam.Pick(v, s, tr)
		if err != nil || got.String() != want {
			t.Fatalf("pick %d: %s, %v; want %s", n, got, err, want)
		}
		wantTrace := fmt.Sprintf("subnet %s: 10.1.0.0/29: 2 addresses for machines, %d in use\naddress: %s is the lowest free one [chosen]", id(subnetID), n, want)
		if tr.String() != wantTrace {
			t.Errorf("trace:\n%s\nwant:\n%s", tr, wantTrace)
		}
		put(t, v, card(50+n, want))
	}
	_, err := ipam.Pick(v, s, nil)
	refused(t, err, fault.Exhausted, "", "all 2 that machines may have are in use")
	if room, err := ipam.Count(v, s); err != nil || room != (ipam.Room{Usable: 2}) {
		t.Errorf("a full subnet has room %+v, %v", room, err)
	}
	// What was freed is used again.
	if err := v.Delete(model.KindAdapter, id(50)); err != nil {
		t.Fatal(err)
	}
	if got, err := ipam.Pick(v, s, nil); err != nil || got.String() != "10.1.0.3" {
		t.Errorf("after a deletion: %s, %v", got, err)
	}
}

func TestPickAtTheEndOfTheAddressSpace(t *testing.T) {
	v := world(t)
	// A range of 2^24 addresses of which all but the last are kept back costs no more than a small one.
	s := tenant(subnetID, "10.0.0.0/8", "10.0.0.1")
	s.Reserved = []model.IPRange{{First: "10.0.0.0", Last: "10.255.255.253"}}
	put(t, v, s)
	got, err := ipam.Pick(v, s, nil)
	if err != nil || got.String() != "10.255.255.254" {
		t.Errorf("got %s, %v", got, err)
	}
	if n, err := ipam.Usable(s); err != nil || n != 1 {
		t.Errorf("usable: %d, %v", n, err)
	}
}

// TestAddressesAgainstAPlainModel runs creations with and without named addresses, and deletions, in any
// order against a list of all addresses: nobody shares one, none that is kept back is given out, picks
// are the lowest free, and what is refused is refused for a reason.
func TestAddressesAgainstAPlainModel(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		v := world(t)
		bits := rapid.IntRange(25, 30).Draw(t, "bits")
		size := 1 << (32 - bits)
		at := func(n int) string { return fmt.Sprintf("10.1.0.%d", n) }
		s := tenant(subnetID, fmt.Sprintf("10.1.0.0/%d", bits), at(rapid.IntRange(1, size-2).Draw(t, "gateway")))
		span := func(label string) model.IPRange {
			a, b := rapid.IntRange(1, size-2).Draw(t, label), rapid.IntRange(1, size-2).Draw(t, label)
			return model.IPRange{First: at(min(a, b)), Last: at(max(a, b))}
		}
		for range rapid.IntRange(0, 2).Draw(t, "reserved ranges") {
			s.Reserved = append(s.Reserved, span("reserved"))
		}
		if rapid.Bool().Draw(t, "has pool") {
			s.GwPool = []model.IPRange{span("pool")}
		}
		n, _ := model.Find[*model.VNet](v, id(private))
		if ipam.CheckSubnet(v, s, n) != nil {
			t.Skip("the pool is too small for the zones")
		}
		put(t, v, s)

		allowed := map[string]bool{}
		for i := 1; i < size-1; i++ {
			a := netip.MustParseAddr(at(i))
			kept := at(i) == s.Gateway
			for _, r := range slices.Concat(s.Reserved, s.GwPool) {
				kept = kept || !a.Less(netip.MustParseAddr(r.First)) && !netip.MustParseAddr(r.Last).Less(a)
			}
			allowed[at(i)] = !kept
		}
		holder := map[string]int{}
		free := func() string {
			for i := 1; i < size-1; i++ {
				if _, taken := holder[at(i)]; allowed[at(i)] && !taken {
					return at(i)
				}
			}
			return ""
		}
		next := 100
		t.Repeat(map[string]func(*rapid.T){
			"pick": func(t *rapid.T) {
				got, err := ipam.Pick(v, s, nil)
				if want := free(); want == "" {
					if !fault.Is(err, fault.Exhausted) {
						t.Fatalf("picked %s of a full subnet, %v", got, err)
					}
					return
				} else if err != nil || got.String() != want {
					t.Fatalf("picked %s, %v; the lowest free is %s", got, err, want)
				}
				holder[got.String()] = next
				put(t, v, card(next, got.String()))
				next++
			},
			"name": func(t *rapid.T) {
				wanted := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, size-1), at), 1, 3).Draw(t, "addresses")
				fine := true
				seen := map[string]bool{}
				for _, a := range wanted {
					_, taken := holder[a]
					fine = fine && allowed[a] && !taken && !seen[a]
					seen[a] = true
				}
				err := ipam.CheckAddresses(v, s, id(next), wanted)
				if (err == nil) != fine {
					t.Fatalf("%v: %v, want fine=%v", wanted, err, fine)
				}
				if err != nil {
					return
				}
				for _, a := range wanted {
					holder[a] = next
				}
				put(t, v, card(next, wanted...))
				next++
			},
			"delete": func(t *rapid.T) {
				if len(holder) == 0 {
					t.Skip("nothing to delete")
				}
				addresses := make([]string, 0, len(holder))
				for a := range holder {
					addresses = append(addresses, a)
				}
				slices.Sort(addresses)
				gone := holder[rapid.SampledFrom(addresses).Draw(t, "of")]
				if err := v.Delete(model.KindAdapter, id(gone)); err != nil {
					t.Fatalf("delete: %v", err)
				}
				for a, n := range holder {
					if n == gone {
						delete(holder, a)
					}
				}
			},
			"": func(t *rapid.T) {
				room, err := ipam.Count(v, s)
				usable := 0
				for _, ok := range allowed {
					if ok {
						usable++
					}
				}
				if err != nil || room.Usable != int64(usable) || room.Free != int64(usable-len(holder)) {
					t.Fatalf("room %+v, %v; %d usable, %d held", room, err, usable, len(holder))
				}
			},
		})
	})
}

// BenchmarkPick picks in a /16 with that many addresses in use, the lowest free one behind them.
func BenchmarkPick(b *testing.B) {
	for _, used := range []int{0, 250, 60000} {
		b.Run(fmt.Sprint(used), func(b *testing.B) {
			v := world(b)
			s := tenant(subnetID, "10.1.0.0/16", "10.1.255.254")
			put(b, v, s)
			for n := range used {
				put(b, v, card(100+n, fmt.Sprintf("10.1.%d.%d", (n+1)/256, (n+1)%256)))
			}
			want := fmt.Sprintf("10.1.%d.%d", (used+1)/256, (used+1)%256)
			for b.Loop() {
				if got, err := ipam.Pick(v, s, nil); err != nil || got.String() != want {
					b.Fatalf("got %s, %v", got, err)
				}
			}
		})
	}
}
