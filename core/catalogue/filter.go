package catalogue

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kowabunga/core/model"
)

// Filter is one condition on the objects of a list.
type Filter struct {
	attribute *Attribute
	operator  string
	value     Value
	part      string // for ~, in lower case
}

// operators are tried in this order: the longer ones first.
var operators = []string{"!=", ">=", "<=", "=", "~"}

// Filter reads a condition: field=value, field!=value, field>=value, field<=value, or field~part, which
// asks whether the text has the part in it, whatever the case of its letters. A list fulfils = when it
// has the value. resolve turns what is no id into the id of an object of the kind an attribute refers
// to; without it ids are asked for. Faults: Malformed with field "filter".
func (k *Kind) Filter(text string, resolve func(kind model.Kind, ref string) (model.ID, error)) (Filter, error) {
	end := 0
	for end < len(text) && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= '0' && text[end] <= '9' || text[end] == '_' || text[end] == '.') {
		end++
	}
	name, rest := text[:end], text[end:]
	f := Filter{}
	for _, operator := range operators {
		if strings.HasPrefix(rest, operator) {
			f.operator, rest = operator, rest[len(operator):]
			break
		}
	}
	if f.operator == "" || name == "" {
		return f, malformed("filter", "%q is no condition; write field=value, field!=value, field>=value, field<=value or field~part", shorten(text))
	}
	var ok bool
	if f.attribute, ok = k.Attribute(name); !ok {
		return f, malformed("filter", "%s have no field %q to filter by; there are %s", k.Plural, shorten(name), k.names(false))
	}
	a := f.attribute
	switch words := a.Type == String || a.Type == Date; {
	case f.operator == "~" && !words:
		return f, malformed("filter", "%s is no text; ~ asks for a part of a text", name)
	case f.operator == "~":
		f.part = strings.ToLower(rest)
		return f, nil
	case (f.operator == ">=" || f.operator == "<=") && (a.List || a.Type == Boolean):
		return f, malformed("filter", "%s has no order; use = or !=", name)
	}
	var err error
	if a.Ref != "" && rest != "" && !model.ID(rest).Valid() && resolve != nil {
		id, err := resolve(a.Ref, rest)
		if err != nil {
			return f, malformed("filter", "%s: there is no single %s of this id or name", name, a.Ref)
		}
		rest = string(id)
	}
	f.value, err = a.parse(rest)
	return f, err
}

// names lists the attributes for a fault.
func (k *Kind) names(sortable bool) string {
	var out []string
	for _, a := range k.attributes {
		if !sortable || !a.List {
			out = append(out, a.Name)
		}
	}
	return strings.Join(out, ", ")
}

// parse reads a value as people write it.
func (a *Attribute) parse(text string) (out Value, err error) {
	wrong := func(want string) error {
		return malformed("filter", "%s: %q is no %s", a.Name, shorten(text), want)
	}
	switch a.Type {
	case Integer:
		if a.Bytes {
			n, ok := ParseSize(text)
			if !ok {
				return out, wrong("size such as 1073741824, 512MiB or 4GiB")
			}
			return Value{Int: n}, nil
		}
		if out.Int, err = strconv.ParseInt(text, 10, 64); err != nil {
			return out, wrong("whole number")
		}
	case Number:
		if out.Number, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(out.Number) || math.IsInf(out.Number, 0) {
			return out, wrong("number")
		}
	case Boolean:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return out, wrong("true or false")
		}
		return truth(b), nil
	case Time:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			if at, err = time.Parse(time.DateOnly, text); err != nil {
				return out, wrong("time such as 2026-05-01T12:00:00Z or 2026-05-01")
			}
		}
		return Value{Int: at.UnixMilli()}, nil
	case Date:
		if _, err := time.Parse(time.DateOnly, text); text != "" && err != nil {
			return out, wrong("date of the form YYYY-MM-DD")
		}
		out.Text = text
	default:
		if len(a.Enum) > 0 && text != "" && !slices.Contains(a.Enum, text) {
			return out, malformed("filter", "%s: %q is none of %s", a.Name, shorten(text), strings.Join(a.Enum, ", "))
		}
		out.Text = text
	}
	return out, nil
}

// Match tells whether an object fulfils the condition.
func (f *Filter) Match(v model.View, o model.Object) bool {
	a := f.attribute
	if a.List {
		has := slices.ContainsFunc(a.many(v, o), func(value Value) bool {
			if f.operator == "~" {
				return strings.Contains(strings.ToLower(value.Text), f.part)
			}
			return value == f.value
		})
		return has != (f.operator == "!=")
	}
	value := a.one(v, o)
	switch f.operator {
	case "=":
		return value == f.value
	case "!=":
		return value != f.value
	case ">=":
		return value.Compare(f.value) >= 0
	case "<=":
		return value.Compare(f.value) <= 0
	}
	return strings.Contains(strings.ToLower(value.Text), f.part)
}

// Selector is one condition on the labels of an object.
type Selector struct {
	key, value string
	has        bool // the key alone matters
	not        bool
}

// ParseSelector reads a condition on labels: k=v, k!=v (objects without k fulfil it, too), k, or !k.
// Faults: Malformed with field "label".
func ParseSelector(text string) (s Selector, err error) {
	if key, value, ok := strings.Cut(text, "!="); ok {
		s = Selector{key: key, value: value, not: true}
	} else if key, value, ok := strings.Cut(text, "="); ok {
		s = Selector{key: key, value: value}
	} else if key, ok := strings.CutPrefix(text, "!"); ok {
		s = Selector{key: key, has: true, not: true}
	} else {
		s = Selector{key: text, has: true}
	}
	if !ValidLabelKey(s.key) {
		return s, malformed("label", "%q selects by no label; write key=value, key!=value, key or !key", shorten(text))
	}
	return s, nil
}

// Match tells whether labels fulfil the condition.
func (s Selector) Match(labels model.Labels) bool {
	value, ok := labels[s.key]
	return (ok && (s.has || value == s.value)) != s.not
}

// Order is one attribute that a list is sorted by.
type Order struct {
	Attribute *Attribute
	Down      bool // the largest first
}

// maxOrder bounds what a list may be sorted by at once.
const maxOrder = 4

// Order reads what a list is sorted by: attributes separated by commas, in a falling order those with a
// minus before them. Faults: Malformed with field "sort".
func (k *Kind) Order(text string) ([]Order, error) {
	if text == "" {
		return nil, nil
	}
	words := strings.Split(text, ",")
	if len(words) > maxOrder {
		return nil, malformed("sort", "%d fields are too many; a list is sorted by at most %d", len(words), maxOrder)
	}
	var out []Order
	for _, word := range words {
		name, down := strings.CutPrefix(word, "-")
		a, ok := k.Attribute(name)
		if !ok || a.List {
			return nil, malformed("sort", "%s cannot be sorted by %q; there are %s", k.Plural, shorten(name), k.names(true))
		}
		out = append(out, Order{a, down})
	}
	return out, nil
}

// ParseSize reads a number of bytes, possibly with a unit: 4096, 512MiB, 4 GiB.
func ParseSize(text string) (int64, bool) {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimPrefix(text[end:], " ")
	shift := slices.Index([]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, unit) * 10
	if unit == "" {
		shift = 0
	}
	if shift < 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}
