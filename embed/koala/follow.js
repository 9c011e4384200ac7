// Asks one Kahuna after the other until one answers, by the rules in nodes.js.

import {attempts, bounds, fate, nodesHeader, outcomeHeader} from './nodes.js';

// Unanswered is a request that no Kahuna answered. unsure tells that it may have been carried out all the same.
export class Unanswered extends Error {
  constructor(message, unsure) {
    super(message);
    this.unsure = unsure;
  }
}

const doubtful = (why) => `${why}. What you asked for may have been done or not`;

const bodyTime = 30_000; // for the rest of an answer that has begun

const host = (url) => new URL(url).host;

// refusal says in words what an answer means that is none.
function refusal(url, status, became) {
  if (!became.waits) return `${host(url)} answers ${status}`;
  return became.begun ? `${host(url)} does not know what became of it` : `${host(url)} says that no Kahuna acts at the moment`;
}

// Follower sends requests. world has what they need of the outside: fetch, now and pause. notice is told what goes
// on: {trouble: text} while nobody has answered, {} once one has.
export class Follower {
  constructor(nodes, world, notice) {
    this.nodes = nodes;
    this.world = world;
    this.notice = notice;
    this.failures = new Map(); // why each did not answer, since one last did
  }

  // tell says what is wrong, all of it: many requests may be under way, each with another one of the Kahunas.
  tell(url, why, then) {
    this.failures.set(url, why);
    this.notice({trouble: [...this.failures.values(), then].filter(Boolean).join('; ')});
  }

  well() {
    this.failures.clear();
    this.notice({});
  }

  // ask sends {method, path, headers, body} and answers {status, headers, text, from}. again tells that it may be
  // sent once more although it may have been carried out: it is a read, or has an Idempotency-Key. With at it goes to
  // that Kahuna alone. Throws Unanswered.
  async ask(request, {again = false, at = ''} = {}) {
    const {nodes, world} = this;
    if (at) {
      const became = await this.once(at, request, bounds.slow);
      if (!became.answered) throw new Unanswered(became.why, true);
      return became.answer;
    }
    const began = world.now();
    const silent = new Map(); // did not answer in time, and when they were asked
    let wait = bounds.retryFirst;
    let returned = false;
    let unsure = false;
    for (let round = 1; ; round++) {
      const tried = new Set();
      const failures = [];
      let waits = false;
      let doubt = false;
      for (;;) {
        const url = nodes.next(tried, silent);
        if (!url || waits && world.now() - (silent.get(url) ?? -Infinity) < bounds.still) break;
        tried.add(url);
        const asked = world.now();
        const became = await this.once(url, request, nodes.patience(round, waits, again));
        if (became.silent) silent.set(url, asked); else silent.delete(url);
        if (became.answered) {
          nodes.answered(url, world.now());
          this.well();
          return became.answer;
        }
        if (!became.waits) nodes.failed(url, world.now());
        unsure ||= Boolean(became.begun) && !['GET', 'HEAD'].includes(request.method);
        if (became.begun && !again) {
          nodes.lead(nodes.next(tried, silent)); // the next request goes elsewhere
          this.tell(url, became.why, '');
          throw new Unanswered(doubtful(became.why), unsure);
        }
        failures.push(became.why);
        waits ||= became.waits;
        doubt ||= became.begun;
        const then = nodes.next(tried, silent);
        this.tell(url, became.why, then ? `asking ${host(then)}` : 'trying again');
        if (became.waits && became.acts && !returned) { // once: it may be mistaken
          returned = true;
          nodes.lead(url);
          break;
        }
      }
      const over = world.now() - began > bounds.takeover;
      const lonely = !nodes.several && !waits && (!doubt || round === attempts);
      if (over || lonely) {
        const why = failures.join('; ');
        throw new Unanswered(unsure ? doubtful(why) : why, unsure);
      }
      await world.pause(wait * (1 + Math.random() / 4)); // many may wait for the same one
      wait = Math.min(2 * wait, bounds.retryLast);
    }
  }

  // once sends a request to one Kahuna, which has patience milliseconds to begin its answer.
  async once(url, {method, path, headers, body}, patience) {
    const {nodes, world} = this;
    const stop = new AbortController();
    let late = false;
    let timer = world.after(patience, () => { late = true; stop.abort(); });
    try {
      const response = await world.fetch(url + path, {
        method, headers, body, signal: stop.signal,
        cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer',
      });
      world.cancel(timer);
      timer = world.after(bodyTime, () => stop.abort());
      nodes.learn(response.headers.get(nodesHeader));
      const text = await response.text();
      const kind = response.headers.get('Content-Type') ?? '';
      const ours = /^application\/(problem\+)?json/.test(kind);
      const became = fate(response.status, response.headers.get(outcomeHeader), ours, nodes.several);
      if (became.answered) return {answered: true, answer: {status: response.status, headers: response.headers, text, from: url}};
      if (became.waits && nodes.acts && nodes.acts !== url) nodes.lead(nodes.acts);
      return {...became, acts: nodes.acts === url, why: refusal(url, response.status, became)};
    } catch {
      // A browser does not tell a connection that was refused from one that broke: it may have been carried out.
      return {begun: true, silent: late, why: `${host(url)} does not answer`};
    } finally {
      world.cancel(timer);
    }
  }
}
