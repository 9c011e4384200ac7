package api_test

import (
	"errors"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// The screen of a machine is for members of its project; the URL is never empty, and no other error than
// the host's own is shown.
func TestScreen(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	kompute := w.kompute(ids, "m1")
	instance := w.must("GET", "/api/v2/instances/m1", "")["id"].(string)
	w.live.screen = func(id model.ID) (string, error) {
		if string(id) != instance {
			return "", fault.New(fault.NotFound, "no such machine")
		}
		return "vnc://192.0.2.10:5901?VncPassword=TICKET42", nil
	}
	const want = `{"url":"vnc://192.0.2.10:5901?VncPassword=TICKET42"}`
	member, stranger := w.key(ids["reader"]), w.key(ids["stranger"])
	for _, path := range []string{"/api/v1/instance/" + instance, "/api/v2/instances/m1", "/api/v2/komputes/m1", "/api/v2/kompute/" + kompute} {
		for who, c := range map[string]struct {
			header []string
			status int
		}{"superAdmin": {nil, 200}, "member": {[]string{"X-API-Key", member}, 200}, "stranger": {[]string{"X-API-Key", stranger}, 404}, "nobody": {[]string{"X-API-Key", "x"}, 401}} {
			a := w.do("GET", path+"/connect", "", c.header...)
			if a.status != c.status || c.status == 200 && (a.body != want || a.header.Get("Cache-Control") != "no-store") || c.status != 200 && strings.Contains(a.body, "TICKET42") {
				t.Errorf("%s of %s: %d %s", path, who, a.status, a.body)
			}
		}
	}
	if strings.Contains(w.log.String(), "TICKET42") {
		t.Error("the password is in the log")
	}
	for cause, status := range map[error]int{errors.New("dial tcp: refused"): 503, fault.New(fault.Conflict, "the machine is off; start it first"): 409} {
		w.live.screen = func(model.ID) (string, error) { return "", cause }
		if a := w.do("GET", "/api/v1/instance/"+instance+"/connect", ""); a.status != status || strings.Contains(a.body, "dial") {
			t.Errorf("%v: %d %s", cause, a.status, a.body)
		}
	}
}
