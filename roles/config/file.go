package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"kowabunga/core/fault"
)

// maxFile bounds a configuration file; one with every key and comment stays below 20 KiB.
const maxFile = 1 << 20

// fileValues is what a file says: every value as the text that stands there.
type fileValues struct {
	tree     map[string]any // nested as viper wants it
	lines    map[string]int // key -> line
	problems []problem
}

func (s *Set) readFile(file string, required bool) (fileValues, error) {
	s.file = ""
	if file == "" {
		return fileValues{}, nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !required:
		return fileValues{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return fileValues{}, &fault.Error{Code: fault.NotFound, Op: loading, Message: "the file " + file + " does not exist"}
	case err != nil:
		return fileValues{}, fault.Wrap(err, fault.Unavailable, loading)
	case !info.Mode().IsRegular():
		return fileValues{}, &fault.Error{Code: fault.Invalid, Op: loading, Message: file + " is not a file"}
	case info.Size() > maxFile:
		return fileValues{}, &fault.Error{Code: fault.Invalid, Op: loading, Message: file + " is larger than 1 MiB; that is no configuration"}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fileValues{}, fault.Wrap(err, fault.Unavailable, loading)
	}
	s.file = file
	return s.decode(text)
}

// decode walks the syntax tree of the file instead of decoding it into Go values: a text stays the text
// that was written (0123, 1e3, no) and every key has a line.
func (s *Set) decode(text []byte) (fileValues, error) {
	found := fileValues{tree: map[string]any{}, lines: map[string]int{}}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for n := 0; ; n++ {
		var doc yaml.Node
		switch err := documents.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return found, &fault.Error{Code: fault.Malformed, Op: loading, Message: fmt.Sprintf("%s is not valid YAML: %s", s.file, strings.TrimPrefix(err.Error(), "yaml: "))}
		case n > 0:
			return found, &fault.Error{Code: fault.Malformed, Op: loading, Message: s.file + " holds more than one document"}
		}
		switch body := doc.Content[0]; {
		case isNull(body):
		case body.Kind == yaml.MappingNode:
			s.walk(&found, "", body)
		default:
			found.fail("", body, s.file, "the file must hold keys with values")
		}
	}
}

func (s *Set) walk(found *fileValues, prefix string, group *yaml.Node) {
	for name, value := range entries(group) {
		key := prefix + name.Value
		k := s.byName[key]
		switch {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			found.fail("", name, s.file, "aliases, merge keys (<<) and composed keys are not supported; write the keys out")
		case k != nil && k.fileless:
			found.fail(key, name, s.file, "cannot stand in the file; use --"+k.flag+" or "+s.variable(key))
		case found.lines[key] != 0:
			found.fail(key, name, s.file, fmt.Sprintf("stands twice, first on line %d", found.lines[key]))
		case k != nil:
			found.lines[key] = name.Line
			s.take(found, k, value)
		case s.passed[key]:
		case s.isGroup(key) && value.Kind == yaml.MappingNode:
			s.walk(found, key+".", value)
		case s.isGroup(key) && isNull(value):
		case s.isGroup(key):
			found.fail(key, value, s.file, "holds keys of its own, not a value")
		default:
			found.fail("", name, "", fmt.Sprintf("unknown key %q at line %d of %s%s", key, name.Line, s.file, didYouMean(key, s.namesAt(prefix))))
		}
	}
}

// take stores the value of a known key; null leaves it to the default.
func (s *Set) take(found *fileValues, k *Key, value *yaml.Node) {
	raw := value.Value
	switch {
	case isNull(value):
		delete(found.lines, k.name)
		return
	case k.kind == kindTable && value.Kind == yaml.MappingNode:
		var items []string
		for member, fields := range entries(value) {
			if fields.Kind != yaml.MappingNode {
				found.fail(k.name, fields, s.file, fmt.Sprintf("%q must hold fields", member.Value))
				return
			}
			for field, text := range entries(fields) {
				if text.Kind != yaml.ScalarNode {
					found.fail(k.name, text, s.file, fmt.Sprintf("%s of %q must be a single value", field.Value, member.Value))
					return
				}
				items = append(items, member.Value+"."+field.Value+"="+text.Value)
			}
		}
		raw = joinList(items)
	case k.kind == kindList && value.Kind == yaml.SequenceNode:
		var items []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				found.fail(k.name, item, s.file, "must be a list of single values")
				return
			}
			items = append(items, item.Value)
		}
		raw = joinList(items)
	case value.Kind != yaml.ScalarNode || k.kind == kindTable:
		found.fail(k.name, value, s.file, "must be "+k.shape())
		return
	}
	node := found.tree
	parts := strings.Split(k.name, ".")
	for _, part := range parts[:len(parts)-1] {
		next, ok := node[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			node[part] = next
		}
		node = next
	}
	node[parts[len(parts)-1]] = raw
}

// isGroup reports whether keys lie below the given one.
func (s *Set) isGroup(key string) bool {
	for _, name := range s.names() {
		if strings.HasPrefix(name, key+".") {
			return true
		}
	}
	return false
}

// names are all keys the file may hold.
func (s *Set) names() []string {
	var names []string
	for _, k := range s.keys {
		if !k.fileless {
			names = append(names, k.name)
		}
	}
	for name := range s.passed {
		names = append(names, name)
	}
	return names
}

// namesAt are the keys and groups directly below a prefix, for suggestions.
func (s *Set) namesAt(prefix string) []string {
	var names []string
	for _, name := range s.names() {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			first, _, _ := strings.Cut(rest, ".")
			names = append(names, prefix+first)
		}
	}
	return names
}

func (f *fileValues) fail(key string, at *yaml.Node, file, text string) {
	if file != "" {
		text = fmt.Sprintf("%s (from %s line %d)", text, file, at.Line)
	}
	f.problems = append(f.problems, problem{key: key, text: text})
}

// entries are the keys and values of a mapping, which the parser keeps in one list by turns.
func entries(mapping *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }
