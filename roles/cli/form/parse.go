package form

import (
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/roles/config"
)

// FlagName is the flag of a field or a query parameter: words joined by dashes, without the "Id" that
// says how a reference is kept. A secret's flag names a file, never the secret itself.
func FlagName(name string, secret bool) string {
	name = strings.TrimSuffix(name, "Id")
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_':
			b.WriteByte('-')
		case r >= 'A' && r <= 'Z':
			if i > 0 && (name[i-1] < 'A' || name[i-1] > 'Z') {
				b.WriteByte('-')
			}
			b.WriteRune(r - 'A' + 'a')
		default:
			b.WriteRune(r)
		}
	}
	if secret {
		b.WriteString("-file")
	}
	return b.String()
}

// Parse reads the text of one flag value into the field's value. Lists are separated by commas, with
// quotes around an item that holds one; structures are name=value pairs separated by commas; ranges are
// FIRST-LAST or one address; pairs of key and value are KEY=VALUE. An empty text is an empty list. A
// structure, or a list of them, may be JSON instead.
func Parse(f *catalogue.Field, text string) (any, error) {
	if structured := f.Type == catalogue.Object || f.Type == catalogue.Array && f.Items == catalogue.Object; structured && looksJSON(text) {
		return parseJSON(f, text)
	}
	switch f.Type {
	case catalogue.Array:
		return parseList(f, text)
	case catalogue.Object:
		return parseObject(f.Fields, text)
	}
	return parseScalar(f, text)
}

func looksJSON(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

func parseJSON(f *catalogue.Field, text string) (any, error) {
	values, err := decodeJSON([]byte(text))
	if err != nil || len(values) != 1 {
		return nil, fmt.Errorf("begins like JSON and is none")
	}
	if one, isObject := values[0].(map[string]any); isObject && f.Type == catalogue.Array {
		values[0] = []any{one}
	}
	return take(f, values[0], f.Name)
}

func parseScalar(f *catalogue.Field, text string) (any, error) {
	switch f.Type {
	case catalogue.Integer:
		return parseInteger(f, text)
	case catalogue.Number:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, fmt.Errorf("must be a number, such as 12.5")
		}
		return n, nil
	case catalogue.Boolean:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "yes":
			return true, nil
		case "false", "no":
			return false, nil
		}
		return nil, fmt.Errorf("must be true or false")
	case catalogue.Date:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, fmt.Errorf("must be a date of the form YYYY-MM-DD")
		}
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
		near := config.Nearest(text, f.Enum)
		if near != "" {
			near = fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, fmt.Errorf("must be one of %s%s", strings.Join(f.Enum, ", "), near)
	}
	return text, nil
}

func parseInteger(f *catalogue.Field, text string) (any, error) {
	text = strings.TrimSpace(text)
	if f.Bytes {
		size, err := config.ParseSize(text)
		if err != nil {
			return nil, err
		}
		return within(f, int64(size))
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("must be a whole number")
	}
	return within(f, n)
}

// within checks the bounds of a field that has some.
func within(f *catalogue.Field, n int64) (any, error) {
	if (f.Min != 0 || f.Max != 0) && (n < f.Min || n > f.Max) {
		low, high := strconv.FormatInt(f.Min, 10), strconv.FormatInt(f.Max, 10)
		if f.Bytes {
			low, high = size(f.Min), size(f.Max)
		}
		return nil, fmt.Errorf("must lie between %s and %s", low, high)
	}
	return n, nil
}

func parseList(f *catalogue.Field, text string) (any, error) {
	out := []any{}
	if strings.TrimSpace(text) == "" {
		return out, nil
	}
	if f.Items == catalogue.Object && !IsRange(f.Fields) {
		item, err := parseItem(f, text)
		return append(out, item), err
	}
	parts, err := split(text)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		item, err := parseItem(f, part)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func parseItem(f *catalogue.Field, text string) (any, error) {
	switch {
	case f.Items != catalogue.Object:
		return parseScalar(&catalogue.Field{Type: f.Items}, text)
	case IsRange(f.Fields):
		first, last, two := strings.Cut(text, "-")
		first, last = strings.TrimSpace(first), strings.TrimSpace(last)
		if !two {
			last = first
		}
		if first == "" || last == "" {
			return nil, fmt.Errorf("must be of the form FIRST-LAST, such as 10.0.0.1-10.0.0.9")
		}
		return map[string]any{"first": first, "last": last}, nil
	case IsPair(f.Fields):
		key, value, two := strings.Cut(text, "=")
		if !two || key == "" {
			return nil, fmt.Errorf("must be of the form KEY=VALUE")
		}
		return map[string]any{"key": key, "value": value}, nil
	}
	return parseObject(f.Fields, text)
}

// parseObject reads name=value pairs separated by commas.
func parseObject(fields []catalogue.Field, text string) (any, error) {
	out := map[string]any{}
	if strings.TrimSpace(text) == "" {
		return out, nil
	}
	parts, err := split(text)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		name, value, two := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		f := find(fields, name)
		if f == nil || !two {
			return nil, fmt.Errorf("%q is not of the form NAME=VALUE with NAME one of %s", part, strings.Join(names(fields), ", "))
		}
		v, err := Parse(f, value)
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		out[name] = v
	}
	return out, nil
}

// split separates at commas, as RFC 4180 does: an item with a comma in it stands in double quotes.
func split(text string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	parts, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("must be a list separated by commas, with \"double quotes\" around an item that holds a comma or a quote")
	}
	if _, err := r.Read(); err == nil {
		return nil, fmt.Errorf("must stand on one line")
	}
	return parts, nil
}

// IsRange tells whether a structure is a first and a last address, written FIRST-LAST.
func IsRange(fields []catalogue.Field) bool {
	return len(fields) == 2 && fields[0].Name == "first" && fields[1].Name == "last"
}

// IsPair tells whether a structure is a key with a value, written KEY=VALUE.
func IsPair(fields []catalogue.Field) bool {
	return len(fields) == 2 && fields[0].Name == "key" && fields[1].Name == "value"
}

func find(fields []catalogue.Field, name string) *catalogue.Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

func names(fields []catalogue.Field) []string {
	var out []string
	for i := range fields {
		out = append(out, fields[i].Name)
	}
	return out
}
