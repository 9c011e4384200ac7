package catalogue

import (
	"maps"
	"slices"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// Bounds of the labels of one object.
const (
	MaxLabels     = 64
	MaxLabelKey   = 63  // bytes
	MaxLabelValue = 255 // bytes
)

// labelsField is the name of the labels on the wire.
const labelsField = "labels"

// ValidLabelKey tells whether a word may be the key of a label: a letter or digit, then letters, digits
// and any of - _ . /, at most 63 bytes in all.
func ValidLabelKey(key string) bool {
	if key == "" || len(key) > MaxLabelKey {
		return false
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.' || c == '/'):
		default:
			return false
		}
	}
	return true
}

// appendLabels appends labels as a JSON object in order of their keys.
func appendLabels(b []byte, labels model.Labels) []byte {
	b = append(b, '{')
	switch len(labels) {
	case 0:
	case 1:
		for key, value := range labels {
			b = appendString(appendName(b, key), value)
		}
	default:
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			b = appendString(appendName(b, key), labels[key])
		}
	}
	return append(b, '}')
}

// readLabels reads a JSON object of text known to be valid JSON; no labels are nil. Faults: Malformed,
// Invalid, both naming the label.
func readLabels(raw []byte) (model.Labels, error) {
	sent, err := splitObject(raw, labelsField)
	if err != nil {
		return nil, err
	}
	if len(sent) > MaxLabels {
		return nil, fault.Bad(labelsField, "%d are too many; an object has at most %d labels", len(sent), MaxLabels)
	}
	var out model.Labels
	for _, m := range sent {
		path := join(labelsField, m.key)
		if !ValidLabelKey(m.key) {
			return nil, fault.Bad(labelsField, "%q is no key of a label: a letter or digit, then letters, digits, '-', '_', '.' and '/', at most %d in all", shorten(m.key), MaxLabelKey)
		}
		value, err := unquote(m.value)
		if err != nil {
			return nil, malformed(path, "must be text")
		}
		if len(value) > MaxLabelValue {
			return nil, fault.Bad(path, "has %d bytes; a label's value has at most %d", len(value), MaxLabelValue)
		}
		if out == nil {
			out = make(model.Labels, len(sent))
		}
		out[m.key] = value
	}
	return out, nil
}

// shorten bounds what a fault repeats of what was sent.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
