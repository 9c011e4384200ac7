package model

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"time"
)

// ID names an object for ever: 24 lower-case hexadecimal digits, 32 bits of time and 64 of chance.
type ID string

// Valid tells whether the id is well formed.
func (id ID) Valid() bool {
	if len(id) != 24 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// MakeID builds an id from a time, so that ids sort by creation, and eight bytes of chance.
func MakeID(at time.Time, chance [8]byte) ID {
	s := uint32(at.Unix())
	raw := [12]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)}
	copy(raw[4:], chance[:])
	return ID(hex.EncodeToString(raw[:]))
}

// Time is when the id was made, to the second; the zero time for ids that are not well formed.
func (id ID) Time() time.Time {
	raw, err := hex.DecodeString(string(id))
	if err != nil || len(raw) != 12 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint32(raw)), 0).UTC()
}

// Kind names a kind of object. The names are part of the API v2, the CLI and the stored data.
type Kind string

// Phase says what an operation is doing to an object. API v1 shows objects of the phases Ready,
// Updating and Deleting; v2 shows all and says which.
type Phase string

// The phases of an object.
const (
	Ready    Phase = ""
	Creating Phase = "creating"
	Updating Phase = "updating"
	Deleting Phase = "deleting"
)

// Meta is what all objects have in common. The store sets Version, Created and Updated.
type Meta struct {
	ID          ID        `json:"id"`
	Version     uint64    `json:"version"` // journal index of the commit that last changed it
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Labels      Labels    `json:"labels,omitempty"`
	Sent        Bits      `json:"sent,omitempty"` // which wire fields the last v1 writer sent
	Phase       Phase     `json:"phase,omitempty"`
	Operation   ID        `json:"operation,omitempty"` // the operation behind Phase
}

// Labels are words that people sort and select objects by; API v1 does not know them. They are replaced
// as a whole, never written into.
type Labels map[string]string

// Bits is a set of wire fields, by the stable bit number each field has in the catalogue.
type Bits uint64

// Has tells whether bit n is set.
func (b Bits) Has(n int) bool { return b&(1<<n) != 0 }

// With returns the set with bit n added.
func (b Bits) With(n int) Bits { return b | 1<<n }

// Base gives generic code access to the common part of any object.
func (m *Meta) Base() *Meta { return m }

// Object is a resource of some kind. Kind must work on a nil pointer.
type Object interface {
	Kind() Kind
	Base() *Meta
	Clone() Object // a shallow copy
}

// Secret is text that must not leave the process in the clear except to whoever may read it. It
// prints, logs and marshals as a fixed mask; the store seals it through Table.Secrets, and Reveal
// gives the text.
type Secret string

// SecretMask is what a secret looks like wherever it was not meant to be shown.
const SecretMask = "[secret]"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String hides the text from fmt.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return SecretMask
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the text from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the text from encoding/json, so that forgetting to seal loses data in a test
// rather than a secret in production.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
