// Which Kahuna a page asks, and what an answer means for the next attempt. Nothing here asks anybody, looks at a
// clock or touches the page: the moment is given, in milliseconds. The rules are those of the command line.

// The headers of answers, as core/nodes writes them.
export const nodesHeader = 'X-Kowabunga-Nodes';
export const outcomeHeader = 'X-Kowabunga-Outcome';

// Bounds of trying, in milliseconds.
export const bounds = {
  takeover: 30_000, // how long a request waits for a Kahuna that acts: a take-over takes about ten seconds
  slow: 5_000, // how long the first round waits for each of several, and later ones twice as long
  slowUnsure: 10_000, // the same for what cannot be sent again
  alone: 60_000, // how long the only one has
  still: 12_000, // how long one that said nothing is not asked again while another says that none acts
  away: 60_000, // how long one that did not answer is not asked first because another says that it acts
  retryFirst: 300,
  retryLast: 1_000,
};

export const attempts = 3; // of what may be repeated, at the only Kahuna there is

const most = 8; // addresses read out of a header
const longest = 4096; // bytes of it

// address tells whether a text is the address of a Kahuna and nothing else.
function address(text) {
  if (!/^[!-~]+$/.test(text) || /["\\]/.test(text)) return false;
  const scheme = /^https?:\/\//.exec(text)?.[0];
  const host = scheme && text.slice(scheme.length);
  return Boolean(host) && !/[/?#@]/.test(host) && URL.canParse(text);
}

// parse reads a header: [{url, acts}], or null for anything that is no list of addresses.
export function parse(text) {
  if (!text || text.length > longest) return null;
  const all = [];
  const one = /^\s*"([^"]*)"((?:\s*;[^,;]*)*)\s*(?:,(?=.*\S)|$)/; // no comma at the end
  for (let rest = text; rest.trim() !== '';) {
    const found = one.exec(rest);
    if (!found || !address(found[1]) || all.length === most) return null;
    const acts = found[2].split(';').map((p) => p.trim()).some((p) => p === 'primary' || p === 'primary=?1');
    if (all.some((n) => n.url === found[1] || n.acts && acts)) return null;
    all.push({url: found[1], acts});
    rest = rest.slice(found[0].length);
  }
  return all.length ? all : null;
}

// origin is an address as a browser names it: lower case, without the scheme's own port.
export function origin(text) {
  return new URL(text).origin;
}

// Nodes are the Kahunas that a page may ask, in the order to try.
export class Nodes {
  // own is where the page came from, allowed the addresses that its policy lets it ask besides. Others are not
  // asked, whatever an answer says, so that a token never goes anywhere else.
  constructor(own, allowed = []) {
    this.own = origin(own);
    this.allowed = [this.own];
    for (const text of allowed) {
      // From a page that came over TLS nothing is sent in the clear.
      const ok = address(text) && (text.startsWith('https:') || this.own.startsWith('http:'));
      if (ok && !this.allowed.includes(origin(text))) this.allowed.push(origin(text));
    }
    this.known = [...this.allowed];
    this.acts = ''; // as the last answer said
    this.named = []; // all that the last answer named
    this.away = new Map(); // did not answer, and when
  }

  get several() { return this.known.length > 1; }

  // current is the one that is asked first.
  get current() { return this.known[0]; }

  // strangers are Kahunas that there are and that this page may not ask.
  get strangers() { return this.named.filter((url) => !this.allowed.includes(url)); }

  // next is the first that was not tried, one of those that kept silent only when there is no other; undefined when
  // all were tried.
  next(tried, silent) {
    const left = this.known.filter((url) => !tried.has(url));
    return left.find((url) => !silent.has(url)) ?? left[0];
  }

  failed(url, now) { this.away.set(url, now); }

  // answered puts the one first that will be asked next: the one that acts, which saves a request from being passed
  // on, or else the one that answered.
  answered(url, now) {
    this.away.delete(url);
    const at = this.away.get(this.acts);
    const missing = at !== undefined && now - at < bounds.away;
    this.lead(this.acts && !missing && this.known.includes(this.acts) ? this.acts : url);
  }

  // lead puts one first, if it is known.
  lead(url) {
    if (this.known.includes(url)) this.known = [url, ...this.known.filter((other) => other !== url)];
  }

  // learn takes over what an answer says of the Kahunas there are.
  learn(text) {
    const told = parse(text);
    if (!told) return; // an answer of something in between, or of a Kahuna without another
    this.named = told.map((n) => origin(n.url));
    const acting = told.find((n) => n.acts);
    this.acts = acting ? origin(acting.url) : '';
    // Those that are gone are not asked any more, but where the page came from stays.
    const there = (url) => url === this.own || this.named.includes(url);
    this.known = this.known.filter(there);
    for (const url of this.allowed) {
      if (there(url) && !this.known.includes(url)) this.known.push(url);
    }
  }

  // patience is how long one has to begin its answer. again tells that the request may be repeated.
  patience(round, waits, again) {
    if (!this.several || round > 2 && !waits) return bounds.alone;
    const time = Math.min(round, 2) * bounds.slow;
    return again ? time : Math.max(time, bounds.slowUnsure);
  }
}

// fate is what became of a request that got an answer: {answered} is the answer; {waits} says that the Kahuna is up
// and that none acts at the moment, with {begun} when it may have been carried out. ours tells that the answer has
// the form of a Kahuna's.
export function fate(status, outcome, ours, several) {
  if (status === 503 && outcome === 'none') return {waits: true};
  if (status === 503 && outcome === 'unknown') return {waits: true, begun: true};
  if ([502, 503, 504].includes(status) && !ours && several) return {begun: true}; // of something in between
  return {answered: true};
}
