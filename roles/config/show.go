package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store/durable"
)

// Value is one effective setting after Load.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as a person would write it; for a secret the name of its file
	Source string `json:"source"` // "default", "flag --listen", the variable, or "FILE line N"
}

// Dump lists the effective values in the order the keys were declared. Nothing in it is secret: secrets
// appear as the file they are read from, credentials inside a URL are refused by Load.
func (s *Set) Dump() []Value {
	values := make([]Value, 0, len(s.keys))
	for _, k := range s.keys {
		values = append(values, Value{k.name, k.show(), k.source})
	}
	return values
}

// Print writes Dump as lines "key: value  # source", for --print-config.
func (s *Set) Print(w io.Writer) error {
	values, widest := s.Dump(), 0
	for _, v := range values {
		widest = max(widest, len(v.Key)+2+len(yamlText(v.Value)))
	}
	for _, v := range values {
		if _, err := fmt.Fprintf(w, "%-*s  # %s\n", widest, v.Key+": "+yamlText(v.Value), v.Source); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile creates a commented configuration file. Keys in values are written with their value (texts
// as a person would write them), all others appear as comments with their defaults. The values are checked
// like those of a file, so what is written can be read back. An existing file is never replaced (fault Conflict). The file is created
// with mode 0640, whole or not at all, also over a power failure; the caller owns the folder.
func (s *Set) WriteFile(path string, values map[string]string) error {
	const op = "write the configuration"
	text, err := s.render(values)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, op)
	}
	err = durable.New(path, text, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return &fault.Error{Code: fault.Conflict, Op: op, Message: path + " exists already and is left as it is"}
	}
	return fault.Wrap(err, fault.Unavailable, op)
}

func (s *Set) render(values map[string]string) ([]byte, error) {
	for name, raw := range values {
		k := s.byName[name]
		if k == nil || k.fileless {
			return nil, fault.Bad(name, "no such key of the file%s", didYouMean(name, s.names()))
		}
		before := k.show()
		err := k.accept(raw, "")
		if rerr := k.assign(before); err == nil && rerr != nil {
			err = rerr
		}
		if err != nil {
			return nil, fault.Bad(name, "%s%v", quoted(raw), err)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Kowabunga %s. Flags and %s… variables override what stands here.\n# Explanations: kowabunga help config\n", s.role, s.prefix())
	group := ""
	keys := slices.Clone(s.keys) // nested keys after the others and together, else a group would open twice
	slices.SortStableFunc(keys, func(x, y *Key) int { return strings.Compare(x.group(), y.group()) })
	for _, k := range keys {
		if k.fileless || k.hidden {
			continue
		}
		b.WriteByte('\n')
		indent, leaf := "", k.name
		if g := k.group(); g != "" {
			indent, leaf = strings.Repeat("  ", strings.Count(k.name, ".")), k.name[len(g)+1:]
			writeGroup(&b, group, g)
			group = g
		}
		fmt.Fprintf(&b, "%s# %s\n", indent, k.help)
		if raw, ok := values[k.name]; ok {
			b.WriteString(k.lines(indent, leaf, raw, ""))
		} else {
			b.WriteString(k.lines(indent, leaf, k.deflt, "# "))
		}
	}
	return b.Bytes(), nil
}

// group is the part of the key before its last dot, "" for a key at the top.
func (k *Key) group() string { return k.name[:max(0, strings.LastIndexByte(k.name, '.'))] }

// writeGroup opens the nested mappings of a group that the group before left closed. One whose members
// are all comments is null, which Load accepts.
func writeGroup(b *bytes.Buffer, before, group string) {
	open := strings.Split(before, ".")
	shared := true
	for i, part := range strings.Split(group, ".") {
		shared = shared && i < len(open) && open[i] == part
		if !shared {
			fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", i), part)
		}
	}
}

// lines writes one key, a list or table over several lines.
func (k *Key) lines(indent, leaf, raw, comment string) string {
	var b strings.Builder
	head := indent + comment + leaf + ":"
	switch {
	case k.kind == kindList && raw != "":
		b.WriteString(head + "\n")
		for _, item := range splitList(raw) {
			b.WriteString(indent + comment + "  - " + yamlText(item) + "\n")
		}
	case k.kind == kindTable && raw != "":
		b.WriteString(head + "\n")
		member := ""
		for _, item := range splitList(formatAgain(raw)) {
			place, value, _ := strings.Cut(item, "=")
			name, field, _ := strings.Cut(place, ".")
			if name != member {
				b.WriteString(indent + comment + "  " + name + ":\n")
				member = name
			}
			b.WriteString(indent + comment + "    " + field + ": " + yamlText(value) + "\n")
		}
	case raw == "" && comment != "":
		b.WriteString(head + "\n")
	case raw == "" && k.kind == kindList:
		b.WriteString(head + " []\n")
	case raw == "" && k.kind == kindTable:
		b.WriteString(head + " {}\n")
	default:
		b.WriteString(head + " " + yamlText(raw) + "\n")
	}
	return b.String()
}

// formatAgain sorts the items of a table so that members stay together.
func formatAgain(raw string) string {
	fields := map[string]map[string]string{}
	for _, item := range splitList(raw) {
		place, value, _ := strings.Cut(item, "=")
		name, field, _ := strings.Cut(place, ".")
		if fields[name] == nil {
			fields[name] = map[string]string{}
		}
		fields[name][field] = value
	}
	return formatTable(fields)
}

// yamlText quotes a text where YAML would read something else, JSON's way, which YAML 1.2 understands.
func yamlText(text string) string {
	for i, r := range text {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '/' || r == '.' || r == '_' ||
			i > 0 && (r == '-' || r == '+' || r == '@') || r == ':' && i > 0 && i < len(text)-1
		if !plain {
			return fmt.Sprintf("%q", text)
		}
	}
	if text == "" {
		return `""`
	}
	return text
}

// shape says what a key of this kind looks like in a file.
func (k *Key) shape() string {
	switch k.kind {
	case kindList:
		return "a list"
	case kindTable:
		return "names, each with fields"
	}
	return "a single value"
}

// unit writes a bound the way values of the key are written.
func (k *Key) unit(n int64) string {
	switch k.kind {
	case kindSize:
		return Size(n).String()
	case kindDuration:
		return formatDuration(time.Duration(n))
	}
	return fmt.Sprint(n)
}
