package seal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/release"
	"kowabunga/store/octets"
)

// Value is a stored object:
//
//	1 byte   format, 1
//	4 bytes  CRC-32C (Castagnoli, RFC 3720) of what follows, big endian
//	field    JSON, with secrets masked
//	number   how many secrets follow
//	field... the secrets in the order of Table.Secrets: nonce, sealed text and tag; empty for empty ones
type Value []byte

const format = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode makes the value of an object. The object is only read.
func (s *Sealer) Encode(t *model.Table, o model.Object) (Value, error) {
	text, err := json.Marshal(release.More(o))
	if err != nil {
		return nil, &fault.Error{Code: fault.Internal, Op: "encode " + string(t.Kind), Err: err}
	}
	b := make([]byte, 5, len(text)+64)
	b[0] = format
	b = octets.Append(b, text)
	var secrets []*model.Secret
	if t.Secrets != nil {
		secrets = t.Secrets(o)
	}
	b = octets.Number(b, uint64(len(secrets)))
	meta := o.Base()
	for n, secret := range secrets {
		var sealed []byte
		if text := secret.Reveal(); text != "" {
			sealed = s.seal(text, place(t.Kind, meta.ID, meta.Version, n))
		}
		b = octets.Append(b, sealed)
	}
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b, nil
}

// Decode makes the object of a value, with its secrets opened. Faults: Malformed when the bytes are
// damaged or not of a format this release knows, Internal when a secret does not open.
func (s *Sealer) Decode(t *model.Table, v Value) (model.Object, error) {
	text, sealed, err := v.parts()
	if err != nil {
		return nil, fault.Wrap(err, fault.Malformed, "decode "+string(t.Kind))
	}
	o := t.New()
	if err := json.Unmarshal(text, o); err != nil {
		return nil, &fault.Error{Code: fault.Malformed, Op: "decode " + string(t.Kind), Err: err}
	}
	var secrets []*model.Secret
	if t.Secrets != nil {
		secrets = t.Secrets(o)
	}
	if len(secrets) != len(sealed) {
		return nil, fault.New(fault.Malformed, "%s %s has %d sealed fields, %d are declared", t.Kind, o.Base().ID, len(sealed), len(secrets))
	}
	meta := o.Base()
	for n := range secrets {
		*secrets[n] = ""
		if len(sealed[n]) == 0 {
			continue
		}
		text, err := s.open(sealed[n], place(t.Kind, meta.ID, meta.Version, n))
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, fmt.Sprintf("decode %s %s", t.Kind, meta.ID))
		}
		*secrets[n] = model.Secret(text)
	}
	return o, nil
}

// JSON is the plain part of the value, secrets masked. Fault: Malformed when the bytes are damaged.
func (v Value) JSON() (json.RawMessage, error) {
	text, _, err := v.parts()
	return text, err
}

// MarshalJSON gives the plain part, so that a value can stand in any JSON document.
func (v Value) MarshalJSON() ([]byte, error) {
	if len(v) == 0 {
		return []byte("null"), nil
	}
	return v.JSON()
}

func (v Value) parts() (text json.RawMessage, sealed [][]byte, err error) {
	if len(v) < 5 || v[0] != format {
		return nil, nil, fault.New(fault.Malformed, "the value is cut off or of a format this release does not know")
	}
	if crc32.Checksum(v[5:], castagnoli) != binary.BigEndian.Uint32(v[1:]) {
		return nil, nil, fault.New(fault.Malformed, "the value is damaged: its checksum is wrong")
	}
	r := octets.Read(v[5:])
	text = r.Field()
	for range r.Number() {
		if !r.More() {
			return nil, nil, fault.New(fault.Malformed, "a sealed field is missing")
		}
		sealed = append(sealed, r.Field())
	}
	if err := r.End(); err != nil {
		return nil, nil, err
	}
	if !json.Valid(text) {
		return nil, nil, fault.New(fault.Malformed, "the value is not JSON")
	}
	return text, sealed, nil
}

// Covers tells whether Table.Secrets names every field of type model.Secret that the kind's struct has
// outside of slices, maps and pointers. A forgotten one would be masked when it is stored, and lost.
func Covers(t *model.Table) error {
	o := t.New()
	named := map[*model.Secret]bool{}
	if t.Secrets != nil {
		for _, s := range t.Secrets(o) {
			named[s] = true
		}
	}
	return covered(t.Kind, reflect.ValueOf(o).Elem(), "", named)
}

var secretType = reflect.TypeFor[model.Secret]()

func covered(kind model.Kind, v reflect.Value, path string, named map[*model.Secret]bool) error {
	if v.Type() == secretType {
		if !v.CanAddr() || !named[(*model.Secret)(v.Addr().UnsafePointer())] {
			return fault.New(fault.Internal, "table %q is declared wrongly: Secrets does not name the secret field%s", kind, path)
		}
		return nil
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		if err := covered(kind, v.Field(i), path+" "+v.Type().Field(i).Name, named); err != nil {
			return err
		}
	}
	return nil
}

// Equal tells whether two objects of a kind would be stored alike, secrets included.
func Equal(t *model.Table, a, b model.Object) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		return false
	}
	if t.Secrets == nil {
		return true
	}
	return slices.EqualFunc(t.Secrets(a), t.Secrets(b), func(p, q *model.Secret) bool { return *p == *q })
}
