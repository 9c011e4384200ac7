package operate_test

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// 64 creations at once never share an address, a MAC, a name or a unit of quota, and a refused one
// leaves nothing: of so many names and such a quota, exactly as many machines come to be as fit.
func TestParallelCreations(t *testing.T) {
	const requests, addresses = 64, 57 // a /26 less network, broadcast, router and four gateways
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set("12"); err != nil { // each is 64 machines
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(before) })
	chance.Check(t, func(rt *rapid.T) {
		names := rapid.IntRange(1, requests).Draw(rt, "names")
		quota := rapid.IntRange(1, requests).Draw(rt, "quota")
		c := newCloud(t)
		c.must("shop", "UpdateProject", map[string]string{"projectId": "shop"}, nil,
			fmt.Sprintf(`{"name":"shop","teams":[],"regions":["%s"],"quotas":{"instances":%d}}`, c.ids["eu"], quota))
		results := make([]<-chan result, requests)
		for i := range results {
			// The size tells requests for the same name apart; alike ones would join.
			results[i] = c.background("CreateProjectZoneKompute", inShop, fmt.Sprintf(`{"name":"web-%d","vcpus":1,"memory":16777216,"disk":%d}`, i%names, 2097152+i))
		}
		created := 0
		for _, r := range results {
			switch got := <-r; {
			case got.err == nil:
				created++
			case !fault.Is(got.err, fault.Conflict) && !fault.Is(got.err, fault.Exhausted):
				rt.Errorf("refused with %v", got.err)
			}
		}
		c.settled()
		if want := min(names, quota, addresses); created != want {
			rt.Errorf("%d machines of %d names with a quota of %d, want %d", created, names, quota, want)
		}
		v := c.store.View()
		named, addressed, macs := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for k := range model.All[*model.Kompute](v) {
			named[k.Name], addressed[k.IP] = true, true
		}
		for a := range model.All[*model.Adapter](v) {
			macs[a.MAC] = true
		}
		for what, n := range map[string]int{"names": len(named), "addresses": len(addressed), "MACs": len(macs),
			"adapters": v.Len(model.KindAdapter), "volumes": v.Len(model.KindVolume), "instances": v.Len(model.KindInstance)} {
			if n != created {
				rt.Errorf("%d machines have %d %s", created, n, what)
			}
		}
		c.consistent()
	})
}
