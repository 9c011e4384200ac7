package backups

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store"
)

// Manifest says what counts in a chain.
type Manifest struct {
	Family string      `json:"family"`
	Chain  string      `json:"chain"`
	Epoch  store.Epoch `json:"epoch"`
	Sealed bool        `json:"sealed"` // the pieces are age files
	Pieces []Piece     `json:"pieces"` // the full backup, then the segments in order
}

// Piece is one object of a chain.
type Piece struct {
	Object   string         `json:"object"`         // its name in the chain
	From     uint64         `json:"from"`           // index of the first record in it; of a full backup's journal, when it has one
	To       store.Position `json:"to"`             // of the last record, which is the state it leads to
	First    time.Time      `json:"first,omitzero"` // time of the first record
	Time     time.Time      `json:"time"`           // time of the last record
	Made     time.Time      `json:"made"`
	Bytes    int64          `json:"bytes"`
	Sum      string         `json:"sum"`      // SHA-256 of the object, hexadecimal
	Verified time.Time      `json:"verified"` // when the chain up to here was restored into a scratch file
	Link     string         `json:"link"`     // SHA-256 of the link before and this entry, hexadecimal
}

// signed is a manifest as it is stored.
type signed struct {
	Manifest json.RawMessage `json:"manifest"`
	Mac      string          `json:"mac"` // store.Authenticate of the bytes of manifest, hexadecimal
}

// maxManifest bounds what is read of a manifest: 50,000 pieces.
const maxManifest = 32 << 20

// End is the position that the chain leads to.
func (m *Manifest) End() *Piece { return &m.Pieces[len(m.Pieces)-1] }

// Bytes is the size of the pieces.
func (m *Manifest) Bytes() (n int64) {
	for i := range m.Pieces {
		n += m.Pieces[i].Bytes
	}
	return n
}

// with is the manifest with another piece.
func (m *Manifest) with(p Piece) *Manifest {
	out := *m
	out.Pieces = append(append([]Piece(nil), m.Pieces...), p)
	out.End().Link = out.link(len(out.Pieces) - 1)
	return &out
}

// link is what the entry of a piece has to say about itself and all before it.
func (m *Manifest) link(i int) string {
	h := sha256.New()
	if i > 0 {
		h.Write([]byte(m.Pieces[i-1].Link))
	}
	p := m.Pieces[i]
	p.Link = ""
	text, _ := json.Marshal(p) // texts, numbers and times of this century
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// encode makes the text of a manifest.
func (m *Manifest) encode(key store.Key) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write the manifest")
	}
	text, err := json.Marshal(signed{body, hex.EncodeToString(store.Authenticate(key, body))})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write the manifest")
	}
	return append(text, '\n'), nil
}

// decodeManifest reads a manifest, of which every byte matters. Without a key it is not authenticated.
// Faults: Malformed; Denied when it was made with another key.
func decodeManifest(text []byte, key *store.Key) (*Manifest, error) {
	var s signed
	m := &Manifest{}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, &fault.Error{Code: fault.Malformed, Message: "the manifest is damaged: it is no JSON document", Err: err}
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(append(again, '\n'), text) {
		return nil, fault.New(fault.Malformed, "the manifest is damaged")
	}
	if mac, err := hex.DecodeString(s.Mac); key != nil && (err != nil || !hmac.Equal(mac, store.Authenticate(*key, s.Manifest))) {
		return nil, fault.New(fault.Denied, "the manifest is damaged, or was made with another sealing key")
	}
	if err := json.Unmarshal(s.Manifest, m); err != nil {
		return nil, &fault.Error{Code: fault.Malformed, Message: "the manifest is damaged", Err: err}
	}
	return m, m.check()
}

// check verifies the chain of the entries.
func (m *Manifest) check() error {
	if len(m.Pieces) == 0 {
		return fault.New(fault.Malformed, "the manifest names no piece")
	}
	for i := range m.Pieces {
		p := &m.Pieces[i]
		switch {
		case p.Link != m.link(i):
			return fault.New(fault.Malformed, "the manifest contradicts itself at %s: the chain of its entries is broken", p.Object)
		case i == 0 && !named(p.Object, "full"), i > 0 && !named(p.Object, "segment"):
			return fault.New(fault.Malformed, "the manifest names %q as piece %d", p.Object, i)
		case i > 0 && p.From != m.Pieces[i-1].To.Index+1:
			return fault.New(fault.Malformed, "segment %s begins with record %d; record %d is missing", p.Object, p.From, m.Pieces[i-1].To.Index+1)
		}
	}
	return nil
}
