package model

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Draw turns a seed of true chance, drawn outside, into as many ids, MAC addresses and secrets as a
// decision needs: block n is SHA-256 of the seed and n. The same seed gives the same values, so a
// decision stays a function of its input.
type Draw struct {
	seed [32]byte
	at   time.Time
	n    uint64

	drawn []string
}

// NewDraw makes a source from 32 bytes of cryptographic chance and the time that ids shall carry.
func NewDraw(seed [32]byte, at time.Time) *Draw { return &Draw{seed: seed, at: at} }

func (d *Draw) block() [32]byte {
	var in [40]byte
	copy(in[:], d.seed[:])
	binary.BigEndian.PutUint64(in[32:], d.n)
	d.n++
	return sha256.Sum256(in[:])
}

// ID draws an id.
func (d *Draw) ID() ID {
	b := d.block()
	return ID(d.note(string(MakeID(d.at, [8]byte(b[:8])))))
}

// Drawn are all values drawn so far, in order: what of a decision is chance and would be different the
// next time.
func (d *Draw) Drawn() []string { return d.drawn }

func (d *Draw) note(value string) string {
	d.drawn = append(d.drawn, value)
	return value
}

// MAC draws an address below the prefix da:1e:70, which is locally administered and unicast.
func (d *Draw) MAC() string {
	b := d.block()
	return d.note(fmt.Sprintf("da:1e:70:%02x:%02x:%02x", b[0], b[1], b[2]))
}

// alphabet has no characters that people confuse or that need quoting.
const alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// Token draws n letters and digits, each worth 5.8 bits.
func (d *Draw) Token(n int) string {
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, c := range d.block() {
			// Taking only bytes below a multiple of the alphabet's length keeps the letters equally likely.
			if int(c) < 256/len(alphabet)*len(alphabet) && len(out) < n {
				out = append(out, alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return d.note(string(out))
}
