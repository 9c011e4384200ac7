package cloudinit

import "strings"

// maxLabel is the longest DNS label, in bytes (RFC 1035, section 2.3.4).
const maxLabel = 63

// Hostname makes a host name of a display name: lower-case letters, digits and single hyphens inside,
// at most 63 bytes (RFC 1123, section 2.1). Everything else becomes a hyphen. A name with nothing
// usable in it gives the fallback, which the caller makes of an id.
func Hostname(name, fallback string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxLabel {
			break
		}
	}
	if label := strings.TrimRight(b.String(), "-"); label != "" {
		return label
	}
	return fallback
}
