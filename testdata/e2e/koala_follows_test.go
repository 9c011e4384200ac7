//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kowabunga/core/agentproto"
	"kowabunga/testdata/lab/browser"
)

// A page of Koala that is open when the Kahuna goes that it came from goes on with the other one, whether that was told
// to hand over, was killed, or stands still: it is not loaded anew, nobody signs in again, it shows what is new, and
// what it asks for is done once.
func TestKoalaFollows(t *testing.T) {
	k := newKoala(t)
	ann := k.person("ann", "user")
	k.project("shop", ann)
	first := k.machine("shop", "web-1")
	a, b := k.nodes[0], k.nodes[1]
	page := k.open(t, b, ann)
	machines := chromedp.Click(chromedp.CSS(`a[href="/pages/instances"]`))
	page.Do("look at the machines", machines)
	shows(page, "web-1")
	asks(page, a)
	page.Until("the page is marked", `globalThis.sameAsBefore = true`)
	loaded := page.Loaded()
	same := func(after string) {
		t.Helper()
		page.Until("it is the page that it was before "+after, `globalThis.sameAsBefore`)
		logins := 0
		for _, r := range page.Requests() {
			if r.Method == "POST" && strings.HasSuffix(r.URL, "/login") {
				logins++
			}
		}
		if logins != 1 || page.Loaded() != loaded {
			t.Errorf("after %s: signed in %d times, loaded %d times, %d at first", after, logins, page.Loaded(), loaded)
		}
	}

	a.handOver()
	asks(page, b)
	same("one handed over to the one that the page came from")

	undo := b.crash()
	k.machine("shop", "web-2") // as soon as the other one acts
	asks(page, a)
	page.Until("the page says which one does not answer", fmt.Sprintf(`document.querySelector('[data-test=banner]').innerText.startsWith(new URL(%q).host + ' does not answer')`, b.url))
	shows(page, "web-2")
	page.Do("look at one machine", chromedp.Click(chromedp.CSS(`[data-test=row][data-name="web-1"] a`)))
	k.rebooted(page, first, ann, 1, func() {})
	same("the one that it came from was killed")

	// It stops between the click and the answer: it has done what it was asked for, and the page cannot know.
	undo()
	eventually(t, "both are in sync", func() error { return k.synced(3) })
	held := page.Hold("*/reboot")
	k.rebooted(page, first, ann, 2, func() {
		if status := held.Wait(); status != http.StatusAccepted {
			t.Errorf("the answer that gets lost has the status %d", status)
		}
		a.pause()
		held.Lose()
	})
	asks(page, b)
	k.machine("shop", "web-3")
	page.Do("look at the machines", machines)
	shows(page, "web-3")
	same("the one that acted stopped")
	a.resume()
}

// shows waits until a table of the page has an object.
func shows(page *browser.Browser, name string) {
	page.Until("the page shows "+name, fmt.Sprintf(`document.querySelector('[data-test=row][data-name=%q]')`, name))
}

// asks waits until the page says that it asks a node.
func asks(page *browser.Browser, n *node) {
	page.Until("the page asks "+n.name, fmt.Sprintf(`document.querySelector('[data-test=node]').dataset.node === %q`, n.url))
}

// rebooted has a machine rebooted through the page, with something happening after the click, and waits until the page
// says that it is done. By then it was done so many times in all: one operation and one entry in the audit for each,
// and one order to its host for this one.
func (k *koala) rebooted(page *browser.Browser, instance string, who person, times int, meanwhile func()) {
	t := k.t
	t.Helper()
	before := k.powered()
	page.Until("it can be rebooted", `document.querySelector('[data-test=power-reboot]:enabled')`)
	page.Do("reboot", chromedp.Click(tested("power-reboot")))
	page.Until("the page asks whether that is meant", `document.querySelector('[data-test=confirm-yes]')`)
	page.Do("confirm", chromedp.Click(tested("confirm-yes")))
	meanwhile()
	page.Until("it is done", `document.querySelector('[data-test=power-result]').dataset.done === 'reboot'`)

	count := func(path string, query url.Values, is func(o map[string]any) bool) (n int) {
		t.Helper()
		items, err := k.api.Items(context.Background(), "list", path, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			var o map[string]any
			if err := json.Unmarshal(item, &o); err != nil {
				t.Fatal(err)
			}
			if o["what"] == "instance.reboot" && is(o) {
				n++
			}
		}
		return n
	}
	operations := count("/operations", url.Values{"target": {instance}}, func(o map[string]any) bool { return o["state"] == "succeeded" })
	entries := count("/audit", nil, func(o map[string]any) bool { return o["actor_id"] == who.id })
	if orders := k.powered() - before; operations != times || entries != times || orders != 1 {
		t.Errorf("rebooted %d times: %d operations, %d entries in the audit by %s, %d orders to the host for the last one", times, operations, entries, who.email, orders)
	}
}

// powered is how many orders to start, reboot or stop a machine hosts were given. One that is given again by the same
// name is done once.
func (k *koala) powered() int {
	orders := map[string]bool{}
	for _, o := range k.obeyed() {
		if o.Method == agentproto.MethodMachinePower {
			orders[o.Request] = true
		}
	}
	return len(orders)
}
