package link

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
)

func TestHandshakeOverTLSNeedsTheRightCA(t *testing.T) {
	d := openDoor(t, GateConfig{}, true)
	target := d.target()
	if _, _, err := Dial(t.Context(), target); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("an unknown authority was trusted: %v", err)
	}
	d.trust(t)
	target = d.target()
	go func() { (<-d.admitted).Welcome(peer{}) }()
	conn, _, err := Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	conn.Start(peer{})
	conn.Close("done")
	over(t, "the end", conn.Gone())
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ in, out, why string }{
		{"https://kahuna.example.org", "wss://kahuna.example.org/ws", ""},
		{"https://kahuna.example.org:8443/prefix/", "wss://kahuna.example.org:8443/prefix/ws", ""},
		{"wss://k/ws", "wss://k/ws", ""},
		{"http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws", ""},
		{"http://[::1]:8080", "ws://[::1]:8080/ws", ""},
		{"http://localhost", "ws://localhost/ws", ""},
		{"http://kahuna.example.org", "", "use https"},
		{"ws://10.0.0.1", "", "use https"},
		{"http://127.0.0.1.example.org", "", "use https"},
		{"ftp://k", "", "use https"},
		{"kahuna", "", "not a URL"},
	} {
		out, _, err := Address(c.in)
		if out != c.out || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s gives %q, %v", c.in, out, err)
		}
	}
}

// TestRefusalsAreUniform: whoever tries learns nothing from how it is refused.
func TestRefusalsAreUniform(t *testing.T) {
	expired := newKeys(func(c *Credential) { c.Expires = time.Unix(1, 0) })
	for name, c := range map[string]struct {
		keys   *keys
		change func(*Target)
	}{
		"wrong key":     {newKeys(), func(t *Target) { t.Key = "another" }},
		"unknown agent": {newKeys(), func(t *Target) { t.Hello.Agent = "ffffffffffffffffffffffff" }},
		"wrong kind":    {newKeys(), func(t *Target) { t.Hello.Kind = agentproto.Kiwi }},
		"expired key":   {expired, func(*Target) {}},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDoor(t, GateConfig{Credentials: c.keys}, false)
			target := d.target()
			c.change(&target)
			_, _, err := Dial(t.Context(), target)
			want := errProof().Message
			if f := fault.From(err); f.Code != fault.Unauthenticated || f.Message != want {
				t.Fatalf("refused with %v, want %q", err, want)
			}
			over(t, "the gate's error", d.failed)
		})
	}
}

// speak is a bare agent: it sends what it likes and returns the answer to each frame.
func speak(t *testing.T, d *door, frames ...string) (answers []agentproto.Frame) {
	t.Helper()
	address, plain, err := Address(d.url)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := newTransport("", plain)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sock, err := dialSocket(ctx, address, agentproto.Subprotocol, transport)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.cut()
	defer sock.ws.CloseNow()
	for _, frame := range frames {
		if err := sock.write(ctx, []byte(frame), patience); err != nil {
			t.Fatal(err)
		}
		f, err := readFrame(ctx, sock)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, f)
	}
	return answers
}

func scramFrame(text string) string {
	data, _ := json.Marshal(agentproto.Frame{SCRAM: text})
	return string(data)
}

// TestUnknownAgentsGetALikelyChallenge: salt and rounds look real and stay the same, so that ids
// cannot be tried out; the salt does not depend on the kind.
func TestUnknownAgentsGetALikelyChallenge(t *testing.T) {
	d := openDoor(t, GateConfig{Secret: []byte("secret")}, false)
	ask := func(kind agentproto.Kind, agent string) string {
		answer := speak(t, d, scramFrame("n,,n="+agentproto.UserName(kind, agent)+",r=abcdefghijklmnopqrstuvwx"))[0].SCRAM
		_, rest, ok := strings.Cut(answer, ",s=")
		if !ok || !strings.HasSuffix(rest, ",i=4096") {
			t.Fatalf("challenge %q", answer)
		}
		salt, _, _ := strings.Cut(rest, ",")
		raw, err := base64.StdEncoding.DecodeString(salt)
		if err != nil || len(raw) != SaltSize {
			t.Fatalf("salt %q", salt)
		}
		return salt
	}
	unknown := ask(agentproto.Kaktus, "ffffffffffffffffffffffff")
	if again := ask(agentproto.Kaktus, "ffffffffffffffffffffffff"); again != unknown {
		t.Error("the salt of an unknown agent changes")
	}
	if other := ask(agentproto.Kiwi, "ffffffffffffffffffffffff"); other != unknown {
		t.Error("the salt of an unknown agent depends on the kind")
	}
	if other := ask(agentproto.Kaktus, "eeeeeeeeeeeeeeeeeeeeeeee"); other == unknown {
		t.Error("all unknown agents have one salt")
	}
	if ask(agentproto.Kaktus, testAgent) != ask(agentproto.Kiwi, testAgent) {
		t.Error("the salt of a known agent depends on the kind")
	}
}

// TestReplayedProofIsRefused: a recorded exchange is worth nothing, since Kahuna's nonce is new.
func TestReplayedProofIsRefused(t *testing.T) {
	d := openDoor(t, GateConfig{}, false)
	client, _ := scram.SHA256.NewClientUnprepped(agentproto.UserName(agentproto.Kaktus, testAgent), testKey, "")
	conv := client.NewConversation()
	first, _ := conv.Step("")
	proof, firstAnswer, err := newServerProof(first, testEpoch, d.gate.look)
	if err != nil {
		t.Fatal(err)
	}
	final, _ := conv.Step(firstAnswer)
	if _, err := proof.finish(final); err != nil {
		t.Fatalf("the recorded exchange is not valid itself: %v", err)
	}
	answers := speak(t, d, scramFrame(first), scramFrame(final))
	if answers[1].Refused == nil || answers[1].Refused.Code != fault.Unauthenticated {
		t.Fatalf("a replay got %+v", answers[1])
	}
}

// TestMalformedHandshakesAreRefused has, among others, the two messages that make the SCRAM library
// panic: no flag in front, and a proof of more than 32 bytes.
func TestMalformedHandshakesAreRefused(t *testing.T) {
	d := openDoor(t, GateConfig{}, false)
	user := "n=" + agentproto.UserName(agentproto.Kaktus, testAgent)
	good := "n,," + user + ",r=abcdefghijklmnopqrstuvwx"
	for _, first := range []string{",,,,", "n,,n=,r=abcdefghijklmnopqrst", "y,," + user + ",r=abcdefghijklmnopqrstuvwx", "p=tls-unique,," + user + ",r=abcdefghijklmnopqrstuvwx",
		"n,," + user + ",r=short", "n,a=root," + user + ",r=abcdefghijklmnopqrstuvwx", good + ",x=y", strings.Repeat("x", 5000)} {
		if a := speak(t, d, scramFrame(first)); a[0].Refused == nil {
			t.Errorf("first message %.40q got %+v", first, a[0])
		}
	}
	for _, final := range []string{"c=biws,r=x,p=" + base64.StdEncoding.EncodeToString(make([]byte, 64)), "c=biws,r=x,p=", "c=,r=,p=", "", "c=biws,r=x", "c=eSws,r=x,p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))} {
		if final == "" {
			final = " "
		}
		if a := speak(t, d, scramFrame(good), scramFrame(final)); a[1].Refused == nil {
			t.Errorf("final message %.40q got %+v", final, a[1])
		}
	}
	// With the right nonce the proof is really looked at.
	for _, size := range []int{0, 31, 33, 64, 700} {
		p, challenge, err := newServerProof(good, testEpoch, d.gate.look)
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(challenge, ",")
		if _, err := p.finish("c=biws," + nonce + ",p=" + base64.StdEncoding.EncodeToString(make([]byte, size))); !fault.Is(err, fault.Malformed) {
			t.Errorf("a proof of %d bytes: %v", size, err)
		}
	}
	if a := speak(t, d, "null"); a[0].Refused == nil {
		t.Errorf("null got %+v", a[0])
	}
	if a := speak(t, d, `{"hello":{"agent":"`+testAgent+`"}}`); a[0].Refused == nil {
		t.Errorf("hello before the proof got %+v", a[0])
	}
}

// TestFalseKahunaIsFoundOut: a server that does not know the key cannot pass for Kahuna, and one that
// signs another epoch than it welcomes with is found out as well.
func TestFalseKahunaIsFoundOut(t *testing.T) {
	forged := newKeys(func(c *Credential) { c.ServerKey = bytes.Repeat([]byte{1}, 32) })
	d := openDoor(t, GateConfig{Credentials: forged}, false)
	if _, _, err := Dial(t.Context(), d.target()); !fault.Is(err, fault.Denied) {
		t.Errorf("a server without the server key passed: %v", err)
	}
	over(t, "the gate's error", d.failed)

	lying := openDoor(t, GateConfig{}, false)
	go func() {
		adm := <-lying.admitted
		adm.welcome = bytes.Replace(adm.welcome, []byte("9007199254740993"), []byte("9007199254740994"), 1)
		adm.Welcome(peer{})
	}()
	if _, _, err := Dial(t.Context(), lying.target()); !fault.Is(err, fault.Denied) {
		t.Errorf("an epoch that was not signed passed: %v", err)
	}

	greedy := newKeys(func(c *Credential) { c.Iterations = agentproto.MaxIterations + 1 })
	d = openDoor(t, GateConfig{Credentials: greedy}, false)
	if _, _, err := Dial(t.Context(), d.target()); !fault.Is(err, fault.Denied) {
		t.Errorf("a demand for many rounds was met: %v", err)
	}
	over(t, "the gate's error", d.failed)
}

// TestOlderEpochIsFencedAtBothEnds: the agent refuses an old Kahuna, an old Kahuna the agent.
func TestOlderEpochIsFencedAtBothEnds(t *testing.T) {
	d := openDoor(t, GateConfig{}, false)
	target := d.target()
	target.Hello.Obeyed = agentproto.Epoch{Counter: testEpoch.Counter + 1}
	if _, _, err := Dial(t.Context(), target); !fault.Is(err, fault.Fenced) {
		t.Errorf("the agent took an older Kahuna: %v", err)
	}
	over(t, "the gate's error", d.failed)
	if err := checkHello(&target.Hello, &serverProof{kind: agentproto.Kaktus, agent: testAgent}, testEpoch, nil); !fault.Is(err, fault.Fenced) {
		t.Errorf("the older Kahuna took the agent: %v", err)
	}
}

func TestHelloMustMatchTheProof(t *testing.T) {
	p := &serverProof{kind: agentproto.Kaktus, agent: testAgent}
	for name, change := range map[string]func(*agentproto.Hello){
		"other agent":   func(h *agentproto.Hello) { h.Agent = "ffffffffffffffffffffffff" },
		"other kind":    func(h *agentproto.Hello) { h.Kind = agentproto.Kiwi },
		"no identity":   func(h *agentproto.Hello) { h.Identity = "" },
		"far release":   func(h *agentproto.Hello) { h.Protocol = agentproto.Version + 2 },
		"other release": func(h *agentproto.Hello) { h.Protocol = agentproto.Version + 1 },
	} {
		h := testHello()
		change(&h)
		if err := checkHello(&h, p, testEpoch, nil); (err == nil) != (name == "other release") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignersAreToldWhatToDo(t *testing.T) {
	d := openDoor(t, GateConfig{}, false)
	for name, c := range map[string]struct {
		header map[string]string
		status int
		text   string
	}{
		"browser":        {map[string]string{"Origin": "https://evil.example", "Upgrade": "websocket"}, 403, "not for browsers"},
		"earlier system": {map[string]string{"X-WS-Kowabunga-Agent": "Kaktus", "X-WS-Kowabunga-Api-Key": "k", "Upgrade": "websocket", "Connection": "Upgrade"}, 426, "kowabunga kaktus join"},
		"plain get":      {nil, 426, agentproto.Subprotocol},
		"no subprotocol": {map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}, 426, agentproto.Subprotocol},
	} {
		req, _ := http.NewRequest(http.MethodGet, d.url+agentproto.Path, nil)
		for k, v := range c.header {
			req.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.text) {
			t.Errorf("%s: %d %q", name, resp.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestHandshakesAreBounded: silent peers hold the slots no longer than a handshake may take; meanwhile
// others are told to come back.
func TestHandshakesAreBounded(t *testing.T) {
	d := openDoor(t, GateConfig{Slots: 1, Wait: 20 * time.Millisecond, Handshake: 500 * time.Millisecond}, false)
	address, plain, _ := Address(d.url)
	transport, _ := newTransport("", plain)
	silent, err := dialSocket(t.Context(), address, agentproto.Subprotocol, transport)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.ws.CloseNow()
	if _, _, err := Dial(t.Context(), d.target()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "503") {
		t.Fatalf("no room, but: %v", err)
	}
	go func() { (<-d.admitted).Welcome(peer{}) }()
	over(t, "the refusal for want of a slot", d.failed)
	over(t, "the end of the silent handshake", d.failed)
	conn, _, err := Dial(t.Context(), d.target())
	if err != nil {
		t.Fatalf("the slot was not given back: %v", err)
	}
	conn.Start(peer{})
	conn.Close("done")
	over(t, "the end", conn.Gone())
}

func TestFailuresOfARemoteAreBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	d := openDoor(t, GateConfig{Failures: 2, Now: func() time.Time { return now }}, false)
	wrong := d.target()
	wrong.Key = "wrong"
	for range 2 {
		if _, _, err := Dial(t.Context(), wrong); !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
		over(t, "the gate's error", d.failed)
	}
	if _, _, err := Dial(t.Context(), wrong); !fault.Is(err, fault.Throttled) {
		t.Fatalf("a third failure in a row was let through: %v", err)
	}
	over(t, "the gate's error", d.failed)
	now = now.Add(2 * time.Second)
	go func() { (<-d.admitted).Welcome(peer{}) }()
	conn, _, err := Dial(t.Context(), d.target())
	if err != nil {
		t.Fatalf("the remote is blamed for ever: %v", err)
	}
	conn.Start(peer{})
	conn.Close("done")
	over(t, "the end", conn.Gone())
}

func TestDerivedCredentialsHideTheKey(t *testing.T) {
	c := Derive(testKey, NewSalt(), 1)
	if c.Iterations != agentproto.MinIterations || len(c.StoredKey) != 32 || len(c.ServerKey) != 32 || bytes.Equal(c.StoredKey, c.ServerKey) {
		t.Fatalf("%+v", c)
	}
	if other := Derive(testKey, NewSalt(), 1); bytes.Equal(other.StoredKey, c.StoredKey) {
		t.Error("the salt does not matter")
	}
}

func FuzzClientMessages(f *testing.F) {
	f.Add("n,,n=Kaktus/"+testAgent+",r=abcdefghijklmnopqrstuvwx", "c=biws,r=x,p=AAAA")
	f.Add("n,,n=Kaktus/"+testAgent+",r=abcdefghijklmnopqrstuvwx", "c=biws,NONCE,p="+base64.StdEncoding.EncodeToString(make([]byte, 33)))
	f.Add(",,,,", "c=biws,r=,p="+base64.StdEncoding.EncodeToString(make([]byte, 33)))
	gate := NewGate(GateConfig{Credentials: newKeys(), Epoch: func() agentproto.Epoch { return testEpoch }})
	f.Fuzz(func(t *testing.T, first, final string) {
		p, challenge, err := newServerProof(first, testEpoch, gate.look)
		if err != nil {
			return
		}
		nonce, _, _ := strings.Cut(challenge, ",")
		if _, err := p.finish(strings.Replace(final, "NONCE", nonce, 1)); err == nil {
			t.Fatalf("%q %q proved something", first, final)
		}
	})
}

func FuzzServerMessages(f *testing.F) {
	f.Add("r=abc.1.eA,s=c2FsdA==,i=4096", "v="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	f.Fuzz(func(t *testing.T, first, final string) {
		p, _, err := newClientProof(agentproto.Kaktus, testAgent, testKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.answer(first); err != nil {
			return
		}
		if p.finish(final) == nil {
			t.Fatalf("%q %q passed for Kahuna", first, final)
		}
	})
}
