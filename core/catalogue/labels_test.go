package catalogue_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

// Labels are what v2 sent last; v1 neither shows nor changes them.
func TestLabelsBelongToV2(t *testing.T) {
	k := catalogue.Of(model.KindRegion)
	o, err := k.Decode(catalogue.V2, nil, []byte(`{"name":"eu","labels":{"tier":"gold","env/stage":"prod"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(k.Append(nil, nil, o, catalogue.Reader{Version: catalogue.V2})); !strings.Contains(got, `"description":"","labels":{"env/stage":"prod","tier":"gold"},`) {
		t.Errorf("v2 shows %s", got)
	}
	if got := string(k.Append(nil, nil, o, catalogue.Reader{Version: catalogue.V1})); strings.Contains(got, "labels") {
		t.Errorf("v1 shows %s", got)
	}
	for body, want := range map[string]model.Labels{
		`{"name":"eu"}`:                     {"tier": "gold", "env/stage": "prod"},
		`{"name":"eu","labels":null}`:       {"tier": "gold", "env/stage": "prod"},
		`{"name":"eu","labels":{}}`:         nil,
		`{"name":"eu","labels":{"a":""}}`:   {"a": ""},
		`{"name":"eu","labels":{"0":"\""}}`: {"0": `"`},
	} {
		next, err := k.Decode(catalogue.V2, o, []byte(body))
		if err != nil || !maps.Equal(next.Base().Labels, want) {
			t.Errorf("%s: %v, %v", body, next.Base().Labels, err)
		}
	}
	for _, body := range []string{`{"name":"eu","labels":{}}`, `{"name":"eu","labels":{"x":"y"}}`, `{"name":"eu","labels":7}`} {
		next, err := k.Decode(catalogue.V1, o, []byte(body))
		if err != nil || len(next.Base().Labels) != 2 {
			t.Errorf("v1 %s: %v, %v", body, next.Base().Labels, err)
		}
	}
	none, _ := k.Decode(catalogue.V2, nil, []byte(`{"name":"eu"}`))
	if got := string(k.Append(nil, nil, none, catalogue.Reader{Version: catalogue.V2})); !strings.Contains(got, `"labels":{}`) {
		t.Errorf("without labels: %s", got)
	}
}

func TestBadLabels(t *testing.T) {
	k := catalogue.Of(model.KindRegion)
	many := map[string]string{}
	for i := range catalogue.MaxLabels + 1 {
		many[fmt.Sprint(i)] = ""
	}
	tooMany, _ := json.Marshal(many)
	for labels, want := range map[string]string{
		`[]`:                            "malformed labels",
		`"x"`:                           "malformed labels",
		`{"a":1}`:                       "malformed labels.a",
		`{"a":null}`:                    "malformed labels.a",
		`{"":"x"}`:                      "invalid labels",
		`{"-a":"x"}`:                    "invalid labels",
		`{"a b":"x"}`:                   "invalid labels",
		`{"é":"x"}`:                     "invalid labels",
		`{"a":"x","a":"y"}`:             "malformed labels.a",
		`{"a":"` + long(256) + `"}`:     "invalid labels.a",
		`{"` + long(64) + `":"x"}`:      "invalid labels",
		string(tooMany):                 "invalid labels",
		`{"` + long(63) + `":"x"}`:      "",
		`{"a":"` + long(255) + `"}`:     "",
		`{"app.kubernetes.io/na_-":""}`: "",
	} {
		_, err := k.Decode(catalogue.V2, nil, []byte(`{"name":"eu","labels":`+labels+`}`))
		if got := faultOf(err); got != want {
			t.Errorf("%.40s: %q, want %q", labels, got, want)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// What is written is read back the same.
func TestLabelsRoundTrip(t *testing.T) {
	k := catalogue.Of(model.KindZone)
	chance.Check(t, func(t *rapid.T) {
		labels := rapid.MapOfN(rapid.StringMatching(`[a-zA-Z0-9][-_./a-zA-Z0-9]{0,10}`), rapid.StringN(0, 60, 255), 0, 8).Draw(t, "labels")
		raw, err := json.Marshal(map[string]any{"name": "z", "labels": labels})
		if err != nil {
			t.Fatal(err)
		}
		o, err := k.Decode(catalogue.V2, nil, raw)
		if err != nil {
			t.Fatal(err)
		}
		again, err := k.Decode(catalogue.V2, nil, k.Append(nil, nil, o, catalogue.Reader{Version: catalogue.V2}))
		if err != nil || !maps.Equal(again.Base().Labels, o.Base().Labels) || len(o.Base().Labels) != len(labels) {
			t.Fatalf("%v: %v, %v", labels, again.Base().Labels, err)
		}
	})
}
