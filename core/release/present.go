//go:build !nextrelease

package release

// Ahead is how far the versions of this program's protocols are above those that the source names.
const Ahead = 0

// Member is what a JSON object has besides the members that this release knows, before its last brace, and
// what stands behind the rest where a message is not JSON.
const Member = ""

// Feature is what an agent and a Kahuna offer each other besides; empty for nothing.
const Feature = ""

// More is v, as JSON says it.
func More(v any) any { return v }

// Message is a message of two Kahunas that the release before does not know; nil for none.
func Message() []byte { return nil }
