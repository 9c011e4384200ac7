package kahuna

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"kowabunga/core/lease"
	"kowabunga/core/nodes"
)

// standing asks a Kahuna over the API how it stands.
func (r *running) standing(key string) (status int, st nodes.Status, raw string) {
	r.t.Helper()
	request, err := http.NewRequest("GET", r.url+"/api/v2/pair", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("X-API-Key", key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &st)
	}
	if err != nil {
		r.t.Fatal(err)
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
