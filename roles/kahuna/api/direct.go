package api

import "strings"

// direct finds the endpoints of paths that end in their only parameter or have none, which are most
// requests by far, without asking http.ServeMux: that parses every path anew. What it does not know
// goes to the mux, whose answer is the same.
type direct map[string]*branch // by what is before the last segment of a path, its slash included

// branch is what there is below a path of fixed segments: fixed ones, and one for all others.
type branch struct {
	fixed map[string]*endpoint
	any   *endpoint // nil where only the fixed ones are
	name  string    // of the parameter that the last segment is
}

// add notes the endpoint of a pattern, if it is of one of the two forms.
func (d direct) add(pattern string, e *endpoint) {
	i := strings.LastIndexByte(pattern, '/') + 1
	before, last := pattern[:i], pattern[i:]
	if strings.ContainsAny(before, "{ ") || !strings.HasPrefix(before, "/") || last == "" || strings.HasSuffix(last, "...}") || last == "{$}" {
		return
	}
	b := d[before]
	if b == nil {
		b = &branch{fixed: map[string]*endpoint{}}
		d[before] = b
	}
	if name, ok := strings.CutPrefix(last, "{"); ok {
		b.any, b.name = e, strings.TrimSuffix(name, "}")
		return
	}
	b.fixed[last] = e
}

// find returns the endpoint of a path in which nothing is escaped, with its parameter, if it has one; nil
// when the mux is to be asked.
func (d direct) find(path string) (e *endpoint, name, value string) {
	i := strings.LastIndexByte(path, '/') + 1
	b := d[path[:i]]
	if b == nil || i == len(path) {
		return nil, "", ""
	}
	if len(b.fixed) > 0 {
		if e := b.fixed[path[i:]]; e != nil {
			return e, "", ""
		}
	}
	return b.any, b.name, path[i:]
}

// canonical tells whether a path, in which nothing is escaped, is sure to be as path.Clean leaves it: no
// segment is empty or begins with a dot.
func canonical(path string) bool {
	if len(path) == 0 || path[0] != '/' || path[len(path)-1] == '/' {
		return false
	}
	for i := 0; i < len(path)-1; i++ {
		if path[i] == '/' && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
	}
	return true
}
