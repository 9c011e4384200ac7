package metadata

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/metadata"
)

// claimOf reads who the caller says it is. Earlier agents send their address with a port.
func claimOf(r *http.Request) metadata.Claim {
	c := metadata.Claim{SourceIP: r.Header.Get(metadata.HeaderSourceIP), Instance: r.Header.Get(metadata.HeaderInstance), Secret: r.Header.Get(metadata.HeaderSecret)}
	if port, err := netip.ParseAddrPort(c.SourceIP); err == nil {
		c.SourceIP = port.Addr().String()
	}
	return c
}

// patience is how long the caller will wait for news: the query parameter wait, a duration or whole
// seconds, or else the preference of RFC 7240. More than a minute is a minute.
func patience(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		for _, line := range r.Header.Values("Prefer") {
			for _, preference := range strings.Split(line, ",") {
				name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
				// A preference that makes no sense is ignored (section 2).
				if n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31); err == nil && strings.EqualFold(strings.TrimSpace(name), "wait") {
					return min(time.Duration(n)*time.Second, longestWait), nil
				}
			}
		}
		return 0, nil
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, longestWait), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fault.Bad("wait", "is no duration; write 30s or whole seconds")
	}
	return min(d, longestWait), nil
}

// matches is If-None-Match (RFC 9110 section 13.1.2), which compares weakly.
func matches(header, tag string) bool {
	for _, one := range strings.Split(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

// refuse answers an error in the form of API v1.
func refuse(w http.ResponseWriter, status int, reason string) {
	raw, _ := json.Marshal(struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{status, http.StatusText(status), reason})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n'))
}
