package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"kowabunga/core/catalogue"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// put serves PUT. By id it changes what has the id. By name it makes true what the body says: it changes
// what has the name or, where nothing has, creates it; the parents are then needed as query parameters.
func (r *resource) put(op *catalogue.Op) func(*call) error {
	change := r.change(op)
	return func(c *call) error {
		ref := c.path("ref")
		if model.ID(ref).Valid() {
			return change(c)
		}
		v := r.api.Views.View()
		q, err := values(c.r)
		if err != nil {
			return err
		}
		within, err := r.parents(present(v), c, q)
		if err != nil {
			return err
		}
		named := &operate.Named{Name: ref, Within: within, Find: func(v model.View) (model.Object, error) { return r.find(v, c, ref, within) }}
		declared := op.Query
		if create, missing := creation(creations(r.kind), within); create != nil {
			declared = append(declared[:len(declared):len(declared)], create.Query...)
			if missing == "" {
				named.Create, named.Path = create, map[string]model.ID{}
				for _, p := range create.Params {
					named.Path[p.Name] = within[p.Kind]
				}
			} else {
				named.Missing = "to create one, say where: the query parameter " + string(missing) + " is missing"
			}
		}
		return r.send(c, operate.Request{Op: op, Named: named}, declared, v, q, "")
	}
}

// creation chooses among the operations that create objects of a kind by the parents that are named,
// and tells which parent is missing even so.
func creation(ops []*catalogue.Op, within map[model.Kind]model.ID) (op *catalogue.Op, missing model.Kind) {
	for _, other := range ops {
		if op == nil || absent(op, within) != "" && absent(other, within) == "" {
			op = other
		}
	}
	if op == nil {
		return nil, ""
	}
	return op, absent(op, within)
}

// withName adds the name to a body that has none: the path says it.
func withName(body []byte, name string) []byte {
	var sent map[string]json.RawMessage
	if json.Unmarshal(body, &sent) != nil || sent == nil || sent["name"] != nil {
		return body // as it is, or to be refused
	}
	out := catalogue.AppendString([]byte(`{"name":`), name)
	if len(sent) > 0 {
		out = append(out, ',')
	}
	return append(out, bytes.TrimLeft(body, " \t\r\n")[1:]...)
}

// match reads what the caller says of the object before the request (RFC 9110, sections 13.1.1 and
// 13.1.2): If-Match with versions or *, and If-None-Match: *.
func match(r *http.Request) (m operate.Match, err error) {
	if text := r.Header.Get("If-None-Match"); text != "" {
		if m.Absent = text == "*"; !m.Absent {
			return m, bad("If-None-Match", "can only be * for a write: it is done when there is no such object yet")
		}
	}
	text := strings.Join(r.Header.Values("If-Match"), ",")
	switch text {
	case "":
		return m, nil
	case "*":
		m.Present = true
		return m, nil
	}
	m.Versions = []uint64{}
	for part := range strings.SplitSeq(text, ",") {
		// Weak and foreign tags are none of ours: they match nothing.
		if n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(part), `"`), 10, 64); err == nil {
			m.Versions = append(m.Versions, n)
		}
	}
	return m, nil
}
