package kahuna

import (
	"strings"
	"testing"
	"time"

	"kowabunga/core/model"
)

// tells waits until the audit says something of the pair.
func (r *running) tells(want string) {
	r.t.Helper()
	r.until("the audit says: "+want, func() bool { return strings.Contains(r.pairAudit(r.key), want) })
}

// pairAudit is what the audit says of the pair to the owner of a key.
func (r *running) pairAudit(key string) string {
	r.t.Helper()
	var page struct {
		Items []struct {
			What    string
			Actor   string
			Changes []struct {
				Kind, Name string
				Fields     []struct{ Field string }
			}
		}
	}
	own := r.key
	r.key = key
	defer func() { r.key = own }()
	if status := r.ask("GET", "/api/v2/audit?kind=pair&limit=100", "", &page); status != 200 {
		return ""
	}
	var out []string
	for _, one := range page.Items {
		for _, c := range one.Changes {
			if c.Kind == "pair" && len(c.Fields) > 0 {
				out = append(out, one.What)
			}
		}
	}
	return strings.Join(out, "\n")
}

// Each change of the sync set, the mode and who acts stands in the audit and is an event, for superAdmins
// alone.
func TestChangesOfAPairAreInTheAudit(t *testing.T) {
	lone := start(t, t.TempDir())
	if n := lone.s.store.View().Len(model.KindPair); n != 0 {
		t.Errorf("a Kahuna without a standby tells of %d pairs", n)
	}
	lone.stop()
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	b.key = a.key
	a.tells("the sync set grows")
	a.says("The mode is async", "mode", "async")
	a.tells("the mode is async")
	a.tells("the sync set shrinks")
	a.says("The mode is sync", "mode", "sync")
	a.within("in sync again", 20*time.Second, a.inSync)
	a.says(b.url+" acts since", "handoff")
	b.tells(b.url + " acts")
	now, ok := model.One[*model.Pair](b.s.store.View(), "name", pairName)
	if !ok || now.Primary != b.url || len(now.Nodes) != 2 || now.Mode != "sync" {
		t.Errorf("the store tells %+v", now)
	}
	_, raw := b.send("GET", "/api/v2/events?from=1&follow=false", b.key, "")
	if !strings.Contains(string(raw), `"kind":"pair"`) || !strings.Contains(string(raw), `"primary":"`+b.url) {
		t.Errorf("no event of it:\n%s", raw)
	}
	var o struct {
		ID  model.ID
		Key string
	}
	if status := b.ask("POST", "/api/v1/user", `{"name":"ann","email":"ann@example.net","role":"user"}`, &o); status != 201 {
		t.Fatal(status)
	}
	if status := b.ask("PATCH", "/api/v2/user/"+string(o.ID)+"/token", "", &o); status != 200 {
		t.Fatal(status)
	}
	if said := b.pairAudit(o.Key); said != "" {
		t.Errorf("a user is told %q", said)
	}
}
