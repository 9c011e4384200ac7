//go:build failpoint

package roles

import (
	"testing"

	"kowabunga/store/failpoint"
)

// TestPointsToDieAt holds how many moments of the whole program a crash can be made to happen at.
func TestPointsToDieAt(t *testing.T) {
	names := failpoint.Names()
	if len(names) < 60 {
		t.Errorf("%d points, want 60 at least: %v", len(names), names)
	}
	t.Logf("%d points", len(names))
}
