package catalogue_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// Every field that is shown and can be compared can be filtered by; no secret can.
func TestAttributesAreTheFields(t *testing.T) {
	for _, k := range catalogue.Kinds {
		o := k.Table.New()
		for i := range k.Fields {
			f := &k.Fields[i]
			a, ok := k.Attribute(f.Name)
			switch {
			case f.Secret && ok:
				t.Errorf("%s.%s is secret, but lists can be filtered by it", k.Name, f.Name)
			case f.Secret, f.Type == catalogue.Object, f.Items == catalogue.Object:
			case !ok:
				t.Errorf("%s.%s cannot be filtered by", k.Name, f.Name)
			case !a.List && a.Type != catalogue.Time && f.Address(o) != nil && a.Of(nil, o) != (catalogue.Value{}):
				t.Errorf("%s.%s of an empty object is %v", k.Name, f.Name, a.Of(nil, o))
			}
		}
		for _, p := range k.Parents {
			id := model.ID("0123456789abcdef01234567")
			p.Set(o, id)
			if a, ok := k.Attribute(string(p.Kind) + "_id"); !ok || a.Of(nil, o).Text != string(id) {
				t.Errorf("%s: its %s cannot be filtered by", k.Name, p.Kind)
			}
		}
	}
	login := &model.Session{Expires: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	for filter, want := range map[string]bool{"expires>=2026-05-01": true, "expires>=2026-05-01T00:00:01Z": false, "expires<=2026-06-01": true} {
		f, err := catalogue.Of(model.KindSession).Filter(filter, nil)
		if err != nil || f.Match(nil, login) != want {
			t.Errorf("%s: %v, %v", filter, !want, err)
		}
	}
	host := &model.Kaktus{CPUCost: model.Cost{Price: 7.5, Currency: "EUR"}, Agents: []model.ID{"0123456789abcdef01234567"}}
	for filter, want := range map[string]bool{"cpu_cost.price>=7.5": true, "cpu_cost.price<=7": false, "cpu_cost.currency=EUR": true,
		"agents=0123456789abcdef01234567": true, "agents!=0123456789abcdef01234567": false, "agents~4567": true, "agents=": false} {
		f, err := catalogue.Of(model.KindKaktus).Filter(filter, nil)
		if err != nil || f.Match(nil, host) != want {
			t.Errorf("%s: %v, %v", filter, !want, err)
		}
	}
}

func TestSizesHaveUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "7B": 7, "1KiB": 1 << 10, "512MiB": 512 << 20, "4 GiB": 4 << 30, "7EiB": 7 << 60} {
		if n, ok := catalogue.ParseSize(text); !ok || n != want {
			t.Errorf("%s is %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1.5GiB", "4GB", "4gib", "8EiB", "99999999999999999999", "1  B", "0x10", " 1"} {
		if n, ok := catalogue.ParseSize(text); ok {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
}

// A condition on labels and its opposite divide all objects.
func TestSelectorsDivide(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		labels := model.Labels(rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"", "x", "y=z"})).Draw(t, "labels"))
		key, value := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "x", "y=z"}).Draw(t, "value")
		match := func(text string) bool {
			s, err := catalogue.ParseSelector(text)
			if err != nil {
				t.Fatal(err)
			}
			return s.Match(labels)
		}
		had, has := labels[key]
		if match(key) != has || match("!"+key) == has || match(key+"="+value) != (has && had == value) || match(key+"!="+value) != !(has && had == value) {
			t.Fatalf("%v by %s, %s", labels, key, value)
		}
	})
}

// Nothing that people type makes a condition that panics.
func FuzzConditions(f *testing.F) {
	for _, text := range []string{"name=x", "memory>=4GiB", "teams!=", "quotas.memory<=1", "cpu_cost.price=1e9", "created>=2026-01-01", "-name,id", "a/b!=c", "!x", "private~"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range catalogue.Kinds {
			o := k.Table.New()
			if c, err := k.Filter(text, nil); err == nil {
				c.Match(nil, o)
			} else if faultOf(err) != "malformed filter" {
				t.Errorf("%q: %v", text, err)
			}
			by, err := k.Order(text)
			if err != nil && faultOf(err) != "malformed sort" {
				t.Errorf("%q: %v", text, err)
			}
			for _, b := range by {
				if v := b.Attribute.Of(nil, o); v.Compare(v) != 0 {
					t.Errorf("%q: %v differs from itself", text, v)
				}
			}
		}
		if s, err := catalogue.ParseSelector(text); err == nil {
			s.Match(nil)
		} else if faultOf(err) != "malformed label" {
			t.Errorf("%q: %v", text, err)
		}
	})
}
