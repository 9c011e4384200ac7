package nodes

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Lists of a status are there although nothing is in them.
func TestNewStatusHasItsLists(t *testing.T) {
	s := NewStatus("https://a.example", "standby")
	raw, err := json.Marshal(s)
	if err != nil || bytes.Contains(raw, []byte("null")) || bytes.Count(raw, []byte("[]")) != 7 || s.Asked != "https://a.example" || s.Role != "standby" {
		t.Errorf("%s, %v", raw, err)
	}
}
