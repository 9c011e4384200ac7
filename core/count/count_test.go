package count

import "testing"

func TestOf(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 records", 1: "1 record", 2: "2 records", 1 << 63: "9223372036854775808 records"} {
		if text := Of(n, "record"); text != want {
			t.Errorf("%d: %q", n, text)
		}
	}
}
