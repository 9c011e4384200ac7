package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"kowabunga/core/release"
)

// ErrDamaged says that a sealed text is not as it was written.
var ErrDamaged = errors.New("the content is damaged: its sum is wrong")

// ErrNewer says that a later release wrote a sealed text, in a form that this one must not pass over.
var ErrNewer = errors.New("the content is of a newer release")

// sealed is a value with its sum (SHA-256 of State as it stands, hexadecimal) and the version of its form.
type sealed struct {
	Format int             `json:"format"`
	Sum    string          `json:"sum"`
	State  json.RawMessage `json:"state"`
}

// Seal makes a line of JSON of a value, of which [Unseal] notices any change.
func Seal(format int, v any) ([]byte, error) {
	state, err := json.Marshal(release.More(v))
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(sealed{format, sum(state), state})
	return append(raw, '\n'), err
}

// Unseal reads what Seal made, up to a format. Errors: ErrDamaged, ErrNewer.
func Unseal(format int, raw []byte, v any) error {
	var s sealed
	in := json.NewDecoder(bytes.NewReader(raw))
	if err := in.Decode(&s); err != nil || in.More() || sum(s.State) != s.Sum {
		return ErrDamaged
	}
	if s.Format > format {
		return ErrNewer
	}
	if err := json.Unmarshal(s.State, v); err != nil {
		return ErrDamaged
	}
	return nil
}

func sum(state []byte) string {
	s := sha256.Sum256(state)
	return hex.EncodeToString(s[:])
}
