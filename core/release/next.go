//go:build nextrelease

package release

import (
	"encoding"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"strings"
)

// Ahead is how far the versions of this program's protocols are above those that the source names.
const Ahead = 1

const name = "ofTheNextRelease"

// Member is what a JSON object has besides the members that this release knows, before its last brace, and
// what stands behind the rest where a message is not JSON.
const Member = `,"` + name + `":{"is":["more",1]}`

// Feature is what an agent and a Kahuna offer each other besides; empty for nothing.
const Feature = name

// Message is a message of two Kahunas that the release before does not know; nil for none.
func Message() []byte {
	const header = `{"type":"` + name + `","body":{}` + Member + `}`
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(header))), header+"and data"...)
}

// More is v with another member in each of its structs, whose JSON is made here.
func More(v any) any { return more{v} }

type more struct{ v any }

// MarshalJSON implements json.Marshaler.
func (m more) MarshalJSON() ([]byte, error) {
	raw, err := json.Marshal(m.v)
	if err != nil || m.v == nil {
		return raw, err
	}
	return grow(reflect.TypeOf(m.v), raw)
}

// grow adds the member to the JSON of a struct, and to those below it.
func grow(t reflect.Type, raw json.RawMessage) (json.RawMessage, error) {
	if string(raw) == "null" || itself(t) || itself(reflect.PointerTo(t)) {
		return raw, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return grow(t.Elem(), raw)
	case reflect.Struct:
		var all map[string]json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, err
		}
		for _, f := range reflect.VisibleFields(t) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "" {
				key = f.Name
			}
			if part, there := all[key]; there && !f.Anonymous {
				var err error
				if all[key], err = grow(f.Type, part); err != nil {
					return nil, err
				}
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			return nil, err
		}
		text = append(text[:len(text)-1], Member+"}"...)
		if len(all) == 0 {
			text = append(text[:1], text[2:]...) // the comma
		}
		return text, nil
	case reflect.Slice, reflect.Array:
		if k := t.Elem().Kind(); k < reflect.Array { // numbers and the like
			return raw, nil
		}
		var all []json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, err
		}
		for i := range all {
			var err error
			if all[i], err = grow(t.Elem(), all[i]); err != nil {
				return nil, err
			}
		}
		return json.Marshal(all)
	}
	return raw, nil
}

var marshalers = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}

// itself tells whether a type says itself what its JSON is.
func itself(t reflect.Type) bool {
	return t.Implements(marshalers[0]) || t.Implements(marshalers[1])
}
