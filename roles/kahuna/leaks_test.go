package kahuna

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// A screen opens with a ticket alone: it is drawn for each who asks and may, and ends the one before.
func TestA23ScreensNeedATicket(t *testing.T) {
	r, o, _ := made(t)
	path := "/api/v1/instance/" + string(o.ID) + "/connect"
	tickets := map[string]bool{}
	for range 3 {
		var access struct{ URL string }
		if status := r.ask("GET", path, "", &access); status != 200 {
			t.Fatal(status)
		}
		u, err := url.Parse(access.URL)
		if err != nil || len(u.Query().Get("VncPassword")) != 8 || u.Hostname() == "" || u.Hostname() == "0.0.0.0" {
			t.Fatalf("%v: %s", err, access.URL)
		}
		tickets[u.Query().Get("VncPassword")] = true
	}
	if len(tickets) != 3 {
		t.Errorf("%d tickets for three who asked", len(tickets))
	}
	var eve struct {
		ID  model.ID
		Key string
	}
	if status := r.ask("POST", "/api/v1/user", `{"name":"eve","email":"eve@example.net","role":"projectAdmin"}`, &eve); status != 201 {
		t.Fatal(status)
	}
	if status := r.ask("PATCH", "/api/v2/user/"+string(eve.ID)+"/token", "", &eve); status != 200 {
		t.Fatal(status)
	}
	for key, want := range map[string]int{"": 401, "x": 401, eve.Key: 404} {
		req, _ := http.NewRequest("GET", r.url+path, nil)
		req.Header.Set("X-API-Key", key)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("with the key %q: %d", key, answer.StatusCode)
		}
	}
}

// Kahuna renders configuration disks in memory: where a host does not take one, no file holds it
// afterwards, and what was begun of the machine is gone.
func TestA28NoTemporaryFilesStay(t *testing.T) {
	r := start(t, t.TempDir())
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	region, zone, agent, host := r.host("eu")
	path := r.topology(region, zone, agent)
	host.Fail(agentproto.MethodSeedWrite, 1000)
	done := make(chan int, 1)
	go func() { done <- r.ask("POST", path, web, nil) }()
	r.until("the host refuses the configuration disk", func() bool {
		for _, c := range host.Calls() {
			if c.Method == agentproto.MethodSeedWrite && c.Error != "" {
				return true
			}
		}
		return false
	})
	for op := range model.All[*operation.Operation](r.s.store.View()) {
		if op.What == "kompute.create" {
			r.ask("DELETE", "/api/v2/operations/"+string(op.ID), "", nil)
		}
	}
	if status := <-done; status < 400 {
		t.Errorf("created without its configuration disk: %d", status)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if v := r.s.store.View(); v.Len(model.KindKompute)+v.Len(model.KindInstance)+v.Len(model.KindVolume)+v.Len(model.KindAdapter) != 0 {
		t.Error("something of the machine stays")
	}
}
