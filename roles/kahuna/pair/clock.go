package pair

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since this host booted, suspend included (CLOCK_BOOTTIME, clock_gettime(2)). Leases
// run on it: a clock that stops in suspend would let a primary act that woke up long after its lease.
func Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("clock_gettime(CLOCK_BOOTTIME): " + err.Error()) // since Linux 2.6.39
	}
	return time.Duration(t.Nano())
}

// BootID names this start of this host (random(4)); empty where it cannot be read, and then it proves nothing.
func BootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
