package behaviour

import (
	"strings"
	"time"
	"unicode"

	"kowabunga/core/access/credential"
	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// What users, teams, agents and their tokens have in common: names people read in mails and logs, and
// keys that end.

// maxPeopleName is far above what anybody types and keeps mails and tables readable.
const maxPeopleName = 255

func checkPeopleName(name string) error {
	if strings.TrimSpace(name) == "" {
		return fault.Bad("name", "must not be empty")
	}
	if len(name) > maxPeopleName {
		return fault.Bad("name", "is longer than %d bytes", maxPeopleName)
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return fault.Bad("name", "must not contain control characters")
	}
	return nil
}

// checkEmail looks at the form of an address alone (RFC 5321 section 4.1.2, without quoted local parts
// and address literals); whether mail arrives there is not a question of form. Lengths are those of
// RFC 5321 section 4.5.3.1. A domain of one label is fine: inside an organisation they exist.
func checkEmail(address string) error {
	bad := func(why string) error { return fault.Bad("email", "%s; write it as name@domain", why) }
	local, domain, ok := strings.Cut(address, "@")
	if !ok || strings.Contains(domain, "@") {
		return bad("must have exactly one @")
	}
	if local == "" || len(local) > 64 || len(address) > 254 {
		return bad("is too short or too long for a mail address")
	}
	for _, atom := range strings.Split(local, ".") {
		if atom == "" {
			return bad("has a dot where none may be")
		}
		for _, c := range []byte(atom) {
			if !letterOrDigit(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return bad("has a character that mail addresses cannot have")
			}
		}
	}
	for _, label := range strings.Split(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return bad("has a domain that is not a host name")
		}
		for _, c := range []byte(label) {
			if !letterOrDigit(c) && c != '-' {
				return bad("has a domain that is not a host name")
			}
		}
	}
	return nil
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// expiry reads the query of the operations that issue a key. A date without the switch ends the key as
// well: whoever names a last day wants one.
func expiry(q Query, now time.Time) (expire bool, day string, err error) {
	day = q["expiration_date"]
	expire = q.Bool("expire") || q["expire"] == "" && day != ""
	if !expire {
		return false, "", nil
	}
	if err := checkDay(day); err != nil {
		return false, "", err
	}
	if credential.Ended(&model.Token{Expire: true, Expiration: day}, now) {
		return false, "", fault.Bad("expiration_date", "%s is over; the key would be dead on arrival", day)
	}
	return true, day, nil
}

func checkDay(day string) error {
	if day == "" {
		return fault.Bad("expiration_date", "is needed for a key that ends: its last day, as YYYY-MM-DD")
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fault.Bad("expiration_date", "%q is not a date in the form YYYY-MM-DD", day)
	}
	return nil
}
