//go:build !failpoint

package failpoint

// Enabled tells whether this executable was built with the tag "failpoint".
const Enabled = false

// Point is a place where a test may make the process fail.
type Point struct{}

// Register makes a point; without the build tag there is nothing to remember.
func Register(string) Point { return Point{} }

// Hit passes through the point: nothing happens without the build tag.
func (Point) Hit() error { return nil }

// Hit passes through the point of this name: nothing happens without the build tag.
func Hit(string) error { return nil }

// Names lists the registered points: none without the build tag.
func Names() []string { return nil }
