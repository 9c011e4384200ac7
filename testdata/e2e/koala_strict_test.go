//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kowabunga/core/catalogue"
	"kowabunga/roles/cli/client"
	"kowabunga/testdata/lab/browser"
)

// A superAdmin who looks at everything there is causes no error and no violation of the page's policy, asks the two
// Kahunas alone and nothing but reads, and is shown no secret.
func (k *koala) isStrict(t *testing.T) {
	secrets := k.secrets(t)
	page := k.open(t, k.nodes[0], k.people["root"])
	eventually(t, "the other one knows of the login too", func() error {
		a, err := k.nodes[0].status()
		if err != nil {
			return err
		}
		b, err := k.nodes[1].status()
		if err == nil && b.Store.Index < a.Store.Index {
			err = fmt.Errorf("it is at %d, the one that acts at %d", b.Store.Index, a.Store.Index)
		}
		return err
	})
	seen := map[string]int{}
	walk(t, page, func(place string) {
		seen[place]++
		shown, err := browser.Eval[string](page, `document.documentElement.outerHTML + [...document.querySelectorAll('input, textarea, select')].map((one) => one.value).join('\n')`)
		if err != nil {
			t.Fatal(err)
		}
		for name, secret := range secrets {
			if strings.Contains(shown, secret) {
				t.Errorf("%s shows %s", place, name)
			}
		}
	})
	for _, kind := range catalogue.Kinds {
		if seen["/pages/"+kind.Plural] == 0 {
			t.Errorf("nothing leads to the %s", kind.Plural)
		}
	}
	if len(seen) < len(catalogue.Kinds)+3 {
		t.Errorf("too little was looked at: %v", slices.Sorted(maps.Keys(seen)))
	}
	page.Do("sign out", chromedp.Click(tested("sign-out")))
	page.Until("the page asks who it is", `document.querySelector('[data-test=sign-in]')`)
	k.harmless(t, page)
}

// harmless fails the test for what a page must never do while both Kahunas are well.
func (k *koala) harmless(t *testing.T, page *browser.Browser) {
	t.Helper()
	clean(t, page, 0, 0)
	mayChange := []string{"POST /api/v1/login", "POST /api/v1/logout"}
	for _, r := range page.Requests() {
		u, err := url.Parse(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		if at := u.Scheme + "://" + u.Host; at != k.nodes[0].url && at != k.nodes[1].url {
			t.Errorf("the page asks somebody else: %s %s", r.Method, r.URL)
		}
		if !slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, r.Method) && !slices.Contains(mayChange, r.Method+" "+u.Path) {
			t.Errorf("the page does more than read: %s %s", r.Method, r.URL)
		}
	}
}

// clean fails the test for errors of a page since it had made so many requests and said so much: for what the API
// refuses, too. Why something is as it is, is asked for by whoever presses a button, and not always known.
func clean(t testing.TB, page *browser.Browser, requests, said int) {
	t.Helper()
	for _, r := range page.Requests()[requests:] {
		if r.Status >= 400 && !(r.Status == 404 && strings.Contains(r.URL, why)) {
			t.Errorf("%s %s: %d", r.Method, r.URL, r.Status)
		}
	}
	for _, line := range page.Console()[said:] {
		if !strings.Contains(line, why) {
			t.Errorf("the console: %s", line)
		}
	}
}

const why = "/api/v2/explain/"

// walk looks at everything that the page leads to: every place of the menu, and the first object of each table.
func walk(t *testing.T, page *browser.Browser, look func(place string)) {
	t.Helper()
	places, err := browser.Eval[[]string](page, `[...document.querySelectorAll('#places a')].map((a) => a.getAttribute('href')).filter((to) => to === '/' || to.startsWith('/pages/'))`)
	if err != nil || len(places) < 5 {
		t.Fatalf("the menu has %v (%v)", places, err)
	}
	for _, place := range places {
		page.Until("there is "+place, fmt.Sprintf(`(document.querySelector('#places a[href=%q]').click(), location.pathname === %[1]q)`, place))
		complete(t, page, place)
		look(place)
		first, err := browser.Eval[string](page, `document.querySelector('[data-test=table] [data-test=row] a, [data-test=operation-row] a')?.getAttribute('href') ?? ''`)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			continue
		}
		page.Until("there is "+first, fmt.Sprintf(`(document.querySelector('#content a[href=%q]').click(), location.pathname === %[1]q)`, first))
		page.Until(first+" shows what it is about", `document.querySelector('#content h1')`)
		page.Until("everything is asked for", `([...document.querySelectorAll('[data-test=changes], [data-test=explain]')].forEach((button) => button.click()), true)`)
		complete(t, page, first)
		look(first)
	}
}

// complete waits until a view shows all it will, and fails the test where it shows nothing, or trouble.
func complete(t testing.TB, page *browser.Browser, place string) {
	t.Helper()
	page.Until(place+" is there", `document.querySelector('#content h1') && !document.querySelector('#content').innerText.includes('One moment')`)
	page.Quiet()
	page.Until(place+" is there", `document.querySelector('#content h1') && !document.querySelector('#content').innerText.includes('One moment')`)
	blank(t, page, place)
}

// secrets are what nobody must be shown, by what it is: keys, passwords, the token of a login, and every field that the
// catalogue calls secret of every object.
func (k *koala) secrets(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"the master key": k.key}
	for _, who := range k.people {
		all["the password of "+who.email] = who.password
		answer, err := k.api.Do(context.Background(), client.Request{Op: "draw a key", Method: "PATCH", Path: "/users/" + who.id + "/token"})
		var drawn struct{ Key string }
		if err == nil {
			err = answer.Decode("draw a key", &drawn)
		}
		if err != nil || drawn.Key == "" {
			t.Fatalf("a key for %s: %v", who.email, err)
		}
		all["the key of "+who.email] = drawn.Key
	}
	for _, h := range k.hosts {
		for _, agent := range h.args {
			all["the key of the agent "+h.name] = agent[strings.LastIndex(agent, ":")+1:]
		}
	}
	files, err := filepath.Glob(filepath.Join(k.nodes[0].dir, "secrets", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no secrets in %s: %v", k.nodes[0].dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all["the file "+filepath.Base(file)] = strings.TrimSpace(string(text))
	}
	for _, kind := range catalogue.Kinds {
		items, err := k.api.Items(context.Background(), "list", "/"+kind.Plural, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			var o map[string]any
			if err := json.Unmarshal(item, &o); err != nil {
				t.Fatal(err)
			}
			for i := range kind.Fields {
				if text, _ := o[kind.Fields[i].Name].(string); kind.Fields[i].Secret && text != "" {
					all[fmt.Sprintf("%s of a %s", kind.Fields[i].Name, kind.Name)] = text
				}
			}
		}
	}
	return all
}
