package behaviour

import (
	"regexp"

	"kowabunga/core/fault"
)

var hostnameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*$`)

// hostname refuses names that no guest could have: each label of RFC 1123 section 2.1, with underscores,
// as existing clients use them.
func hostname(field, name string) error {
	if !hostnameForm.MatchString(name) {
		return fault.Bad(field, "%q cannot be a host name: labels of at most 63 letters, digits, dashes and underscores, joined by dots", name)
	}
	return nil
}
