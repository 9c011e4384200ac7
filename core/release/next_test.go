//go:build nextrelease

package release

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The program with the tag says more wherever it may, and nothing else than without it.
func TestMoreIsSaidAtEveryLevel(t *testing.T) {
	type leaf struct {
		N   int    `json:"n"`
		Raw []byte `json:"raw"`
	}
	type tree struct {
		leaf
		At     time.Time         `json:"at"`
		Leaves []*leaf           `json:"leaves"`
		Names  map[string]uint64 `json:"names"`
		Empty  struct{}          `json:"empty"`
		Sum    [3]byte           `json:"sum"`
	}
	v := tree{leaf{1, []byte("x")}, time.Unix(1, 0).UTC(), []*leaf{{2, nil}, nil}, map[string]uint64{"a": 1}, struct{}{}, [3]byte{1}}
	raw, err := json.Marshal(More(&v))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), name); n != 3 {
		t.Errorf("%d members more, want 3: %s", n, raw)
	}
	var back tree
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(back)
	if plain, _ := json.Marshal(v); string(again) != string(plain) {
		t.Errorf("%s is read as %s", plain, again)
	}
}
