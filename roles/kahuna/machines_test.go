package kahuna

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/roles/agent"
)

// made is a Kahuna with one machine on a simulated host.
func made(t *testing.T) (r *running, o *model.Instance, agentID model.ID) {
	t.Helper()
	r = start(t, t.TempDir())
	region, zone, agentID, _ := r.host("eu")
	path := r.topology(region, zone, agentID)
	if status := r.ask("POST", path, web, nil); status != 201 {
		t.Fatal(status)
	}
	for o = range model.All[*model.Instance](r.s.store.View()) {
	}
	return r, o, agentID
}

func TestScreenOfAMachine(t *testing.T) {
	r, o, agentID := made(t)
	path := "/api/v1/instance/" + string(o.ID)
	var access struct{ URL string }
	if status := r.ask("GET", path+"/connect", "", &access); status != 200 {
		t.Fatal(status)
	}
	u, err := url.Parse(access.URL)
	if err != nil || u.Scheme != "vnc" || u.Port() == "" || len(u.Query().Get("VncPassword")) != 8 {
		t.Errorf("%v: %s", err, access.URL)
	}
	if strings.Contains(r.logs.String(), u.Query().Get("VncPassword")) {
		t.Error("the password is in the log")
	}
	if status := r.ask("PATCH", path+"/stop", "", nil); status != 200 {
		t.Fatal(status)
	}
	if status := r.ask("GET", path+"/connect", "", nil); status != 409 {
		t.Errorf("of a machine that is off: %d", status)
	}
	// An agent of an earlier release has no such method.
	r.hand(agentID, agent.Methods{agentproto.MethodMachineState: {Handle: func(context.Context, *agent.Call) (any, error) { return agentproto.MachineStatus{}, nil }}}, nil)
	r.until("the older agent is online", func() bool { return r.s.fleet.Live().Online(string(agentID)) })
	var refusal struct{ Reason string }
	if status := r.ask("GET", path+"/connect", "", &refusal); status != 503 || !strings.Contains(refusal.Reason, agentproto.MethodMachineConnect) {
		t.Errorf("with an older agent: %d %s", status, refusal.Reason)
	}
}

// seed is what the configuration disk says that an operation wrote.
func (r *running) seed(what string) (secret, address, uri string) {
	r.t.Helper()
	for op := range model.All[*operation.Operation](r.s.store.View()) {
		if op.What != what {
			continue
		}
		for _, step := range op.Steps {
			if step.Do == nil || step.Do.Method != agentproto.MethodSeedWrite {
				continue
			}
			var disk agentproto.Seed
			var meta struct {
				URI         string `json:"kowabunga_metadata_uri"`
				LocalIP     string `json:"kowabunga_local_ip"`
				Credentials struct {
					Secret string `json:"kowabunga_metadata_secret"`
				} `json:"security-credentials"`
			}
			if err := json.Unmarshal([]byte(step.Do.Args.Reveal()), &disk); err != nil {
				r.t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(disk.MetaData), &meta); err != nil {
				r.t.Fatal(err)
			}
			secret, address, uri = meta.Credentials.Secret, meta.LocalIP, meta.URI
		}
	}
	return secret, address, uri
}

// A machine reads its own metadata with what is on its configuration disk, sees updates, and nobody else
// reads it (A9); reseeding takes the old secret's worth.
func TestMetadataOfAMachine(t *testing.T) {
	r, o, _ := made(t)
	secret, address, uri := r.seed("kompute.create")
	if len(secret) != metadata.SecretLength || address != "10.9.0.6" || !strings.HasSuffix(uri, metadata.Path) || o.SecretHash != metadata.Hash(secret) {
		t.Fatalf("%d characters, %s, %s", len(secret), address, uri)
	}
	read := func(secret string) (int, metadata.Document) {
		t.Helper()
		req, _ := http.NewRequest("GET", r.url+metadata.Path, nil)
		for name, value := range map[string]string{metadata.HeaderInstance: string(o.ID), metadata.HeaderSourceIP: address, metadata.HeaderSecret: secret} {
			req.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var d metadata.Document
		_ = json.NewDecoder(answer.Body).Decode(&d)
		return answer.StatusCode, d
	}
	if status, d := read(secret); status != 200 || d.Name != "web" || d.Project != "shop" || d.Template != "tiny" || d.Zone != "eu-a" || d.SubnetCIDR != "10.9.0.0/26" || d.Cost != "0.000000 EUR" {
		t.Errorf("%d %+v", status, d)
	}
	if status, d := read(""); status != 401 || d.Name != "" {
		t.Errorf("without a secret: %d %+v", status, d)
	}
	project := model.ID(o.Project)
	if status := r.ask("PUT", "/api/v2/projects/"+string(project), `{"name":"shop","teams":[],"regions":["`+string(regionOfFirst(r))+`"],"tags":["quo\"te","line\nbreak"]}`, nil); status >= 300 {
		t.Fatal(status)
	}
	if _, d := read(secret); len(d.Tags) != 2 || d.Tags[0] != `quo"te` || d.Tags[1] != "line\nbreak" {
		t.Errorf("%+v", d)
	}
	if status := r.ask("PATCH", "/api/v2/instances/"+string(o.ID)+"/reseed?wait=true", "", nil); status >= 300 {
		t.Fatal(status)
	}
	fresh, _, _ := r.seed("instance.reseed")
	if status, _ := read(fresh); status != 200 || fresh == secret {
		t.Errorf("with the new secret: %d", status)
	}
	if status, _ := read(secret); status != 401 {
		t.Errorf("with the old secret: %d", status)
	}
	r.stop()
	if raw, err := readAll(r.s.cfg.data()); err != nil || strings.Contains(string(raw), secret) || strings.Contains(string(raw), fresh) {
		t.Errorf("a secret is in the store in the clear (%v)", err)
	}
	if strings.Contains(r.logs.String(), secret) || strings.Contains(r.logs.String(), fresh) {
		t.Error("a secret is in the log")
	}
}

func regionOfFirst(r *running) (id model.ID) {
	for o := range model.All[*model.Region](r.s.store.View()) {
		id = o.ID
	}
	return id
}
