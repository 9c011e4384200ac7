package catalogue

import (
	"encoding/json"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Version tells which API an object is written for.
type Version int

// The API versions.
const (
	V1 Version = 1
	V2 Version = 2
)

// Reader is how much of an object its reader may see.
type Reader struct {
	Version Version
	Secrets bool // show secret fields; otherwise they stand empty
}

// Append appends the object as JSON in the form the reader's API version has.
func (k *Kind) Append(b []byte, v model.View, o model.Object, r Reader) []byte {
	sent := o.Base().Sent
	b = append(b, '{')
	for i := range k.Fields {
		f := &k.Fields[i]
		if r.Version == V1 && f.Since != "" && (f.Since == native || f.Bit < 0 || !sent.Has(f.Bit)) {
			continue
		}
		if r.Version == V1 && !f.Required && !f.Always && (f.Bit < 0 || !sent.Has(f.Bit)) && f.empty(v, o) {
			continue
		}
		// A date or an enumerated word is declared or absent, never empty: typed clients refuse "".
		if (f.Type == Date || len(f.Enum) > 0) && f.empty(v, o) {
			continue
		}
		b = appendName(b, f.Name)
		if f.Secret && !r.Secrets {
			b = append(b, `""`...)
			continue
		}
		b = f.write(b, v, o)
		if r.Version == V2 && f.Name == "description" {
			b = appendLabels(appendName(b, labelsField), o.Base().Labels)
		}
	}
	if r.Version == V2 {
		b = k.appendMeta(b, o)
	}
	return append(b, '}')
}

func (k *Kind) appendMeta(b []byte, o model.Object) []byte {
	m := o.Base()
	b = appendString(appendName(b, "kind"), string(k.Name))
	b = m.Created.AppendFormat(append(appendName(b, "created"), '"'), "2006-01-02T15:04:05.000Z")
	b = m.Updated.AppendFormat(append(appendName(append(b, '"'), "updated"), '"'), "2006-01-02T15:04:05.000Z")
	b = appendUint(appendName(append(b, '"'), "version"), m.Version)
	phase := m.Phase
	if phase == model.Ready {
		phase = "ready"
	}
	b = appendString(appendName(b, "phase"), string(phase))
	if m.Operation != "" && m.Phase != model.Ready {
		b = appendString(appendName(b, "operation"), string(m.Operation))
	}
	for i := range k.Parents {
		p := &k.Parents[i]
		if id := p.Of(o); id != "" {
			b = appendString(appendName(b, string(p.Kind)+"_id"), string(id))
		}
	}
	return b
}

func appendUint(b []byte, n uint64) []byte {
	if n == 0 {
		return append(b, '0')
	}
	start := len(b)
	for ; n > 0; n /= 10 {
		b = append(b, byte('0'+n%10))
	}
	slices.Reverse(b[start:])
	return b
}

func appendName(b []byte, name string) []byte {
	if c := b[len(b)-1]; c != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendFields(b []byte, v model.View, fields []Field, p any, sent model.Bits) []byte {
	b = append(b, '{')
	for i := range fields {
		f := &fields[i]
		if !f.Required && !f.Always && f.empty(v, p) && f.Type != Integer && f.Type != Number && f.Type != Boolean {
			continue
		}
		b = f.write(appendName(b, f.Name), v, p)
	}
	return append(b, '}')
}

// MaxDepth bounds the nesting of request bodies.
const MaxDepth = 16

// Decode makes the object that a request body of an API version describes: a new one, whose absent
// fields get their defaults, when old is nil, else what a PUT with this body turns old into; old stays as
// it is. Faults: Malformed for text that is not JSON or of the wrong type, Invalid for missing and wrong
// values. Unknown and read-only fields are ignored, and so is in v1 what only v2 has. What an object
// remembers of its last v1 writer, writers of v2 leave alone.
func (k *Kind) Decode(version Version, old model.Object, body []byte) (model.Object, error) {
	var o model.Object
	if old != nil {
		o = old.Clone()
	} else {
		o = k.Table.New()
		for i := range k.Fields {
			k.Fields[i].reset(o)
		}
	}
	sent, err := k.decode(version, o, old, body)
	if version == V1 {
		o.Base().Sent = sent
	}
	return o, err
}

// DecodeCreate is Decode of a new object in API v1.
func (k *Kind) DecodeCreate(body []byte) (model.Object, error) { return k.Decode(V1, nil, body) }

// DecodeUpdate is Decode of a PUT in API v1.
func (k *Kind) DecodeUpdate(old model.Object, body []byte) (model.Object, error) {
	return k.Decode(V1, old, body)
}

func (k *Kind) decode(version Version, o, old model.Object, body []byte) (model.Bits, error) {
	if err := checkJSON(body); err != nil {
		return 0, err
	}
	start := 0
	for start < len(body) && (body[start] == ' ' || body[start] == '\n' || body[start] == '\t' || body[start] == '\r') {
		start++
	}
	sentFields, err := splitObject(body[start:], "")
	if err != nil {
		return 0, err
	}
	var sent model.Bits
	for i := range k.Fields {
		f := &k.Fields[i]
		if f.ReadOnly || version == V1 && f.Since == native {
			continue
		}
		raw, ok := sentFields.get(f.Name)
		switch {
		case ok:
			if err := f.read(o, raw, f.Name); err != nil {
				return 0, err
			}
			sent = sent.With(f.Bit)
			if old != nil && f.Immutable && !f.same(o, old) {
				return 0, fault.Bad(f.Name, "cannot be changed after creation; create a new %s instead", k.Title)
			}
			if f.blank(o) {
				return 0, fault.Bad(f.Name, "must not be empty")
			}
		case f.Required && !f.Lenient:
			return 0, fault.Bad(f.Name, "is required")
		case old != nil && f.Replace:
			f.reset(o)
		case old == nil && f.Unsaid && version == V1:
			f.zero(o)
		}
	}
	if raw, ok := sentFields.get(labelsField); ok && version == V2 {
		if o.Base().Labels, err = readLabels(raw); err != nil {
			return 0, err
		}
	}
	return sent, nil
}

func checkJSON(body []byte) error {
	depth := 0
	text := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return fault.New(fault.Malformed, "the body is nested deeper than %d levels", MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if !json.Valid(body) {
		return fault.New(fault.Malformed, "the body is not valid JSON")
	}
	return nil
}
