package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes.
type Size int64

// The units a size may be written in (IEC 80000-13).
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 && u.size > 1 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var sizeForm = regexp.MustCompile(`^([0-9_]+)\s*([A-Za-z]*)$`)

// ParseSize reads a whole number of bytes with an optional unit B, KiB, MiB, GiB or TiB.
func ParseSize(raw string) (Size, error) {
	m := sizeForm.FindStringSubmatch(strings.TrimSpace(raw))
	if m == nil {
		return 0, fmt.Errorf("must be a size such as 512MiB or 20GiB")
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is too large for a size")
	}
	if m[2] == "" {
		return Size(n), nil
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(m[2], u.name) {
			if n > math.MaxInt64/int64(u.size) {
				return 0, fmt.Errorf("is too large for a size")
			}
			return Size(n) * u.size, nil
		}
	}
	return 0, fmt.Errorf("has an unknown unit %q; use B, KiB, MiB, GiB or TiB", m[2])
}

var days = regexp.MustCompile(`^([0-9]+)d(.*)$`)

// ParseDuration reads Go's notation (90s, 1h30m) and days in front of it (30d, 1d12h; a day is 24 hours).
func ParseDuration(raw string) (time.Duration, error) {
	rest, total := strings.TrimSpace(raw), time.Duration(0)
	if m := days.FindStringSubmatch(rest); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64/int64(24*time.Hour)-1 {
			return 0, fmt.Errorf("is too long")
		}
		total, rest = time.Duration(n)*24*time.Hour, m[2]
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 90s, 15m, 36h or 30d")
	}
	if d > math.MaxInt64-total {
		return 0, fmt.Errorf("is too long")
	}
	return total + d, nil
}

func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBool(raw string) (bool, error) {
	switch strings.ToLower(raw) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false")
}

func parseAddress(raw string) (string, error) {
	host, port, err := net.SplitHostPort(raw)
	if err != nil {
		return "", fmt.Errorf("must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("has no valid port (0 to 65535)")
	} else if strings.ContainsAny(host, " /@") {
		return "", fmt.Errorf("has no valid host name")
	} else {
		return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
	}
}

func parseURL(raw string, schemes []string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", fmt.Errorf("is not a URL")
	case u.User != nil:
		return "", fmt.Errorf("must not carry a user or password; secrets are given by file")
	case !slices.Contains(schemes, u.Scheme):
		return "", fmt.Errorf("must start with %s://", strings.Join(schemes, ":// or "))
	case u.Scheme != "file" && u.Host == "":
		return "", fmt.Errorf("names no host")
	}
	return raw, nil
}

// splitList reads a comma-separated list; a comma or backslash inside an item is written \, or \\.
func splitList(raw string) []string {
	var items []string
	var item strings.Builder
	flush := func() {
		if text := strings.TrimSpace(item.String()); text != "" {
			items = append(items, text)
		}
		item.Reset()
	}
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] == '\\' && i+1 < len(raw) && (raw[i+1] == ',' || raw[i+1] == '\\'):
			i++
			item.WriteByte(raw[i])
		case raw[i] == ',':
			flush()
		default:
			item.WriteByte(raw[i])
		}
	}
	flush()
	return items
}

func joinList(items []string) string {
	escaped := make([]string, len(items))
	for i, item := range items {
		escaped[i] = strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(item)
	}
	return strings.Join(escaped, ",")
}

var memberName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func parseTable(raw string, fields []string) (map[string]map[string]string, error) {
	table := map[string]map[string]string{}
	for _, item := range splitList(raw) {
		place, value, ok := strings.Cut(item, "=")
		name, field, dotted := strings.Cut(place, ".")
		if !ok || !dotted {
			return nil, fmt.Errorf("must be written NAME.FIELD=VALUE, not %q", item)
		}
		if !memberName.MatchString(name) {
			return nil, fmt.Errorf("name %q may hold letters, digits, - and _ only", name)
		}
		if !slices.Contains(fields, field) {
			return nil, fmt.Errorf("unknown field %q of %q%s", field, name, didYouMean(field, fields))
		}
		if table[name] == nil {
			table[name] = map[string]string{}
		}
		table[name][field] = value
	}
	return table, nil
}

func formatTable(table map[string]map[string]string) string {
	var items []string
	for name, fields := range table {
		for field, value := range fields {
			items = append(items, name+"."+field+"="+value)
		}
	}
	sort.Strings(items)
	return joinList(items)
}
