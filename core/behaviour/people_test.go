package behaviour

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

func TestMailAddressesAreJudgedByTheirForm(t *testing.T) {
	for address, want := range map[string]bool{
		"eve@example.org": true, "e.v-e+tag@sub.example.org": true, "root@localhost": true, "o'neil@example.org": true,
		strings.Repeat("l", 64) + "@example.org": true,
		"":                                       false, "eve": false, "@example.org": false, "eve@": false, "eve@@example.org": false, "a@b@c": false,
		"eve@example..org": false, ".eve@example.org": false, "eve.@example.org": false, "e..ve@example.org": false,
		"eve@-example.org": false, "eve@example-.org": false, "eve @example.org": false, "eve@exam ple.org": false,
		"eve@example.org\r\nBcc: mal@example.org": false, "Eve <eve@example.org>": false, "ève@example.org": false, "eve@example.org,mal@example.org": false,
		strings.Repeat("l", 65) + "@example.org": false, "eve@" + strings.Repeat("d", 64) + ".org": false, "eve@" + strings.Repeat("d.", 130) + "org": false,
	} {
		if err := checkEmail(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		} else if err != nil && (!fault.Is(err, fault.Invalid) || fault.From(err).Field != "email") {
			t.Errorf("%q: %+v", address, err)
		}
	}
}

// An accepted address can stand in a mail header and in a log line as it is.
func TestAcceptedAddressesAreHarmless(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		address := rapid.OneOf(rapid.StringMatching(`[ -~]{0,20}@[ -~]{0,20}`), rapid.String()).Draw(t, "address")
		if checkEmail(address) == nil && strings.ContainsAny(address, " \r\n\t\x00<>,;:\"()[]\\") {
			t.Fatalf("%q is accepted", address)
		}
	})
}

func TestNamesOfPeopleCanBePrinted(t *testing.T) {
	for name, want := range map[string]bool{
		"Eve": true, "Зоя": true, "web-1": true, "": false, "  ": false, "a\nb": false, "a\x1b[31m": false, strings.Repeat("x", 256): false,
	} {
		if err := checkPeopleName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
