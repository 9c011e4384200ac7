package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/nodes"
)

// The pair is told by whichever Kahuna answers, or by the one that is named; the key goes to no other.
func TestPairIsToldByTheOneThatIsNamed(t *testing.T) {
	w := newWorld(t, shortDir(t))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("KOWABUNGA_CREDENTIALS", "")
	var urls [2]string
	heard := 0
	for i, st := range []nodes.Status{
		{Role: "standby", Epoch: "7@a", Published: 40, End: 42, Behind: 2, Silent: 0.3, TakeOver: []string{"there are no witnesses"}},
		{Role: "primary", Phase: "serving", Epoch: "7@a", Mode: "sync", Published: 42, End: 42, Right: true}} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-API-Key") != masterKey || r.URL.Path != "/api/v2/pair" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			heard++
			rw.Header().Set(nodes.Header, nodes.Format([]nodes.Node{{URL: urls[0]}, {URL: urls[1], Primary: true}}))
			rw.Header().Set("Content-Type", "application/json")
			st.Asked, st.Primary = urls[i], urls[1]
			st.Nodes = []nodes.NodeStatus{{Address: urls[i], Self: true, Named: true, InSync: true, Connected: true, Acts: i == 1}, {Address: urls[1-i], Named: true, InSync: true, Connected: true, Acts: i == 0}}
			st.Witnesses = []nodes.WitnessStatus{{Agent: strings.Repeat("a", 24), Name: "k1", Connected: true}}
			_ = json.NewEncoder(rw).Encode(st)
		}))
		t.Cleanup(server.Close)
		urls[i] = server.URL
	}
	w.write("first.json", fmt.Sprintf(`{"url":%q,"apiKey":%q}`, urls[0], masterKey))
	credentials := filepath.Join(w.dir, "first.json")
	says := func(args []string, want ...string) {
		t.Helper()
		out, errs, code := run(t.Context(), "", append(args, "--credentials", credentials)...)
		for _, line := range want {
			if code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), line) {
				t.Errorf("%v: exit code %d, want %q in\n%s%s", args, code, line, out, errs)
			}
		}
	}
	says([]string{"pair"}, "asked "+urls[0], "role standby of "+urls[1]+", epoch 7@a", "right to act no", "published record 40 of 42, 2 records behind the primary",
		"take-over NOT by itself: there are no witnesses", "witness agent k1, connected", urls[1]+", acts, in the sync set")
	says([]string{"pair", urls[1] + "/"}, "asked "+urls[1], "role primary, serving, epoch 7@a", "mode sync", "take-over by itself")
	says([]string{"pair", urls[0], "-o", "json"}, `"asked": "`+urls[0]+`"`)
	before := heard
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger is asked") }))
	t.Cleanup(stranger.Close)
	out, errs, code := run(t.Context(), "", "pair", stranger.URL, "--credentials", credentials)
	if code != 1 || !strings.Contains(errs, "none of the Kahunas here, which are "+urls[1]+", "+urls[0]) {
		t.Errorf("a stranger: exit code %d, %s%s", code, out, errs)
	}
	if heard != before+1 {
		t.Errorf("%d requests for a stranger", heard-before)
	}
}
