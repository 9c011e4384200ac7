//go:build lab

package koala

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// world plays the Kahunas, the network and the clock. What a Kahuna does with each request is a step of its script,
// the last one again and again: "refused", "hangs", or the status, the outcome and the list of nodes of an answer. The
// hours pass while somebody waits.
const world = `
globalThis.World = class {
	t = 0; sent = []; timers = new Map(); serial = 0;
	constructor(script) { this.script = script; }
	now = () => this.t;
	after = (ms, f) => { this.timers.set(++this.serial, {at: this.t + ms, f}); return this.serial; };
	cancel = (id) => this.timers.delete(id);
	pass(until) {
		for (;;) {
			const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort((x, y) => x[1].at - y[1].at)[0];
			if (!due) break;
			this.timers.delete(due[0]);
			this.t = due[1].at;
			due[1].f();
		}
		this.t = Math.max(this.t, until);
	}
	pause = async (ms) => this.pass(this.t + ms);
	fetch = async (url, how) => {
		const {origin} = new URL(url), script = this.script[origin];
		let step = typeof script === 'function' ? script(this.t) : script?.length > 1 ? script.shift() : script?.[0];
		const began = !(Array.isArray(step) && step[1] === 'none');
		this.sent.push({to: origin, began, key: how.headers?.['Idempotency-Key'], how});
		if (step === undefined) throw new Error('nobody may be asked at ' + origin);
		if (step === 'refused') throw new TypeError('Failed to fetch');
		if (step === 'hangs') {
			return new Promise((_, no) => {
				how.signal.addEventListener('abort', () => no(how.signal.reason));
				this.pass(Math.min(...[...this.timers.values()].map((timer) => timer.at)));
			});
		}
		const [status, outcome, told, kind] = step, headers = {'Content-Type': kind ?? 'application/json'};
		if (outcome) headers['X-Kowabunga-Outcome'] = outcome;
		if (told) headers['X-Kowabunga-Nodes'] = told;
		return new Response(status === 204 ? null : '{"detail":"as told"}', {status, headers});
	};
};
// play has a page of the first Kahuna ask, once for each of the requests, and answers what became of that.
globalThis.play = async (script, how, count = 1, method = how.again ? 'GET' : 'POST') => {
	const world = new World(script), all = Object.keys(script);
	const follower = new follow.Follower(new nodes.Nodes(all[0], all), world, () => {});
	const ends = [];
	for (let i = 0; i < count; i++) {
		const headers = how.key ? {'Idempotency-Key': how.key + i} : {};
		try {
			ends.push((await follower.ask({method, path: '/api/v2/regions', headers}, {again: Boolean(how.again || how.key)})).status);
		} catch (e) {
			if (!(e instanceof follow.Unanswered)) throw e;
			ends.push(e.unsure ? 'unsure' : 'nobody');
		}
	}
	return {ends, to: world.sent.map((s) => new URL(s.to).hostname[0]).join(''), sent: world.sent, t: world.t, next: follower.nodes.current};
};
`

func TestPageFollows(t *testing.T) {
	b := opened(t)
	for _, c := range []struct{ name, body, want string }{
		{"the first one answers", `const r = await play({[a]: [[200]], [b]: [[200]]}, {again: true}); return [r.ends, r.to]`, `[[200],"a"]`},
		{"a read goes to the other one when the first is dead, and the next one at once",
			`const r = await play({[a]: ['refused'], [b]: [[200, '', acts(b)]]}, {again: true}, 2); return [r.ends, r.to]`, `[[200,200],"abb"]`},
		{"also while the other one still says that the dead one acts",
			`const r = await play({[a]: ['refused'], [b]: [[200, '', acts(a)]]}, {again: true}, 3); return [r.ends, r.to]`, `[[200,200,200],"abbb"]`},
		{"a read waits for a take-over",
			`const r = await play({[a]: ['refused'], [b]: (t) => t < 9000 ? [503, 'none', acts('')] : [200, '', acts(b)]}, {again: true}); return [r.ends, r.t >= 9000 && r.t < 11_000, r.next]`, `[[200],true,"https://b.test:1"]`},
		{"one that stands still is left after five seconds, and not waited for again while none acts",
			`const r = await play({[a]: ['hangs'], [b]: (t) => t < 9000 ? [503, 'none', acts('')] : [200, '', acts(b)]}, {again: true}); return [r.ends, r.t < 16_000, r.sent.filter((s) => s.to === a).length]`, `[[200],true,1]`},
		{"after a handover the page goes to the one that acts",
			`const r = await play({[a]: [[200, '', acts(a)], [200, '', acts(b)]], [b]: [[200, '', acts(b)]]}, {again: true}, 3); return [r.ends, r.to]`, `[[200,200,200],"aab"]`},
		{"nobody answers: that is said after the time of a take-over",
			`const r = await play({[a]: ['refused'], [b]: ['refused']}, {again: true}); return [r.ends, r.t > 30_000 && r.t < 35_000]`, `[["nobody"],true]`},
		{"the only one that refuses is asked three times",
			`const r = await play({[a]: ['refused']}, {again: true}); return [r.ends, r.to]`, `[["nobody"],"aaa"]`},
		{"what somebody in between answers to a read is asked again",
			`const r = await play({[a]: [[502, '', '', 'text/html']], [b]: [[200]]}, {again: true}); return [r.ends, r.to]`, `[[200],"ab"]`},

		{"a write whose connection breaks is not repeated, and nobody says that it was not done",
			`const r = await play({[a]: ['refused'], [b]: [[201]]}, {}); return [r.ends, r.to, r.next]`, `[["unsure"],"a","https://b.test:1"]`},
		{"nor one whose outcome is unknown", `const r = await play({[a]: [[503, 'unknown', acts('')]], [b]: [[201]]}, {}); return [r.ends, r.to]`, `[["unsure"],"a"]`},
		{"one that was not begun is sent to the other one", `const r = await play({[a]: [[503, 'none', acts(b)]], [b]: [[201]]}, {}); return [r.ends, r.to]`, `[[201],"ab"]`},
		{"one with a key is repeated with that key",
			`const r = await play({[a]: ['refused'], [b]: [[201]]}, {key: 'k'}); return [r.ends, r.to, r.sent.map((s) => s.key)]`, `[[201],"ab",["k0","k0"]]`},
		{"a failure is an answer, and not repeated", `const r = await play({[a]: [[500]], [b]: [[201]]}, {key: 'k'}); return [r.ends, r.to]`, `[[500],"a"]`},
		{"so is a refusal", `const r = await play({[a]: [[403]], [b]: [[201]]}, {again: true}); return [r.ends, r.to]`, `[[403],"a"]`},

		{"one with a key that nobody answers may have been done",
			`const r = await play({[a]: ['hangs'], [b]: [[503, 'none', acts('')]]}, {key: 'k'}); return r.ends`, `["unsure"]`},

		{"no cookie, no cache and no other place gets into it",
			`const r = await play({[a]: [[200]]}, {again: true}); const h = r.sent[0].how; return [h.credentials, h.redirect, h.cache, h.referrerPolicy]`, `["omit","error","no-store","no-referrer"]`},
		{"whoever an answer names, nobody else gets the token",
			`const r = await play({[a]: [[200, '', '"' + evil + '";primary, "' + a + '"'], [503, 'none', '"' + evil + '";primary']], [b]: [[200, '', '"' + evil + '";primary']]}, {again: true}, 9); return [...new Set(r.sent.map((s) => s.to))].every((to) => to === a || to === b) && r.to.length >= 9`, `true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(t, b, c.body); got != c.want {
				t.Errorf("%s\nis   %s\nwant %s", c.body, got, c.want)
			}
		})
	}
}

// Whatever the two do: every request ends; a write that may have been carried out is sent again under its key alone;
// and where it may have been, nobody says that it was not.
func TestNoWriteIsCarriedOutTwice(t *testing.T) {
	b := opened(t)
	step := rapid.SampledFrom([]string{`"refused"`, `"hangs"`, `[201]`, `[500]`, `[503]`, `[503, "none"]`, `[503, "unknown"]`, `[503, "none", acts(a)]`, `[503, "none", acts(b)]`, `[201, "", acts(b)]`})
	steps := rapid.Map(rapid.SliceOfN(step, 1, 6), func(all []string) string { return "[" + strings.Join(all, ", ") + "]" })
	chance.Check(t, func(rt *rapid.T) {
		scripts := fmt.Sprintf("{[a]: %s, [b]: %s}", steps.Draw(rt, "a"), steps.Draw(rt, "b"))
		for how, again := range map[string]string{"{}": "r.sent.slice(0, -1).every((s) => !s.began)", "{key: 'k'}": "r.sent.every((s) => s.key === 'k0')"} {
			body := fmt.Sprintf(`const r = await play(%s, %s), done = r.sent.some((s) => s.began);
				return [%s, r.ends[0] !== 'nobody' || !done, r.ends[0] !== 'unsure' || done, r.t < 200_000]`, scripts, how, again)
			if got := told(t, b, body); got != "[true,true,true,true]" {
				rt.Errorf("%s with %s: sent again only as it may be, not denied, not doubted for nothing, ended: %s", scripts, how, got)
			}
		}
	})
}
