package ipam

import (
	"strings"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// draws is how many MAC addresses are drawn before giving up. With as much as half of the 2^24
// addresses below da:1e:70 in use, that many in a row are taken once in 2^128 times.
const draws = 128

// MAC draws an address below da:1e:70 that no adapter has, marked as reserved or not. Faults: Exhausted
// when chance finds none, which means that the prefix is full.
func MAC(v model.View, draw *model.Draw) (string, error) {
	for range draws {
		mac, taken := draw.MAC(), false
		for range model.By[*model.Adapter](v, "card", mac) {
			taken = true
			break
		}
		if !taken {
			return mac, nil
		}
	}
	return "", fault.New(fault.Exhausted, "no MAC address below da:1e:70 is free after %d draws; delete adapters or give the address yourself", draws)
}

// CanonicalMAC returns the one spelling of a 48-bit MAC address, six pairs of lower-case hexadecimal
// digits joined by colons. It reads upper case, hyphens, three dotted groups and bare digits as well.
// Faults: Invalid for anything else.
func CanonicalMAC(text string) (string, error) {
	const digits = "0123456789abcdef"
	hex := strings.ToLower(text)
	var sep byte
	switch {
	case len(hex) == 17 && separated(hex, ':', 2):
		sep = ':'
	case len(hex) == 17 && separated(hex, '-', 2):
		sep = '-'
	case len(hex) == 14 && separated(hex, '.', 4):
		sep = '.'
	case len(hex) == 12:
		// Bare digits, as labels on cards have them.
	default:
		return "", fault.Bad("mac", "%q is no MAC address; write it like da:1e:70:00:00:01", text)
	}
	var out strings.Builder
	for i := range len(hex) {
		switch {
		case strings.IndexByte(digits, hex[i]) >= 0:
			if out.Len()%3 == 2 {
				out.WriteByte(':')
			}
			out.WriteByte(hex[i])
		case sep == 0 || hex[i] != sep:
			return "", fault.Bad("mac", "%q is no MAC address; write it like da:1e:70:00:00:01", text)
		}
	}
	return out.String(), nil
}

// separated tells whether every group of that many characters is followed by the separator.
func separated(s string, sep byte, group int) bool {
	for i := range len(s) {
		if (s[i] == sep) != (i%(group+1) == group) {
			return false
		}
	}
	return true
}

// CheckMAC decides whether an adapter, which may not be stored yet, may have its MAC address: canonical, of
// a single card (the group bit clear, IEEE 802 section 8.2), not all zeros, and, unless either is marked as
// reserved, which allows sharing, held by no other adapter. Marked or not, other projects and the platform's
// routers keep theirs (see CheckSharing). What is stored already is not asked again before it changes.
// Faults: Invalid; Conflict.
func CheckMAC(v model.View, a *model.Adapter) error {
	canonical, err := CanonicalMAC(a.MAC)
	if err != nil {
		return err
	}
	if canonical != a.MAC {
		return fault.Bad("mac", "%s is written %s", a.MAC, canonical)
	}
	if strings.IndexByte("13579bdf", a.MAC[1]) >= 0 {
		return fault.Bad("mac", "%s is a group address; the second digit of a card's address is even", a.MAC)
	}
	if a.MAC == "00:00:00:00:00:00" {
		return fault.Bad("mac", "%s is the address of no card", a.MAC)
	}
	project := Owner(v, a)
	if err := CheckSharing(v, a, project); err != nil || a.Reserved {
		return err
	}
	holder, taken := model.One[*model.Adapter](v, "mac", a.MAC)
	switch {
	case !taken || holder.ID == a.ID:
		return nil
	case Owner(v, holder) == project:
		return conflict("mac", "%s is in use by adapter %q; choose another or mark the adapter as reserved to share it", a.MAC, holder.Name)
	}
	return conflict("mac", "%s is in use by an adapter outside the project; choose another", a.MAC)
}
