package term

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func TestYAML(t *testing.T) {
	in := json.RawMessage(`{"name":"web-1","n":12345678901234567,"f":12.5,"no":"no","on":true,"none":null,"list":[],"map":{},"text":"one two (three)",
		"date":"2030-01-31","mac":"52:54:00:12:34:56","net":"10.0.0.0/24","key":"ssh-ed25519\nAAAA","tail":"a\n","labels":{"a b":"c: d"},
		"rules":[{"ports":["80","443"],"from":{"any":true}},{"ports":[]}],"deep":[["x"],["y"]]}`)
	want := `name: web-1
"n": 12345678901234567
f: 12.5
"no": "no"
"on": true
none: null
list: []
map: {}
text: one two (three)
date: "2030-01-31"
mac: "52:54:00:12:34:56"
net: 10.0.0.0/24
key: |-
  ssh-ed25519
  AAAA
tail: "a\n"
labels:
  a b: "c: d"
rules:
  - ports:
      - "80"
      - "443"
    from:
      any: true
  - ports: []
deep:
  -
    - x
  -
    - "y"
`
	got, err := YAML(in)
	if err != nil || string(got) != want {
		t.Errorf("%v\n--- got\n%s--- want\n%s", err, got, want)
	}
}

// What is written is read back as it was, whatever the words.
func TestYAMLIsReadBack(t *testing.T) {
	words := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ \n\t\r:#&*!|>'"%@`+"`"+`,\[\]{}?~.0-9a-z=<-]{0,8}`),
		rapid.SampledFrom([]string{".inf", "1e3", "0o14", "yes", "Off", "1_000", "2001-01-01", "12:30:45", "<<", "=", "0x1F", "+1", "-.5", "null", "a\n\nb", "a\n b", "|", "--- a", "NaN"}))
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{words.AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil)}
		if depth > 0 {
			leaves = append(leaves, rapid.SliceOfN(value(depth-1), 0, 3).AsAny(), rapid.MapOfN(words, value(depth-1), 0, 3).AsAny())
		}
		return rapid.OneOf(leaves...)
	}
	chance.Check(t, func(t *rapid.T) {
		in := rapid.MapOfN(words, value(3), 1, 4).Draw(t, "value")
		text, err := YAML(in)
		if err != nil {
			t.Fatal(err)
		}
		var wire, back any
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &wire); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, wire) {
			t.Fatalf("%#v became %#v (%v) over\n%s", wire, back, err, text)
		}
	})
}
