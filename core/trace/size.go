package trace

import "strconv"

// Size writes a number of bytes the way facts and messages do: in the largest binary unit (IEC 80000-13)
// of which it is at least one, exactly when it divides, else with one decimal rounded down so that a
// limit is never shown as larger than it is.
func Size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if bytes < 0 {
		// The most negative number has no positive counterpart; one byte less says the same.
		return "-" + Size(max(bytes, -1<<63+1)*-1)
	}
	n, unit := 0, int64(1)
	for n+1 < len(units) && bytes/unit >= 1024 {
		unit *= 1024
		n++
	}
	text := strconv.FormatInt(bytes/unit, 10)
	if rest := bytes % unit; rest != 0 {
		// The rest is below 2^60, so ten times it fits 64 bits without a sign.
		text += "." + strconv.FormatUint(uint64(rest)*10/uint64(unit), 10)
	}
	return text + " " + units[n]
}
