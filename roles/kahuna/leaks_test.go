package kahuna

import (
	"bytes"
	"net/url"
	"os"
	"strings"
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
		if answer, _ := r.send("GET", path, key, ""); answer.StatusCode != want {
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

// No secret reaches a log or stands in the store in the clear, whatever the level.
func TestA17LogsHoldNoSecrets(t *testing.T) {
	r := start(t, t.TempDir())
	region, zone, agent, _ := r.host("eu")
	path := r.topology(region, zone, agent)
	var ann, key struct{ ID, Key string }
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/project", `{"name":"p","teams":[],"regions":[],"root_password":"hunter2-root","metadatas":[{"key":"k","value":"v"}]}`},
		{"POST", "/api/v1/region/" + string(region) + "/pool", `{"name":"ceph","pool":"dir:ceph","ceph_secret_uuid":"hunter2-ceph","agents":["` + string(agent) + `"]}`},
		{"POST", path, web},
		{"POST", "/api/v1/vnet/" + r.made("/region/"+string(region)+"/vnet", `{"name":"pub","interface":"br1","private":false}`) + "/subnet", `{"name":"outside","cidr":"203.0.113.0/24","gateway":"203.0.113.1"}`},
	} {
		if status := r.ask(c.method, c.path, c.body, nil); status != 201 {
			t.Fatalf("%s: %d", c.path, status)
		}
	}
	gateway := r.made(path[len("/api/v1"):strings.Index(path, "/zone/")]+"/region/"+string(region)+"/kawaii", `{}`)
	r.made("/kawaii/"+gateway+"/ipsec", `{"name":"office","remote_ip":"198.51.100.7","remote_subnet":"192.168.7.0/24","pre_shared_key":"hunter2-tunnel","phase1_dh_group_number":14,"phase1_integrity_algorithm":"SHA256","phase1_encryption_algorithm":"AES256","phase2_dh_group_number":14,"phase2_integrity_algorithm":"SHA256","phase2_encryption_algorithm":"AES256"}`)
	r.ask("POST", "/api/v1/user", `{"name":"ann","email":"ann@example.net","role":"user"}`, &ann)
	r.ask("PATCH", "/api/v2/user/"+ann.ID+"/token", "", &key)
	var in struct{ JWT string }
	if status := r.ask("PUT", "/api/v1/user/"+ann.ID+"/password", `{"value":"hunter2 Wombats juggle lamps"}`, nil); status != 200 {
		t.Fatal(status)
	}
	if status := r.ask("POST", "/api/v1/login", `{"email":"ann@example.net","password":"hunter2 Wombats juggle lamps"}`, &in); status != 201 {
		t.Fatal(status)
	}
	// What is refused is not quoted either.
	r.ask("POST", "/api/v1/login", `{"email":"a@example.net","password":"hunter2-wrong"}`, nil)
	r.ask("POST", "/api/v1/project", `{"name":"p","teams":[],"regions":[],"root_password":"hunter2-again"}`, nil)
	r.ask("PUT", "/api/v1/user/"+ann.ID+"/password", `{"value":"hunter2"}`, nil)
	metadata, _, _ := r.seed("kompute.create")
	r.stop()
	text := r.logs.String()
	if !strings.Contains(text, "CreateKawaiiIpSec") {
		t.Error("the log tells nothing")
	}
	raw, err := readAll(r.s.cfg.data())
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{"master key": r.key, "word of the test": "hunter2", "user's key": key.Key, "login": in.JWT, "machine's secret": metadata} {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("the %s is in the log, or there is none", what)
		}
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the %s is in the store in the clear", what)
		}
	}
}
