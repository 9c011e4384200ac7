package api_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"kowabunga/core/account"
	"kowabunga/core/model"
)

// linkOf is the path and query of the link in a letter.
func (w *world) linkOf(template, to string) string {
	w.t.Helper()
	link, _ := w.mailed(template)[to]["Link"].(string)
	rest, ok := strings.CutPrefix(link, terms.URL)
	if !ok {
		w.t.Fatalf("the letter %q to %s has the link %q", template, to, link)
	}
	return rest
}

// browse is do without credentials.
func (w *world) browse(method, path, body string, headers ...string) answer {
	w.t.Helper()
	return w.do(method, path, body, append([]string{"X-API-Key", "", "Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// press sends the form of a page as a browser would.
func (w *world) press(path, page string) answer {
	w.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	action, _, _ := strings.Cut(path, "?")
	if !strings.Contains(page, `<form method="post" action="`+action+`"`) || len(form) != 2 {
		w.t.Fatalf("%s has no such form: %s", path, page)
	}
	return w.browse("POST", action, form.Encode(), "Sec-Fetch-Site", "same-origin")
}

var shownSecret = regexp.MustCompile(`<code>([A-Za-z0-9]+)</code>`)

// A new user follows both links with a browser that has no script, presses both buttons, and logs in with
// the password he is shown. Programs that follow links in mail change nothing.
func TestAccountsAreConfirmedByPages(t *testing.T) {
	w := newWorld(t)
	id := w.id("/api/v1/user", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	if a := w.do("PATCH", "/api/v1/user/"+id+"/resetPassword", ""); a.status != 200 || a.body != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	confirm, reset := w.linkOf(account.Welcome, "ann@eu.test"), w.linkOf(account.Reset, "ann@eu.test")
	index := w.store.View().Index()
	var first, second answer
	for range 3 { // scanners come more than once
		for _, method := range []string{"HEAD", "GET"} {
			first, second = w.browse(method, confirm, ""), w.browse(method, reset, "")
		}
	}
	if w.store.View().Index() != index {
		t.Fatal("looking changed something")
	}
	for path, a := range map[string]answer{confirm: first, reset: second} {
		if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self';") || strings.Contains(policy, "unsafe") || strings.Contains(a.body, "<script") || strings.Contains(a.body, "style=") ||
			a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
	drawn := w.press(reset, second.body)
	found := shownSecret.FindStringSubmatch(drawn.body)
	if drawn.status != 200 || found == nil || !strings.Contains(drawn.body, "not confirmed yet") {
		t.Fatalf("%d %s", drawn.status, drawn.body)
	}
	login := func() int {
		return w.do("POST", "/api/v1/login", `{"email":"ann@eu.test","password":"`+found[1]+`"}`, "X-API-Key", "").status
	}
	if got := login(); got != 401 {
		t.Errorf("before the account is confirmed: %d", got)
	}
	if a := w.press(confirm, first.body); a.status != 200 || !strings.Contains(a.body, "confirmed") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := login(); got != 201 {
		t.Errorf("login: %d", got)
	}
	for path, page := range map[string]string{confirm: first.body, reset: second.body} {
		if a := w.press(path, page); a.status != 403 {
			t.Errorf("%s a second time: %d", path, a.status)
		}
		if a := w.browse("GET", path, ""); a.status != 403 || strings.Contains(a.body, "<form") {
			t.Errorf("looking at %s afterwards: %d", path, a.status)
		}
	}
	if log := w.log.String(); strings.Contains(log, found[1]) || strings.Contains(log, confirm[len(confirm)-20:]) || strings.Contains(log, reset[len(reset)-20:]) {
		t.Error("a secret is in the log")
	}
}

// A form from another site is not taken, an empty token opens nothing, and bad forms are told apart from
// nothing else.
func TestPagesRefuse(t *testing.T) {
	w := newWorld(t)
	id := w.id("/api/v1/user", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	confirm := w.linkOf(account.Welcome, "ann@eu.test")
	_, query, _ := strings.Cut(confirm, "?")
	for _, c := range []struct {
		what, method, path, body string
		want                     int
		headers                  []string
	}{
		{"from another site", "POST", "/confirm", query, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"from another origin", "POST", "/confirm", query, 403, []string{"Origin", "https://evil.example"}},
		{"empty token", "POST", "/confirm", "user=" + id + "&token=", 403, nil},
		{"no token", "GET", "/confirm?user=" + id, "", 403, nil},
		{"empty token looked at", "GET", "/confirmForgotPassword?user=" + id + "&token=", "", 403, nil},
		{"empty token for a password", "POST", "/confirmForgotPassword", "user=" + id + "&token=", 403, nil},
		{"of the other purpose", "POST", "/confirmForgotPassword", query, 403, nil},
		{"no form", "POST", "/confirm", "%zz", 400, nil},
		{"markup", "GET", "/confirm?user=%3Cscript%3E&token=%22%3E%3Cscript%3E", "", 403, nil},
		{"another method", "PUT", "/confirm", query, 405, nil},
	} {
		a := w.browse(c.method, c.path, c.body, c.headers...)
		if a.status != c.want || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d %s", c.what, a.status, a.body)
		}
	}
	if u, _ := model.Find[*model.User](w.store.View(), model.ID(id)); u.Confirmed || u.PasswordHash != "" {
		t.Error("one of them worked")
	}
	if a := w.browse("GET", "/confirm/style.css", ""); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet: %d", a.status)
	}
	if a := w.browse("POST", confirm, ""); a.status != 200 { // a program without a browser
		t.Errorf("the link itself, posted: %d %s", a.status, a.body)
	}
}

// A user changes his address himself; it is his when he pressed the button of the page he was mailed.
func TestAddressesAreChangedByPages(t *testing.T) {
	w := newWorld(t)
	made := w.must("POST", "/api/v2/users?password=generated", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	id := made["id"].(string)
	key := w.key(id)
	v1 := w.must("PUT", "/api/v1/user/"+id, `{"name":"ann","email":"new@eu.test","role":"user"}`, "X-API-Key", key)
	if v1["email"] != "ann@eu.test" {
		t.Errorf("v1 answers %v", v1)
	}
	if v2 := w.must("GET", "/api/v2/users/"+id, "", "X-API-Key", key); v2["email"] != "ann@eu.test" || v2["pending_email"] != "new@eu.test" {
		t.Errorf("v2 answers %v", v2)
	}
	link := w.linkOf(account.Address, "new@eu.test")
	if a := w.press(link, w.browse("GET", link, "").body); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if v2 := w.must("GET", "/api/v2/users/"+id, ""); v2["email"] != "new@eu.test" || v2["pending_email"] != "" {
		t.Errorf("afterwards %v", v2)
	}
}

// A new password is asked for without credentials, in the form of the frozen contract.
func TestResettingIsUniform(t *testing.T) {
	w := newWorld(t)
	w.must("POST", "/api/v2/users?password=generated", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	for body, want := range map[string]int{`{"email":"ann@eu.test"}`: 200, `{"email":"nobody@eu.test"}`: 200, `{"email":"?"}`: 200, `{"email":""}`: 422, `{}`: 422, `[]`: 400, ``: 400} {
		if a := w.browse("PUT", "/api/v1/resetPassword", body); a.status != want || want == 200 && a.body != "" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	page := w.browse("GET", "/confirmForgotPassword", "")
	if page.status != 200 || !strings.Contains(page.body, `name="email"`) {
		t.Errorf("%d %s", page.status, page.body)
	}
	known, unknown := w.browse("POST", "/confirmForgotPassword", "email=ann%40eu.test"), w.browse("POST", "/confirmForgotPassword", "email=nobody%40eu.test")
	if known.status != 200 || known.status != unknown.status || known.body != unknown.body {
		t.Errorf("%d %s\n%d %s", known.status, known.body, unknown.status, unknown.body)
	}
	last := 0
	for range 30 {
		last = w.browse("PUT", "/api/v1/resetPassword", `{"email":"ann@eu.test"}`).status
	}
	if last != 429 {
		t.Errorf("after many: %d", last)
	}
}

// A program is let in by a page, as RFC 8628 has it.
func TestProgramsAreLetInByAPage(t *testing.T) {
	w := newWorld(t)
	made := w.must("POST", "/api/v2/users?password=generated", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	password := made["password"].(string)
	a := w.browse("POST", "/api/v2/device", "", "User-Agent", "kowabunga/test")
	d := decode(t, a.body)
	code, _ := d["device_code"].(string)
	if a.status != 200 || len(d) != 6 || !strings.HasSuffix(d["verification_uri"].(string), "/device") || d["interval"] != 5.0 || d["expires_in"] != 600.0 ||
		d["verification_uri_complete"] != d["verification_uri"].(string)+"?user_code="+d["user_code"].(string) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	ask := func() (int, map[string]any) {
		a := w.browse("POST", "/api/v2/device/token", `{"device_code":"`+code+`"}`)
		return a.status, decode(t, a.body)
	}
	if status, p := ask(); status != 400 || p["code"] != "authorization_pending" {
		t.Errorf("%d %v", status, p)
	}
	if status, p := ask(); status != 400 || p["code"] != "slow_down" {
		t.Errorf("%d %v", status, p)
	}
	page := w.browse("GET", "/device?user_code="+d["user_code"].(string), "")
	if page.status != 200 || !strings.Contains(page.body, `value="`+d["user_code"].(string)+`"`) || strings.Contains(page.body, "<script") {
		t.Errorf("%d %s", page.status, page.body)
	}
	form := url.Values{"user_code": {d["user_code"].(string)}, "email": {"ann@eu.test"}, "password": {"wrong-" + password}, "decision": {"grant"}}
	if a := w.browse("POST", "/device", form.Encode()); a.status != 401 || !strings.Contains(a.body, "<form") || strings.Contains(a.body, password) {
		t.Errorf("%d %s", a.status, a.body)
	}
	form.Set("password", password)
	if a := w.browse("POST", "/device", form.Encode(), "Sec-Fetch-Site", "cross-site"); a.status != 403 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.browse("POST", "/device", form.Encode(), "Sec-Fetch-Site", "same-origin"); a.status != http.StatusOK || strings.Contains(a.body, password) {
		t.Errorf("%d %s", a.status, a.body)
	}
	status, p := ask()
	jwt, _ := p["jwt"].(string)
	if status != 200 || len(p) != 1 {
		t.Fatalf("%d %v", status, p)
	}
	list := w.must("GET", "/api/v2/sessions", "", "X-API-Key", "", "Authorization", "Bearer "+jwt)
	items, _ := list["items"].([]any)
	if len(items) != 1 {
		t.Fatalf("%v", list)
	}
	session := items[0].(map[string]any)
	if session["user_id"] != made["id"] || session["agent"] != "kowabunga/test" || session["from"] != "127.0.0.1" || session["expires"] == "" {
		t.Errorf("%v", session)
	}
	if all := w.must("GET", "/api/v2/sessions?user=ann", ""); len(all["items"].([]any)) != 1 {
		t.Errorf("%v", all)
	}
	if a := w.do("DELETE", "/api/v2/sessions/"+session["id"].(string), "", "X-API-Key", "", "Authorization", "Bearer "+jwt); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.do("GET", "/api/v2/whoami", "", "X-API-Key", "", "Authorization", "Bearer "+jwt); a.status != 401 {
		t.Errorf("after its session was ended: %d", a.status)
	}
	if status, p := ask(); status != 400 || p["code"] != "expired_token" {
		t.Errorf("%d %v", status, p)
	}
	if log := w.log.String(); strings.Contains(log, password) || strings.Contains(log, code) || strings.Contains(log, jwt) {
		t.Error("a secret is in the log")
	}
}

// Whatever is posted to the pages, they answer with a page and change nothing without a good link.
func FuzzPages(f *testing.F) {
	w := newWorld(f)
	id := w.id("/api/v1/user", `{"name":"ann","email":"ann@eu.test","role":"user"}`)
	for _, seed := range []string{"user=" + id + "&token=", "user=" + id + "&token=x&email=", "%zz", "user_code=BBBB-BBBB&decision=grant", "token=%00&user=%ff", "<script>"} {
		f.Add(seed, byte(0))
	}
	index := w.store.View().Index()
	f.Fuzz(func(t *testing.T, form string, path byte) {
		target := []string{"/confirm", "/confirmForgotPassword", "/device"}[path%3]
		r := httptest.NewRequest("POST", "http://kahuna"+target, strings.NewReader(form))
		r.RemoteAddr = "192.0.2.1:1"
		a := httptest.NewRecorder()
		w.api.ServeHTTP(a, r)
		if a.Code >= 500 || !strings.HasPrefix(a.Header().Get("Content-Type"), "text/html") || strings.Contains(a.Body.String(), "<script") {
			t.Fatalf("%s with %q: %d %s", target, form, a.Code, a.Body)
		}
		if w.store.View().Index() != index {
			t.Fatalf("%s with %q changed something", target, form)
		}
	})
}
