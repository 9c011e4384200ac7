//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kowabunga/testdata/lab/browser"
)

// What Koala shows, to whom, and what it does for that.
func TestKoala(t *testing.T) {
	k := newKoala(t)
	k.person("root", "superAdmin")
	k.project("shop", k.person("ann", "projectAdmin"))
	k.project("mill", k.person("bob", "user"))
	web, db := k.machine("shop", "web"), k.machine("mill", "db")
	t.Run("IsStrict", k.isStrict)
	t.Run("ShowsWhatOneMay", func(t *testing.T) { k.showsWhatOneMay(t, web, db) })
}

// People see what is theirs and nothing else, in full: no view of theirs is blank or refused, nor wider than a screen,
// be it that of a telephone.
func (k *koala) showsWhatOneMay(t *testing.T, web, db string) {
	page := k.open(t, k.nodes[0], k.people["root"])
	see(t, page, "/pages/instances", "db", "web")
	see(t, page, "/pages/kaktuses", "host-0", "host-1", "host-2")

	for _, c := range []struct {
		who                           person
		project, name, machine, other string
		width                         int64 // of the screen
	}{{k.people["ann"], "shop", "web", web, db, 1280}, {k.people["bob"], "mill", "db", db, web, 400}} {
		page.Do("sign out", chromedp.Click(tested("sign-out")))
		signIn(page, c.who)
		page.Do("look at it on a screen", chromedp.EmulateViewport(c.width, 800))
		from, said := len(page.Requests()), len(page.Console())
		see(t, page, "/pages/projects", c.project)
		see(t, page, "/pages/instances", c.name)
		if menu, err := browser.Eval[bool](page, `document.querySelector('#places a[href="/pages/kaktuses"], #places a[href="/pages/agents"], #places a[href="/pages/pair"]') !== null`); err != nil || menu {
			t.Errorf("%s is led to hosts (%v)", c.who.email, err)
		}
		walk(t, page, func(place string) {
			if strings.Contains(page.Text(), c.other) {
				t.Errorf("%s shows %s a machine of others", place, c.who.email)
			}
			if width, err := browser.Eval[int64](page, `document.documentElement.scrollWidth`); err != nil || width > c.width {
				t.Errorf("%s is %d wide on a screen of %d (%v)", place, width, c.width, err)
			}
		})
		clean(t, page, from, said)

		for machine, buttons := range map[string]int{c.machine: 3, c.other: 0} {
			page.Do("open a machine", chromedp.Navigate(k.nodes[0].url+"/pages/instances/"+machine))
			page.Until("the machine is there, or it says that there is none", `document.querySelector('[data-test=object], [data-test=trouble]')`)
			page.Quiet()
			got, err := browser.Eval[int](page, `document.querySelectorAll('[data-test^=power-]:is(button)').length`)
			if err != nil || got != buttons {
				t.Errorf("%s has %d buttons for the machine %s, want %d (%v)", c.who.email, got, machine, buttons, err)
			}
		}
	}
}

// see goes to a table and fails the test unless it shows these objects alone.
func see(t *testing.T, page *browser.Browser, place string, want ...string) {
	t.Helper()
	page.Until("there is "+place, fmt.Sprintf(`(document.querySelector('#places a[href=%q]').click(), location.pathname === %[1]q)`, place))
	shows(page, want[0])
	got, err := browser.Eval[[]string](page, `[...document.querySelectorAll('[data-test=row]')].map((row) => row.dataset.name)`)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s shows %v, want %v (%v)", place, got, want, err)
	}
}

// blank fails the test where a view keeps an empty cell or section, or says that something could not be read.
func blank(t testing.TB, page *browser.Browser, place string) {
	t.Helper()
	eventually(t, "nothing of "+place+" is blank", func() error {
		blanks, err := browser.Eval[[]string](page, `[...document.querySelectorAll('#content td, #content dd, #content li, #content h1, #content section')]
			.filter((one) => one.tagName === 'SECTION' ? one.innerText.trim() === one.querySelector('h2')?.innerText.trim() : one.innerText.trim() === '')
			.concat([...document.querySelectorAll('#content .trouble')].filter((one) => one.innerText.trim() !== ''))
			.map((one) => one.outerHTML)`)
		if err == nil && len(blanks) > 0 {
			err = errors.New(strings.Join(blanks, "\n"))
		}
		return err
	})
}
