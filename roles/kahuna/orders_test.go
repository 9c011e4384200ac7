package kahuna

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/roles/kahuna/pair"
)

// commandsOn is a Kahuna that does not run: a directory for commands, which there need not be yet.
func commandsOn(t *testing.T, dir string) *running {
	return &running{t: t, s: &Server{cfg: Config{Dir: dir}}}
}

// command runs a command of `kowabunga kahuna` on the directory of a Kahuna.
func (r *running) command(args ...string) (string, error) {
	r.t.Helper()
	cmd := Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(""))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "--dir", r.s.cfg.Dir))
	err := cmd.ExecuteContext(r.t.Context())
	return out.String(), err
}

func (r *running) says(want string, args ...string) string {
	r.t.Helper()
	out, err := r.command(args...)
	if err != nil || !strings.Contains(out, want) {
		r.t.Fatalf("%v: want %q in:\n%s\n%v", args, want, out, err)
	}
	return out
}

func (r *running) refuses(want string, args ...string) {
	r.t.Helper()
	out, err := r.command(args...)
	if err == nil || !strings.Contains(err.Error(), want) {
		r.t.Fatalf("%v: want the refusal %q, got %v\n%s", args, want, err, out)
	}
}

func (r *running) pairOf() *nodes.Status {
	r.t.Helper()
	out, err := r.command("status", "-o", "json")
	var st Status
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	if err != nil || st.Pair == nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return st.Pair
}

// Status on either node tells who acts, who has every write and what stands in the way of a take-over; a
// handoff is ordered at the one that acts.
func TestStatusAndHandoffOfAPair(t *testing.T) {
	a := primary(t, t.TempDir())
	if p := a.pairOf(); !p.Right || !p.Alone || p.Role != "primary" || len(p.Nodes) != 1 || len(p.TakeOver) != 1 {
		t.Errorf("alone: %+v", p)
	}
	a.refuses("there is no other node", "handoff")
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	a.made("/region", `{"name":"one","domain":"one.example"}`)
	p := a.pairOf()
	if !p.Right || p.Alone || p.RightUntil.Before(p.Notes[0].At) || p.Mode != string(lease.Sync) || len(p.Nodes) != 2 || p.Primary != a.url {
		t.Errorf("the primary: %+v", p)
	}
	for i, want := range []nodes.NodeStatus{{Address: a.url, Self: true, Acts: true}, {Address: b.url}} {
		if n := p.Nodes[i]; n.Address != want.Address || n.Self != want.Self || n.Acts != want.Acts || !n.Named || !n.InSync || !n.Connected {
			t.Errorf("node %d: %+v", i, n)
		}
	}
	if p.Nodes[1].Lag != 0 || !p.Nodes[1].Heard {
		t.Errorf("how far the standby is: %+v", p.Nodes[1])
	}
	if len(p.TakeOver) != 1 || !strings.Contains(p.TakeOver[0], "no witnesses") {
		t.Errorf("what stands in the way of a take-over: %q", p.TakeOver)
	}
	b.within("the standby knows that it is in sync", 5*time.Second, func() bool { return b.pairOf().Nodes[0].InSync })
	p = b.pairOf()
	if p.Right || p.Role != "standby" || p.Primary != a.url || p.Silent < 0 || !p.Nodes[1].Acts || p.Nodes[0].Acts || !p.Nodes[1].InSync {
		t.Errorf("the standby: %+v", p)
	}
	text := a.says(b.url+", in the sync set, 0 records behind", "status")
	for _, id := range []lease.NodeID{a.s.pair.self.ID, b.s.pair.self.ID} {
		if strings.Contains(text, string(id)+",") || strings.Contains(text, "node "+string(id[:8])) {
			t.Errorf("status names a node by its id:\n%s", text)
		}
	}
	b.refuses(a.url+" acts, not this Kahuna", "handoff")
	t.Log(a.says(b.url+" acts since", "handoff"))
	if !b.s.acts() && b.status().Primary != b.s.pair.self.ID {
		t.Error("handoff came back before the other one was elected")
	}
	b.within("the old primary is in sync", 20*time.Second, b.inSync)
	a.says("NOT by itself", "status")
	b.says(`"to": "`+a.url, "handoff", "-o", "json")
}

// The mode is changed on a person's order alone, and the standby leaves and joins the sync set by it.
func TestModeOfAPair(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	b.refuses("give the order there", "mode", "async")
	a.says("The mode is async", "mode", "async")
	if p := a.pairOf(); p.Mode != string(lease.Async) || p.Nodes[1].InSync || !strings.Contains(strings.Join(p.TakeOver, " "), "async") {
		t.Errorf("async: %+v", p)
	}
	a.refuses("not in the sync set", "handoff")
	a.says("The mode is sync", "mode", "sync")
	a.within("the standby is in sync again", 20*time.Second, a.inSync)
	if _, err := a.command("mode", "half"); err == nil {
		t.Error("a mode that there is not was taken")
	}
}

// A standby becomes the primary on a person's statement, not while the other one is seen to live, and a
// promotion that may lose records makes allocations wait for the agents.
func TestPromoteOnAPersonsWord(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	b.key = a.key
	a.made("/region", `{"name":"kept","domain":"kept.example"}`)
	a.says("The mode is async", "mode", "async")
	b.within("the standby has everything", 5*time.Second, func() bool { return b.names() == "kept" && b.status().Record.Mode == lease.Async })
	statement := "the Kahuna at " + a.url + " is off"
	end := func() string { return itoa(int(b.status().End.Index)) }
	a.refuses("acts already", "promote", "--dry-run")
	b.says("is connected to this one, so it is not off", "promote", "--dry-run")
	b.refuses("contradicts", "promote", "--lose-after", "1", "--other-is-off", statement)
	a.stop()
	b.refuses("--dry-run shows", "promote")
	b.refuses("say exactly", "promote", "--lose-after", end(), "--other-is-off", "it is off")
	b.refuses("give it with --other-is-off", "promote", "--lose-after", end())
	b.within("the primary's lease is over", 20*time.Second, func() bool {
		out, err := b.command("promote", "--dry-run")
		return err == nil && !strings.Contains(out, "Refused") && strings.Contains(out, "Lost would be whatever")
	})
	b.refuses("past the end", "promote", "--lose-after", "999999", "--other-is-off", statement)
	if exists(b.s.cfg.lossMark()) {
		t.Error("a refused promotion leaves its mark")
	}
	if b.status().Right {
		t.Fatal("a standby in async mode took over by itself")
	}
	before := b.status().Epoch.Counter
	b.says("Records may be lost", "promote", "--lose-after", end(), "--other-is-off", statement)
	b.within("it acts", 5*time.Second, b.s.acts)
	if b.status().Epoch.Counter < before+65536 {
		t.Errorf("promoted from epoch %d to %d", before, b.status().Epoch.Counter)
	}
	b.made("/region", `{"name":"after","domain":"after.example"}`)
	if !holding.Lost(b.s.store.View()) && !strings.Contains(b.logs.String(), "all agents reported") {
		t.Error("nothing tells that records may be lost")
	}
	if exists(b.s.cfg.lossMark()) {
		t.Error("the mark stays")
	}
}

// The key of a pair is printed for the standby, by a Kahuna that never ran too, with the authority that
// the standby has to trust.
func TestPairKeyIsPrinted(t *testing.T) {
	dir := t.TempDir()
	r := commandsOn(t, dir)
	var c Config
	s := c.set()
	if err := s.Load(nil, "", false); err != nil {
		t.Fatal(err)
	}
	c.Dir, c.Listen = dir, "127.0.0.1:0"
	if err := initialise(t.Context(), &c, s, map[string]string{"listen": c.Listen}); err != nil {
		t.Fatal(err)
	}
	out := r.says("pair-key ", "pair-key")
	key, err := pair.ParseKey(out)
	if err != nil || key.CA == nil {
		t.Errorf("%v, authority %v", err, key.CA)
	}
	if raw, err := os.ReadFile(filepath.Join(c.secrets(), "pair-key")); err != nil || string(raw) != out {
		t.Errorf("the file holds %q, %v", raw, err)
	}
	if again := r.says("pair-key ", "pair-key"); again != out {
		t.Error("the second time it is another one")
	}
}

// Both nodes have figures of the pair.
func TestFiguresOfAPair(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", 20*time.Second, a.inSync)
	figures := func(r *running) string {
		w := httptest.NewRecorder()
		r.s.health(true).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	text := figures(a)
	for _, want := range []string{`kowabunga_pair_role{role="primary"} 1`, "kowabunga_pair_right 1", "kowabunga_pair_sync_set 2", `kowabunga_pair_lag_records{address="` + b.url + `"}`,
		`kowabunga_pair_events_total{what="sync set grows"} 1`, `kowabunga_pair_events_total{what="sync set shrinks"} 0`, "kowabunga_pair_witnesses_connected 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the primary shows no %s", want)
		}
	}
	text = figures(b)
	for _, want := range []string{`kowabunga_pair_role{role="standby"} 1`, "kowabunga_pair_right 0", `kowabunga_pair_lag_seconds{address="` + b.url + `"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the standby shows no %s", want)
		}
	}
}

// What a node gave up can be read without a server: who wanted what, without secrets.
func TestForksAreReadable(t *testing.T) {
	a := start(t, t.TempDir())
	if out := a.says("no forks", "forks", "list"); out == "" {
		t.Error("nothing said")
	}
	common := a.s.store.Tip()
	a.made("/region", `{"name":"alone","domain":"alone.example"}`)
	a.made("/user", `{"name":"ann","email":"ann@example.net","role":"user"}`)
	var issued struct{ Key string }
	for u := range model.All[*model.User](a.s.store.View()) {
		if status := a.ask("PATCH", "/api/v2/user/"+string(u.ID)+"/token", "", &issued); status != 200 {
			t.Fatal(status)
		}
	}
	if err := a.s.store.Present().Fork(t.Context(), common, filepath.Join(a.s.cfg.forks(), "a.fork")); err != nil {
		t.Fatal(err)
	}
	a.stop()
	if err := os.WriteFile(filepath.Join(a.s.cfg.forks(), "b.fork"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var files []ForkFile
	out := a.says("a.fork", "forks", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &files); err != nil || len(files) != 2 || files[0].After != common.Index || files[0].Records < 3 || files[1].Problem == "" {
		t.Fatalf("%v\n%s", err, out)
	}
	text := a.says("+ region alone", "forks", "show", "a.fork")
	for _, want := range []string{"+ user ann", `domain: "alone.example"`, "master key"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	raw := a.says("alone.example", "forks", "show", "-o", "json", filepath.Join(a.s.cfg.forks(), "a.fork"))
	if issued.Key == "" || strings.Contains(raw+text, issued.Key) {
		t.Error("a secret is shown")
	}
	a.refuses("there is no", "forks", "show", "none.fork")
	a.refuses("not a fork", "forks", "show", "b.fork")
}
