package catalogue

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259); bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + size
		}
		i += size
	}
	return append(append(b, s[from:]...), '"')
}

// AppendString appends s as a JSON string.
func AppendString[S ~string](b []byte, s S) []byte { return appendString(b, string(s)) }

// member is one key and its value of a JSON object.
type member struct {
	key   string
	value []byte
}

type members []member

// get returns the value of a key; a null counts as absent.
func (m members) get(key string) ([]byte, bool) {
	for i := range m {
		if m[i].key == key {
			return m[i].value, string(m[i].value) != "null"
		}
	}
	return nil, false
}

// splitObject takes a JSON object apart without decoding the values. The text must be valid JSON.
func splitObject(raw []byte, path string) (members, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, malformed(path, "must be an object")
	}
	var out members
	for i := skipSpace(raw, 1); raw[i] != '}'; {
		end := skipValue(raw, i)
		key, err := unquote(raw[i:end])
		if err != nil {
			return nil, malformed(path, "has a key that is not text")
		}
		i = skipSpace(raw, skipSpace(raw, end)+1) // past the colon
		end = skipValue(raw, i)
		if slices.ContainsFunc(out, func(m member) bool { return m.key == key }) {
			return nil, malformed(join(path, key), "stands twice")
		}
		out = append(out, member{key, raw[i:end]})
		if i = skipSpace(raw, end); raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return out, nil
}

// splitArray takes a JSON array apart without decoding the items. The text must be valid JSON.
func splitArray(raw []byte, path string) ([][]byte, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, malformed(path, "must be a list")
	}
	var out [][]byte
	for i := skipSpace(raw, 1); raw[i] != ']'; {
		end := skipValue(raw, i)
		out = append(out, raw[i:end])
		if i = skipSpace(raw, end); raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return out, nil
}

func skipSpace(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the index after the JSON value that starts at i.
func skipValue(raw []byte, i int) int {
	depth := 0
	for {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue // only inside brackets
		default:
			for i < len(raw) && !slices.Contains([]byte(",:]} \n\t\r"), raw[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

func unquote(raw []byte) (string, error) {
	var s string
	if len(raw) < 2 || raw[0] != '"' {
		return "", strconv.ErrSyntax
	}
	if body := raw[1 : len(raw)-1]; !slices.Contains(body, '\\') && utf8.Valid(body) {
		return string(body), nil
	}
	err := json.Unmarshal(raw, &s)
	return s, err
}

func malformed(path, format string, args ...any) *fault.Error {
	f := fault.New(fault.Malformed, format, args...)
	f.Field = path
	return f
}

func readString(f *Field, raw []byte, path string) (string, error) {
	s, err := unquote(raw)
	if err != nil {
		return "", malformed(path, "must be text")
	}
	if meant, ok := f.Spellings[s]; ok {
		s = meant
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, s) {
		return "", fault.Bad(path, "%q is none of %v", s, f.Enum)
	}
	if f.Type == Date && s != "" {
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return "", fault.Bad(path, "%q is no date of the form YYYY-MM-DD", s)
		}
	}
	if f.Ref != "" && s != "" && !model.ID(s).Valid() {
		return "", fault.Bad(path, "%q is no id: 24 lower-case hexadecimal digits", s)
	}
	return s, nil
}

func readInteger(f *Field, raw []byte, path string) (int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, malformed(path, "must be a whole number")
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, strconv.FormatInt(n, 10)) {
		return 0, fault.Bad(path, "%d is none of %v", n, f.Enum)
	}
	if f.Max > f.Min && (n < f.Min || n > f.Max) {
		return 0, fault.Bad(path, "%d is outside %d to %d", n, f.Min, f.Max)
	}
	return n, nil
}

func readNumber(_ *Field, raw []byte, path string) (float64, error) {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, malformed(path, "must be a number")
	}
	return n, nil
}

func readBoolean(_ *Field, raw []byte, path string) (bool, error) {
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, malformed(path, "must be true or false")
}
