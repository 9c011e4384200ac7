package agentproto

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func TestNonceCarriesTheEpoch(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		e := Epoch{Counter: rapid.Uint64().Draw(t, "counter"), Node: rapid.String().Draw(t, "node")}
		nonce := rapid.StringMatching(`[A-Za-z0-9+/=.]{0,40}`).Draw(t, "client") + ServerNonce(rapid.StringMatching(`[A-Za-z0-9+/=]{8,32}`).Draw(t, "server"), e)
		if strings.Contains(nonce, ",") {
			t.Fatalf("nonce %q has a comma, which SCRAM forbids", nonce)
		}
		if back, ok := NonceEpoch(nonce); !ok || back != e {
			t.Fatalf("%q gives %v %v, want %v", nonce, back, ok, e)
		}
	})
}

func TestUserNameBindsTheKind(t *testing.T) {
	kind, id, ok := ParseUserName(UserName(Kaktus, "0123456789abcdef01234567"))
	if !ok || kind != Kaktus || id != "0123456789abcdef01234567" {
		t.Fatal(kind, id, ok)
	}
	for _, bad := range []string{"", "/", "Kaktus/", "/0123", "0123", "Kaktus/a,b", "Kaktus/a=b"} {
		if _, _, ok := ParseUserName(bad); ok {
			t.Errorf("user name %q was accepted", bad)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, seed := range []string{`{"scram":"n,,n=Kaktus/1,r=x"}`, `{"hello":{"agent":"a","generations":{"kaktus":18446744073709551615}}}`,
		`{"welcome":{"epoch":{"counter":9007199254740993}}}`, `{"refused":{"code":"denied","message":"no"}}`, `{}`, `[]`, `{"scram":"a","hello":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := DecodeFrame(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(frame)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > MaxHandshake {
			return // escaping may make it longer than what arrived
		}
		if _, err := DecodeFrame(out); err != nil {
			t.Fatalf("%s decodes, but what it encodes to does not: %v", data, err)
		}
	})
}
