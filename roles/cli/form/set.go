package form

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/fault"
	"kowabunga/roles/config"
)

// Set puts one value where a path says, as in "quotas.memory=8GiB" or "endpoints[0].backends.port=80";
// "[+]" adds an item to a list. now is the object as it is, whose lists are changed in place of being
// replaced; nil for a new one. The value is written as for a flag.
func Set(k *catalogue.Kind, values map[string]any, now map[string]any, assignment string) error {
	path, text, ok := strings.Cut(assignment, "=")
	if !ok {
		return fault.Bad("set", "%q is not of the form PATH=VALUE", assignment)
	}
	steps, err := parsePath(path)
	if err != nil {
		return err
	}
	f, ok := k.Field(steps[0])
	if !ok || f.ReadOnly {
		return fault.Bad("set", "%s is no field of a %s that can be set%s", steps[0], k.Name, nearest(k, steps[0]))
	}
	if f.Secret {
		return fault.Bad("set", "%s is a secret, which others could see on a command line; use --%s", f.Name, FlagName(f.Name, true))
	}
	before, given := values[f.Name]
	if !given {
		before = now[f.Name]
	}
	values[f.Name], err = assign(f, before, steps[1:], text, f.Name)
	return err
}

// parsePath takes a path apart; an index stands as "[3]" or "[+]".
func parsePath(path string) ([]string, error) {
	var steps []string
	for i, part := range strings.Split(path, ".") {
		name, rest, _ := strings.Cut(part, "[")
		if name == "" {
			return nil, fault.Bad("set", "%q is no path such as quotas.memory or rules[0].port", path)
		}
		steps = append(steps, name)
		for rest != "" {
			index, after, closed := strings.Cut(rest, "]")
			_, err := strconv.ParseUint(index, 10, 16)
			if !closed || err != nil && index != "+" || i > 16 {
				return nil, fault.Bad("set", "%q is no path: an index is a number in brackets, or [+] for one more", path)
			}
			steps = append(steps, "["+index+"]")
			rest = strings.TrimPrefix(after, "[")
			if after != "" && after == rest {
				return nil, fault.Bad("set", "%q is no path such as quotas.memory or rules[0].port", path)
			}
		}
	}
	return steps, nil
}

// assign is a value with one part of it changed. It copies what it changes.
func assign(f *catalogue.Field, before any, steps []string, text, path string) (any, error) {
	if len(steps) == 0 {
		v, err := Parse(f, text)
		if err != nil {
			return nil, fault.Bad(path, "%v", err)
		}
		return v, nil
	}
	step := steps[0]
	switch {
	case f.Type == catalogue.Array && step[0] == '[':
		list, _ := before.([]any)
		list = slices.Clone(list)
		at := len(list)
		if step != "[+]" {
			at, _ = strconv.Atoi(step[1 : len(step)-1]) // parsePath saw that it is a number
		}
		if at > len(list) {
			return nil, fault.Bad(path+step, "does not exist; there are %d items, and [+] adds one", len(list))
		}
		if at == len(list) {
			list = append(list, nil)
		}
		item := *f
		item.Type, item.Default = f.Items, nil
		var err error
		list[at], err = assign(&item, list[at], steps[1:], text, fmt.Sprintf("%s[%d]", path, at))
		return list, err
	case f.Type == catalogue.Object && step[0] != '[':
		sub := find(f.Fields, step)
		if sub == nil || sub.ReadOnly {
			hint := ""
			if near := config.Nearest(step, names(f.Fields)); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fault.Bad(path+"."+step, "is unknown; there are %s%s", strings.Join(names(f.Fields), ", "), hint)
		}
		tree, _ := before.(map[string]any)
		if tree = maps.Clone(tree); tree == nil {
			tree = map[string]any{}
		}
		var err error
		tree[step], err = assign(sub, tree[step], steps[1:], text, path+"."+step)
		return tree, err
	case f.Type == catalogue.Array:
		return nil, fault.Bad(path, "is a list: say which item, as in %s[0].%s", path, step)
	}
	return nil, fault.Bad(path, "has no parts, so there is no %s of it", strings.Trim(step, "[]"))
}
