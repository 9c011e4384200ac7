package identity

import (
	"math"
	"strings"
	"unicode/utf8"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// strengthBits is what a password must be worth at least: the limit clients of API v1 know.
const strengthBits = 70

// CheckPassword refuses passwords that are too easy to guess or too long. Faults: Invalid, field
// "value". u may be nil.
func CheckPassword(value string, u *model.User) error {
	if len(value) > maxPassword {
		return fault.Bad("value", "is longer than %d bytes", maxPassword)
	}
	if !utf8.ValidString(value) {
		return fault.Bad("value", "is not valid text")
	}
	var own []string
	if u != nil {
		local, _, _ := strings.Cut(u.Email, "@")
		own = []string{u.Name, u.Email, local}
	}
	if bits := strength(value, own...); bits < strengthBits {
		return fault.Bad("value", "is too easy to guess: worth about %.0f bits, and %d are needed; make it longer or more varied (16 random letters and digits will do)", bits, strengthBits)
	}
	return nil
}

// common are pieces that guessing programs try first.
var common = []string{"password", "passw0rd", "kowabunga", "superadmin", "qwertyuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "qwerty", "azerty",
	"letmein", "welcome", "dragon", "monkey", "iloveyou", "sunshine", "football", "secret", "changeme", "admin", "login"}

// Bits that predictable pieces are worth.
const (
	wordBits   = 10 // one of a thousand common words
	repeatBits = 6  // where the repeated piece was and how long
	stepBits   = 1  // a character that repeats or follows the one before, "aaa", "123"
)

// strength estimates the entropy of a text in bits. Every character is worth the logarithm of the size
// of the character classes the text draws from; pieces that guessing programs know are worth less:
// common words and the account's own, repetitions of three characters or more, and runs.
func strength(text string, own ...string) float64 {
	chars := []rune(text)
	each := math.Log2(pool(chars))
	folded := []rune(strings.ToLower(text))
	if len(folded) != len(chars) {
		folded = chars // case folding that changes lengths is of no concern to word lists
	}
	var bits float64
	for i := 0; i < len(chars); {
		if n := word(folded[i:], own); n > 0 {
			bits += math.Min(wordBits, each*float64(n))
			i += n
		} else if n := repeated(folded, i); n > 0 {
			bits += repeatBits
			i += n
		} else {
			bits += characterBits(folded, i, each)
			i++
		}
	}
	return bits
}

func characterBits(text []rune, i int, each float64) float64 {
	if i > 0 {
		if d := text[i] - text[i-1]; d >= -1 && d <= 1 {
			return stepBits
		}
	}
	return each
}

// word is the length of the known word that the text begins with, 0 for none.
func word(text []rune, own []string) int {
	best := 0
	for _, list := range [][]string{common, own} {
		for _, w := range list {
			w := []rune(strings.ToLower(w))
			if len(w) >= 4 && len(w) > best && len(text) >= len(w) && string(text[:len(w)]) == string(w) {
				best = len(w)
			}
		}
	}
	return best
}

// repeated is the length of the longest piece at i, of three characters or more, that stands earlier in
// the text as well, 0 for none.
func repeated(text []rune, i int) int {
	best := 0
	for from := range i {
		n := 0
		for i+n < len(text) && from+n < i && text[from+n] == text[i+n] {
			n++
		}
		best = max(best, n)
	}
	if best < 3 {
		return 0
	}
	return best
}

// pool is the number of characters in the classes that occur: ASCII's letters, digits and the rest, and
// a hundred for everything beyond it.
func pool(chars []rune) float64 {
	var lower, upper, digit, other, beyond float64
	for _, c := range chars {
		switch {
		case c >= 'a' && c <= 'z':
			lower = 26
		case c >= 'A' && c <= 'Z':
			upper = 26
		case c >= '0' && c <= '9':
			digit = 10
		case c < utf8.RuneSelf:
			other = 33
		default:
			beyond = 100
		}
	}
	return max(1, lower+upper+digit+other+beyond)
}
