package metadata

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kowabunga/core/catalogue"
	"kowabunga/core/metadata"
	"kowabunga/core/model"
	"kowabunga/core/operation"
	"kowabunga/store"
)

const (
	machineID = model.ID("000000000000000000000001")
	projectID = model.ID("000000000000000000000002")
	address   = "10.0.0.5"
	secret    = "abcdefghijkmnopqrstuvwxyzABCDEFG"
)

// rig is a service that runs, with one machine.
type rig struct {
	t       *testing.T
	store   *store.Store
	service *Service
	server  *httptest.Server
	now     time.Time
	held    chan struct{} // receives for each request that begins to wait
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0)}
	opts := store.Options{Dir: t.TempDir(), Tables: append(catalogue.Tables(), operation.Table)}
	if err := store.Create(opts); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.store, err = store.Open(opts); err != nil {
		t.Fatal(err)
	}
	named := func(id model.ID, name string) model.Meta { return model.Meta{ID: id, Name: name} }
	const region, zone, host, vnet, subnet, card, team = "000000000000000000000003", "000000000000000000000004", "000000000000000000000005",
		"000000000000000000000006", "000000000000000000000007", "000000000000000000000008", "000000000000000000000009"
	r.commit(func(d model.Draft) error {
		for _, o := range []model.Object{
			&model.Region{Meta: named(region, "eu")}, &model.Zone{Meta: named(zone, "eu-a"), Region: region}, &model.Kaktus{Meta: named(host, "host-1"), Zone: zone},
			&model.Team{Meta: named(team, "shop")}, &model.Project{Meta: named(projectID, "shop"), Teams: []model.ID{team}, Regions: []model.ID{region}},
			&model.VNet{Meta: named(vnet, "lan"), Region: region, Private: true}, &model.Subnet{Meta: named(subnet, "lan"), VNet: vnet, Project: projectID, CIDR: "10.0.0.0/26"},
			&model.Adapter{Meta: named(card, "lan"), Subnet: subnet, MAC: "da:1e:70:00:00:01", Addresses: []string{address}},
			&model.Instance{Meta: named(machineID, "web-1"), Project: projectID, Zone: zone, Kaktus: host, Adapters: []model.ID{card}, SecretHash: metadata.Hash(secret)},
		} {
			if err := d.Put(o); err != nil {
				return err
			}
		}
		return nil
	})
	r.service = New(Config{Store: r.store, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)})
	r.held = make(chan struct{}, 16)
	r.service.held = func() { r.held <- struct{}{} }
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.service.Run(ctx)
	}()
	r.server = httptest.NewServer(r.service)
	t.Cleanup(func() {
		stop()
		<-done
		r.server.Close()
		_ = r.store.Close()
	})
	return r
}

func (r *rig) commit(f func(model.Draft) error) {
	r.t.Helper()
	if _, err := r.store.Update(context.Background(), store.Cause{What: "test"}, f); err != nil {
		r.t.Fatal(err)
	}
}

// tag gives the project another tag.
func (r *rig) tag(word string) {
	r.t.Helper()
	r.commit(func(d model.Draft) error {
		p, _ := model.Find[*model.Project](d, projectID)
		p = model.Edit(p)
		p.Tags = []string{word}
		return d.Put(p)
	})
}

type reply struct {
	status int
	header http.Header
	body   string
}

func headers(pairs ...string) http.Header {
	h := http.Header{metadata.HeaderSourceIP: {address}, metadata.HeaderInstance: {string(machineID)}, metadata.HeaderSecret: {secret}}
	for i := 0; i < len(pairs); i += 2 {
		if h.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			h.Del(pairs[i])
		}
	}
	return h
}

func (r *rig) ask(method, query string, h http.Header) reply {
	req, err := http.NewRequest(method, r.server.URL+metadata.Path+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = h
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Error(err)
		return reply{}
	}
	defer answer.Body.Close()
	raw, _ := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, string(raw)}
}

func TestOnlyTheMachineItself(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		method, query string
		header        http.Header
		status        int
	}{
		"itself":               {"GET", "", headers(), 200},
		"its address and port": {"GET", "", headers(metadata.HeaderSourceIP, address+":4711"), 200},
		"nobody":               {"GET", "", http.Header{}, 401},
		"the earlier headers":  {"GET", "", headers(metadata.HeaderSecret, ""), 401},
		"another secret":       {"GET", "", headers(metadata.HeaderSecret, secret+"x"), 401},
		"another address":      {"GET", "", headers(metadata.HeaderSourceIP, "10.0.0.6"), 401},
		"another id":           {"GET", "", headers(metadata.HeaderInstance, string(projectID)), 401},
		"an id that is none":   {"GET", "", headers(metadata.HeaderInstance, "../../etc"), 401},
		"a write":              {"POST", "", headers(), 405},
		"a wait that is none":  {"GET", "?wait=soon", headers(), 400},
		"a wait before now":    {"GET", "?wait=-1s", headers(), 400},
	} {
		got := r.ask(c.method, c.query, c.header)
		if got.status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, got.status, c.status, got.body)
		}
		var document metadata.Document
		var refusal struct {
			Status        int
			Error, Reason string
		}
		if c.status == 200 {
			if err := json.Unmarshal([]byte(got.body), &document); err != nil || document.ID != string(machineID) || document.Kaktus != "host-1" || document.LocalIPv4 != address || got.header.Get("ETag") == "" {
				t.Errorf("%s: %v, %s", name, err, got.body)
			}
		} else if err := json.Unmarshal([]byte(got.body), &refusal); err != nil || refusal.Status != c.status || refusal.Reason == "" {
			t.Errorf("%s: %v, %s", name, err, got.body)
		}
		if strings.Contains(got.body, secret) {
			t.Errorf("%s: the secret is in the answer", name)
		}
	}
}

func TestNothingNewIsNotSentAgain(t *testing.T) {
	r := newRig(t)
	tag := r.ask("GET", "", headers()).header.Get("ETag")
	for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if got := r.ask("GET", "", headers("If-None-Match", have)); got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
			t.Errorf("%s: %d %s", have, got.status, got.body)
		}
	}
	r.tag("new")
	if got := r.ask("GET", "", headers("If-None-Match", tag)); got.status != 200 || !strings.Contains(got.body, `"tags":["new"]`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// waits starts a request and returns once the service holds it back.
func (r *rig) waits(query string, h http.Header) <-chan reply {
	r.t.Helper()
	out := make(chan reply, 1)
	go func() { out <- r.ask("GET", query, h) }()
	select {
	case got := <-out:
		r.t.Fatalf("answered at once: %d %s", got.status, got.body)
	case <-r.held:
	}
	return out
}

func TestChangesReachWhoWaits(t *testing.T) {
	r := newRig(t)
	tag := r.ask("GET", "", headers()).header.Get("ETag")
	for i, c := range []struct {
		query string
		h     http.Header
	}{
		{"?wait=60s", headers("If-None-Match", tag)},
		{"?wait=60", headers()},
		{"", headers("If-None-Match", "*", "Prefer", "respond-async, wait=60")},
	} {
		if i > 0 && c.h.Get("If-None-Match") == "*" {
			c.h.Set("If-None-Match", tag)
		}
		answer := r.waits(c.query, c.h)
		// What is not in the document answers nobody.
		r.commit(func(d model.Draft) error {
			return d.Put(&model.Region{Meta: model.Meta{ID: model.ID("00000000000000000000001" + string(rune('0'+i))), Name: string(rune('a' + i))}})
		})
		word := "tag-" + string(rune('a'+i))
		r.tag(word)
		got := <-answer
		if got.status != 200 || !strings.Contains(got.body, word) {
			t.Errorf("%s %v: %d %s", c.query, c.h, got.status, got.body)
		}
		tag = got.header.Get("ETag")
	}
}

// A secret that is replaced is worth nothing at once, to those who wait as well.
func TestReseedingEndsWaits(t *testing.T) {
	r := newRig(t)
	answer := r.waits("?wait=60s", headers())
	r.commit(func(d model.Draft) error {
		o, _ := model.Find[*model.Instance](d, machineID)
		o = model.Edit(o)
		o.SecretHash = metadata.Hash("another")
		return d.Put(o)
	})
	if got := <-answer; got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.ask("GET", "", headers(metadata.HeaderSecret, "another")); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestClosingAnswersWhoWaits(t *testing.T) {
	r := newRig(t)
	tag := r.ask("GET", "", headers()).header.Get("ETag")
	known, unknown := r.waits("?wait=60s", headers("If-None-Match", tag)), r.waits("?wait=60s", headers())
	r.service.Close()
	if got := <-known; got.status != 304 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := <-unknown; got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Strangers use up the patience there is for their address, a machine only its own.
func TestLimits(t *testing.T) {
	r := newRig(t)
	stranger := headers(metadata.HeaderSecret, "x")
	for range strangersBurst {
		if got := r.ask("GET", "", stranger); got.status != 401 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got := r.ask("GET", "", stranger); got.status != 429 || got.header.Get("Retry-After") != "2" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	for range machinesBurst {
		if got := r.ask("GET", "", headers()); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got := r.ask("GET", "", headers()); got.status != 429 || got.header.Get("Retry-After") != "1" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	r.now = r.now.Add(strangersEvery)
	if got := r.ask("GET", "", stranger); got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.ask("GET", "", headers()); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for range waitsEach {
		r.waits("?wait=60s", headers())
		r.now = r.now.Add(machinesEvery)
	}
	if got := r.ask("GET", "?wait=60s", headers()); got.status != 429 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("wait=30s", "wait=30", `"x"`, "10.0.0.5:1")
	f.Add("wait=99999999999", "wait=\"5\", return=minimal", "*", "[fe80::1%eth0]:80")
	f.Fuzz(func(t *testing.T, query, prefer, have, source string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		r.Header = http.Header{"Prefer": {prefer}, metadata.HeaderSourceIP: {source}}
		if wait, err := patience(r); wait < 0 || wait > longestWait || err != nil && wait != 0 {
			t.Fatalf("%s, %v", wait, err)
		}
		claimOf(r)
		matches(have, `"tag"`)
		network(source)
	})
}
