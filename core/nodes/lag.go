package nodes

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/fault"
)

// Headers of reads that a node answers although another one acts.
const (
	// StaleHeader in a request, with any value, asks a node that does not act to answer a read from what it
	// was last told, instead of passing it on.
	StaleHeader = "X-Kowabunga-Stale"
	// LagHeader stands in the answers to such reads, as [FormatLag] writes it.
	LagHeader = "X-Kowabunga-Lag"
)

// Lag is how old an answer may be.
type Lag struct {
	Index  uint64        // of the state that was read
	Behind uint64        // records that the node that acts is known to have published since
	Silent time.Duration // since that node was last heard; what it did since is not known
}

// FormatLag writes a lag as an integer with parameters (RFC 8941, sections 3.1.2 and 3.3.1):
//
//	1042;behind=3;silent=0.250
func FormatLag(l Lag) string {
	return fmt.Sprintf("%d;behind=%d;silent=%.3f", l.Index, l.Behind, max(0, l.Silent).Seconds())
}

// ParseLag reads what FormatLag wrote; parameters of later releases are passed over. Fault: Malformed.
func ParseLag(text string) (Lag, error) {
	var l Lag
	bad := func() (Lag, error) { return Lag{}, fault.New(fault.Malformed, "%s is not as it should be", LagHeader) }
	parts := strings.Split(text, ";")
	var err error
	if l.Index, err = strconv.ParseUint(strings.TrimSpace(parts[0]), 10, 64); err != nil || len(text) > maxText {
		return bad()
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "behind":
			if l.Behind, err = strconv.ParseUint(value, 10, 64); err != nil {
				return bad()
			}
		case "silent":
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil || !(seconds >= 0 && seconds < 1e9) {
				return bad()
			}
			l.Silent = time.Duration(seconds * float64(time.Second))
		}
	}
	return l, nil
}
