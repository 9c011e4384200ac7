package form

import (
	"maps"
	"slices"
	"strings"

	"kowabunga/core/catalogue"
)

// Input is the value of a flag that stands for a field. Lists given several times add up, structures
// given several times are laid over each other, other values are replaced.
type Input struct {
	Field *catalogue.Field
	Given bool
	Value any
	text  []string
}

// Set reads one occurrence of the flag.
func (i *Input) Set(text string) error {
	v, err := Parse(i.Field, text)
	if err != nil {
		return err
	}
	switch before := i.Value.(type) {
	case []any:
		v = append(before, v.([]any)...)
	case map[string]any:
		maps.Copy(before, v.(map[string]any))
		v = before
	}
	i.Value, i.Given, i.text = v, true, append(i.text, text)
	return nil
}

// String is what was given, for cobra.
func (i *Input) String() string {
	if i == nil {
		return ""
	}
	return strings.Join(i.text, ",")
}

// Type says in help texts what to write.
func (i *Input) Type() string { return Word(i.Field) }

// IsBoolFlag lets a flag of type boolean stand without a value.
func (i *Input) IsBoolFlag() bool { return i.Field.Type == catalogue.Boolean }

// Word is the shortest description of what a field takes, for help texts.
func Word(f *catalogue.Field) string {
	switch {
	case f.Secret:
		return "FILE"
	case f.Ref != "" && f.Type == catalogue.Array:
		return strings.ToUpper(string(f.Ref)) + ",…"
	case f.Ref != "":
		return strings.ToUpper(string(f.Ref))
	case len(f.Enum) > 0:
		return strings.Join(f.Enum, "|")
	case f.Bytes:
		return "SIZE"
	}
	switch f.Type {
	case catalogue.Integer, catalogue.Number:
		return "N"
	case catalogue.Boolean:
		return "" // shown without a value
	case catalogue.Date:
		return "YYYY-MM-DD"
	case catalogue.Object:
		if Deep(f.Fields) {
			return "JSON"
		}
		return pairs(f.Fields)
	case catalogue.Array:
		switch {
		case f.Items == catalogue.Object && Deep(f.Fields):
			return "JSON"
		case f.Items == catalogue.Object && IsRange(f.Fields):
			return "FIRST-LAST,…"
		case f.Items == catalogue.Object && IsPair(f.Fields):
			return "KEY=VALUE"
		case f.Items == catalogue.Object:
			return pairs(f.Fields)
		}
		return "TEXT,…"
	}
	return "TEXT"
}

// Deep tells whether a structure has structures in it, which nobody writes as pairs.
func Deep(fields []catalogue.Field) bool {
	return slices.ContainsFunc(fields, func(f catalogue.Field) bool { return f.Type == catalogue.Object || f.Items == catalogue.Object })
}

func pairs(fields []catalogue.Field) string {
	var out []string
	for i := range fields {
		if fields[i].ReadOnly {
			continue
		}
		out = append(out, fields[i].Name+"="+Word(&fields[i]))
	}
	return strings.Join(out, ",")
}
