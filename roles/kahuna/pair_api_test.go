package kahuna

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// standing asks a Kahuna over the API how it stands.
func (r *running) standing(key string) (status int, st nodes.Status, raw string) {
	r.t.Helper()
	answer, body := r.send("GET", "/api/v2/pair", key, "")
	if answer.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &st); err != nil {
			r.t.Fatal(err)
		}
	}
	return answer.StatusCode, st, string(body)
}

// Each of two Kahunas tells over the API how it stands itself, whichever acts and also when none does, to
// superAdmins alone.
func TestEachKahunaTellsOfItselfOverTheAPI(t *testing.T) {
	a := primary(t, t.TempDir())
	if status, st, _ := a.standing(a.key); status != 200 || st.Asked != a.url || st.Role != "primary" || !st.Alone || len(st.Nodes) != 1 {
		t.Errorf("alone: %d %+v", status, st)
	}
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	b.within("the standby knows that it is in sync", patienceOfPairs, func() bool { return b.pairOf().Nodes[0].InSync })

	status, first, raw := a.standing(a.key)
	if status != 200 || first.Asked != a.url || first.Role != "primary" || !first.Right || first.RightUntil.IsZero() || first.Primary != a.url || first.Mode != string(lease.Sync) || len(first.Nodes) != 2 {
		t.Errorf("the primary: %d %+v", status, first)
	}
	status, second, other := b.standing(a.key)
	if status != 200 || second.Asked != b.url || second.Role != "standby" || second.Right || second.Primary != a.url || len(second.Nodes) != 2 || !second.Nodes[0].Self || second.Nodes[0].Address != b.url {
		t.Errorf("the standby: %d %+v", status, second)
	}
	if second.Epoch != first.Epoch || len(second.TakeOver) != 1 || !strings.Contains(second.TakeOver[0], "there are no witnesses") {
		t.Errorf("the standby: epoch %s of %s, take-over %v", second.Epoch, first.Epoch, second.TakeOver)
	}
	for _, secret := range []string{a.key, a.s.pair.key.Secret, b.s.pair.key.Secret} {
		if strings.Contains(raw+other, secret) {
			t.Error("a secret is shown")
		}
	}

	var made struct{ ID, Key string }
	if status := a.ask("POST", "/api/v2/users", `{"name":"rob","email":"rob@example.org","role":"projectAdmin"}`, &made); status != 201 {
		t.Fatalf("a user is made with %d", status)
	}
	if status := a.ask("PATCH", "/api/v2/users/rob/token?expire=false", "", &made); status != 200 {
		t.Fatalf("a key is drawn with %d", status)
	}
	b.within("the standby knows the user", patienceOfPairs, func() bool { return a.s.store.Tip() == b.s.store.Tip() })
	for _, node := range []*running{a, b} {
		for who, want := range map[string]int{made.Key: 403, "nobody's": 401, "": 401} {
			if status, _, raw := node.standing(who); status != want {
				t.Errorf("%s answers %d instead of %d: %s", node.url, status, want, raw)
			}
		}
	}

	a.stop()
	b.within("the standby acts", patienceOfPairs, b.s.acts)
	if status, st, _ := b.standing(a.key); status != 200 || st.Role != "primary" || st.Primary != b.url || st.Epoch == first.Epoch {
		t.Errorf("the one that took over: %d %+v", status, st)
	}
}

// A Kahuna that may not act, because only the other one has every write, says so and what it waits for; so does
// a restored copy.
func TestPairIsToldWhereNobodyActs(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := primary(t, dirs[0])
	b := a.standby(dirs[1])
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	key, second, first := a.key, b.s.cfg.Listen, a.url
	b.stop()
	a.made("/region", `{"name":"alone","domain":"alone.example"}`)
	file := filepath.Join(t.TempDir(), "backup")
	a.says("written", "backup", file)
	a.stop()
	b = start(t, dirs[1], func(c *Config) { c.Listen = second })
	b.key = key
	var st nodes.Status
	b.within("it tells what it waits for", patienceOfPairs, func() bool {
		status, now, raw := b.standing(key)
		if status != 200 {
			t.Fatalf("it answers %d: %s", status, raw)
		}
		st = now
		return len(st.Missing) > 0
	})
	if st.Asked != b.url || st.Right || st.Role == "primary" || st.Primary != "" || len(st.Nodes) != 2 || st.Nodes[1].Address != first || st.Nodes[1].Connected {
		t.Errorf("%+v", st)
	}
	if status := b.ask("GET", "/api/v2/regions", "", nil); status != 503 {
		t.Errorf("it answers a list with %d", status)
	}

	c := a.restoredFrom(file, false)
	c.policyOf("/pages/pair") // the web interface shows it too
	if status, st, raw := c.standing(c.key); status != 200 || st.Role != "copy" || st.Right || len(st.TakeOver) != 1 || st.Published == 0 {
		t.Errorf("a copy answers %d: %s", status, raw)
	}
}
