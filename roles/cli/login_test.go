package cli_test

import (
	"bytes"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kowabunga/roles/cli/client"
)

// A login on a device shows a code, which somebody confirms in a browser; then commands go on as that user.
func TestLoginOnADevice(t *testing.T) {
	w := newWorld(t, shortDir(t))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("KOWABUNGA_CREDENTIALS", "")
	w.must("user", "create", "ann", "--email", "ann@eu.test", "--role", "projectAdmin")
	if _, errs, code := run(t.Context(), "four green Rabbits sing 7\n", append([]string{"user", "password", "ann", "--password-file", "-"}, w.credentials()...)...); code != 0 {
		t.Fatal(errs)
	}
	for _, decision := range []string{"refuse", "grant"} {
		screen := &confirming{t: t, w: w, decision: decision}
		root := tree()
		root.SetArgs([]string{"login", w.url, "--ca", filepath.Join(w.dir, "ca.pem"), "--context", "eu"})
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(screen)
		err := root.ExecuteContext(t.Context())
		switch {
		case !screen.done:
			t.Fatalf("no code was shown: %s, %v", screen.text.String(), err)
		case decision == "refuse" && (err == nil || !strings.Contains(err.Error(), "refused")):
			t.Errorf("refused: %v", err)
		case decision == "refuse" && len(client.Contexts{}.Names()) > 0:
			t.Error("a refused login left a context")
		case decision == "grant" && (err != nil || !strings.HasSuffix(out.String(), "as ann (projectAdmin); context eu is in use\n")):
			t.Errorf("granted: %q, %v", out.String(), err)
		}
	}
	if out, errs, code := run(t.Context(), "", "whoami"); code != 0 || !strings.Contains(out, "ann") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	out, errs, code := run(t.Context(), "", "session", "list", "-o", "name")
	if code != 0 || !strings.HasPrefix(out, "session/") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	// Ended from elsewhere, it is told how to begin anew.
	w.must("session", "revoke", strings.TrimPrefix(strings.TrimSpace(out), "session/"), "--yes")
	if _, errs, code := run(t.Context(), "", "whoami"); code != 1 || !strings.Contains(errs, "next step: kowabunga login --context eu\n") {
		t.Errorf("%d %s", code, errs)
	}
	if out, errs, code := run(t.Context(), "", "logout"); code != 0 || out != "logged out of eu\n" {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// confirming is a terminal whose reader confirms the code that he sees.
type confirming struct {
	t        *testing.T
	w        *world
	decision string
	text     strings.Builder
	done     bool
}

var shownCode = regexp.MustCompile(`(?m)^ +([A-Z0-9]{4}-[A-Z0-9]{4})$`)

func (s *confirming) Write(b []byte) (int, error) {
	s.text.Write(b)
	if m := shownCode.FindStringSubmatch(s.text.String()); m != nil && !s.done {
		s.done = true
		form := url.Values{"user_code": {m[1]}, "email": {"ann@eu.test"}, "password": {"four green Rabbits sing 7"}, "decision": {s.decision}}
		r, err := http.NewRequest(http.MethodPost, s.w.url+"/device", strings.NewReader(form.Encode()))
		if err != nil {
			s.t.Error(err)
			return 0, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		resp, err := s.w.browser.Do(r)
		if err != nil {
			s.t.Error(err)
			return 0, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			s.t.Errorf("the page answers %s", resp.Status)
		}
	}
	return len(b), nil
}
