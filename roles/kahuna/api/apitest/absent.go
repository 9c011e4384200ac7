package apitest

import (
	"io"
	"net/http"
	"strings"
)

// unknown is an id that nothing has.
const unknown = "0123456789abcdef01234567"

// absent calls every operation in ways that must be refused: without a key, for what does not exist,
// and with bodies that are no JSON.
func (w *walk) absent() {
	w.t.Helper()
	for i := range w.wire.Operations {
		op := &w.wire.Operations[i]
		var ids, odd []string
		for _, p := range op.Params {
			if p.In == "path" {
				ids, odd = append(ids, unknown), append(odd, "eu%20west%2F1")
			}
		}
		public := op.ID == "Login" || op.ID == "ResetPassword"
		if !public {
			w.refused(op, fill(op.Path, ids), "", "", http.StatusUnauthorized)
			w.refused(op, fill(op.Path, ids), "wrong", "", http.StatusUnauthorized)
		}
		if len(ids) > 0 {
			w.refused(op, fill(op.Path, ids), w.target.Key, body(op), http.StatusNotFound)
			w.refused(op, fill(op.Path, odd), w.target.Key, body(op), http.StatusNotFound)
		}
		if op.Request != nil && len(ids) == 0 {
			w.refused(op, op.Path, w.target.Key, "{", http.StatusBadRequest)
			w.refused(op, op.Path, w.target.Key, "[]", http.StatusBadRequest)
			w.refused(op, op.Path, w.target.Key, "{}", http.StatusUnprocessableEntity)
		}
	}
}

func body(op *Operation) string {
	if op.Request == nil {
		return ""
	}
	return `{"name":"x"}`
}

func (w *walk) refused(op *Operation, path, key, body string, want int) {
	w.t.Helper()
	r, err := http.NewRequest(op.Method, w.target.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	resp, err := w.api.next.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != want {
		w.t.Errorf("%s %s with body %q: %d %s instead of %d", op.Method, path, body, resp.StatusCode, raw, want)
		return
	}
	if err := w.wire.CheckError(want, resp.Header.Get("Content-Type"), raw); err != nil {
		w.t.Errorf("%s %s: %v", op.Method, path, err)
	}
}
