package failpoint

import (
	"slices"
	"strconv"
	"strings"

	"kowabunga/core/fault"
)

// rule says: the nth passage through the named point takes the action.
type rule struct {
	name, action string
	nth          int
}

var actions = []string{"kill", "exit", "panic", "error", "pause"}

// parse reads "name=action[@N];...". Empty text gives no rules.
func parse(text string) ([]rule, error) {
	var rules []rule
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, what, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Invalid, "%q is not name=action[@N]", part)
		}
		action, count, counted := strings.Cut(what, "@")
		r := rule{name: name, action: action, nth: 1}
		if !slices.Contains(actions, action) {
			return nil, fault.New(fault.Invalid, "%q is none of %s", action, strings.Join(actions, ", "))
		}
		if counted {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				return nil, fault.New(fault.Invalid, "%q in %q is not a count of 1 or more", count, part)
			}
			r.nth = n
		}
		rules = append(rules, r)
	}
	return rules, nil
}
