//go:build lab

package koala

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"pgregory.net/rapid"

	"kowabunga/core/nodes"
	"kowabunga/testdata/chance"
	"kowabunga/testdata/lab/browser"
)

// opened is the page in a browser, with its modules at hand: nodes and follow, and world, which stands for the
// Kahunas, the network and the clock.
func opened(t *testing.T) *browser.Browser {
	t.Helper()
	k, err := New(func(*http.Request) Pair { return Pair{} })
	if err != nil {
		t.Fatal(err)
	}
	served := httptest.NewTLSServer(k)
	t.Cleanup(served.Close)
	b := browser.Open(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: served.Certificate().Raw})))
	b.Do("open the page", chromedp.Navigate(served.URL+"/"))
	if _, err := browser.Eval[bool](b, `(async () => {
		const base = document.querySelector('script[type=module]').src.replace(/[^/]*$/, '');
		globalThis.nodes = await import(base + 'nodes.js');
		globalThis.follow = await import(base + 'follow.js');
		`+world+`
		return true;
	})()`); err != nil {
		t.Fatal(err)
	}
	return b
}

// told is a value as the page sees it, in JSON.
func told(t *testing.T, b *browser.Browser, body string) string {
	t.Helper()
	out, err := browser.Eval[string](b, `(async () => {
		const {Nodes, parse, fate, bounds} = nodes, a = 'https://a.test:1', b = 'https://b.test:1', evil = 'https://evil.test';
		const acts = (url) => '"' + a + '"' + (url === a ? ';primary' : '') + ', "' + b + '"' + (url === b ? ';primary' : '');
		return JSON.stringify(await (async () => {`+body+`})());
	})()`)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return out
}

func TestWhichKahunaIsAskedNext(t *testing.T) {
	b := opened(t)
	for _, c := range []struct{ name, body, want string }{
		{"where the page came from is asked first", `return new Nodes(b, [a]).known`, `["https://b.test:1","https://a.test:1"]`},
		{"then the one that acts", `const n = new Nodes(a, [b]); n.learn(acts(b)); n.answered(a, 0); return n.current`, `"https://b.test:1"`},
		{"one that acts and was away is not", `const n = new Nodes(a, [b]); n.learn(acts(a)); n.failed(a, 0); n.answered(b, 1000); return n.current`, `"https://b.test:1"`},
		{"until a minute has passed", `const n = new Nodes(a, [b]); n.learn(acts(a)); n.failed(a, 0); n.answered(b, 60_000); return n.current`, `"https://a.test:1"`},
		{"or it answers again", `const n = new Nodes(a, [b]); n.learn(acts(a)); n.failed(a, 0); n.answered(a, 1); n.answered(b, 2); return n.current`, `"https://a.test:1"`},
		{"none is asked twice in a round", `return String(new Nodes(a, [b]).next(new Set([a, b]), new Map()))`, `"undefined"`},
		{"one that kept silent comes last", `return new Nodes(a, [b]).next(new Set(), new Map([[a, 0]]))`, `"https://b.test:1"`},
		{"and is asked where it is the only one left", `return new Nodes(a, [b]).next(new Set([b]), new Map([[a, 0]]))`, `"https://a.test:1"`},

		{"nobody else is asked whatever an answer says", `const n = new Nodes(a, [b]); n.learn('"' + evil + '";primary, "' + a + '"'); n.answered(a, 0); n.lead(evil); return n.known`, `["https://a.test:1"]`},
		{"but people can be told of it", `const n = new Nodes(a, [b]); n.learn('"' + evil + '";primary, "' + a + '"'); return n.strangers`, `["https://evil.test"]`},
		{"nor one that is reached in the clear", `return new Nodes(a, ['http://b.test:1']).known`, `["https://a.test:1"]`},
		{"unless the page was", `return new Nodes('http://a.test:1', ['http://b.test:1']).known`, `["http://a.test:1","http://b.test:1"]`},
		{"nor what is no address", `return new Nodes(a, ['', 'https://', 'javascript:1', 'https://u:p@b.test:1', 'https://b.test:1/x', 'https://b.test:1?x', 'https://b.test:1#x', 'https://b test:1']).known`, `["https://a.test:1"]`},
		{"one that is no more is forgotten", `const n = new Nodes(a, [b]); n.learn('"' + a + '";primary'); return n.known`, `["https://a.test:1"]`},
		{"and remembered when it is back", `const n = new Nodes(a, [b]); n.learn('"' + a + '"'); n.learn(acts(b)); return n.known`, `["https://a.test:1","https://b.test:1"]`},
		{"where the page came from stays", `const n = new Nodes(a, [b]); n.learn('"' + b + '";primary'); return n.known.includes(a)`, `true`},
		{"what cannot be read teaches nothing", `const n = new Nodes(a, [b]); n.learn('"' + b + '" evil'); n.learn(''); n.learn(null); return n.known.length`, `2`},
		{"ports of the scheme and capitals are none", `const n = new Nodes('https://a.test', ['https://B.test:443']); n.learn('"https://A.TEST:443", "https://b.test";primary'); n.answered('https://a.test', 0); return n.known`, `["https://b.test","https://a.test"]`},

		{"a success is the answer", `return fate(200, null, true, true)`, `{"answered":true}`},
		{"so is a failure", `return fate(500, null, true, true)`, `{"answered":true}`},
		{"and a Kahuna that has no room", `return fate(503, null, true, true)`, `{"answered":true}`},
		{"nothing was begun", `return fate(503, 'none', true, true)`, `{"waits":true}`},
		{"nobody knows", `return fate(503, 'unknown', true, true)`, `{"waits":true,"begun":true}`},
		{"something in between answers", `return [502, 503, 504].map((s) => fate(s, null, false, true).begun === true)`, `[true,true,true]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(t, b, c.body); got != c.want {
				t.Errorf("%s\nis   %s\nwant %s", c.body, got, c.want)
			}
		})
	}
}

// The page reads the list of Kahunas as the command line does, whatever it looks like.
func TestPageReadsTheHeaderAsTheCommandLineDoes(t *testing.T) {
	b := opened(t)
	pieces := rapid.SampledFrom([]string{`"`, `;`, `,`, ` `, "\t", `;primary`, `=?1`, `=?0`, `primary`, `;x="1"`, `"https://a.test:1"`, `"https://b.test"`, `"https://[::1]:8443"`, `"http://a.test"`, `"https://a.test/x"`, `"https://u@a.test"`, `"ftp://a.test"`, `""`, `"https://a b"`, "é", `\`, `, `})
	text := rapid.Map(rapid.SliceOfN(pieces, 0, 8), func(all []string) string { return strings.Join(all, "") })
	chance.Check(t, func(t *rapid.T) {
		texts := append(rapid.SliceOfN(text, 1, 200).Draw(t, "texts"), strings.Repeat(" ", 5000), strings.Repeat(`"https://a.test",`, 9))
		asked, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		var page [][]nodes.Node
		out, err := browser.Eval[string](b, `JSON.stringify(`+string(asked)+`.map((text) => nodes.parse(text)?.map((n) => ({URL: n.url, Primary: n.acts})) ?? null))`)
		if err == nil {
			err = json.Unmarshal([]byte(out), &page)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			want, err := nodes.Parse(text)
			if err != nil || len(want) == 0 {
				want = nil
			}
			if !reflect.DeepEqual(page[i], want) {
				t.Errorf("%q is %+v to the page, %+v to the command line", text, page[i], want)
			}
		}
	})
}
