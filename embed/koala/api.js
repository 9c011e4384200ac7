// Reads of the API, by whichever Kahuna answers, and the errors that it answers. What writes is in writes.js.

import {Follower, Unanswered} from './follow.js';
import {Nodes} from './nodes.js';
import {secrets} from './kinds.js';
import {end, token} from './session.js';
import {Store} from './store.js';

// Problem is an answer that is an error: the server's words, and what to find it by in the logs.
export class Problem extends Error {
  constructor(status, {detail, reason, code, parameter, request} = {}, again = '') {
    super(detail ?? reason ?? `The server answered ${status}.`);
    Object.assign(this, {status, code, parameter, request, again});
  }
}

const currentKey = 'koala.kahuna';

const listed = document.querySelector('meta[name=kowabunga-nodes]')?.content ?? '';
export const nodes = new Nodes(location.origin, listed.split(' ').filter(Boolean));
nodes.lead(sessionStorage.getItem(currentKey) ?? nodes.own);

// following is what people are told: {current, acts, away, strangers, trouble}.
export const following = new Store(told(''));

function told(trouble) {
  return {current: nodes.current, acts: nodes.acts, several: nodes.several, away: [...nodes.away.keys()], named: nodes.named, strangers: nodes.strangers, trouble};
}

const world = {
  fetch: (...args) => fetch(...args),
  now: () => Date.now(),
  pause: (time) => new Promise((done) => setTimeout(done, time)),
  after: (time, act) => setTimeout(act, time),
  cancel: (timer) => clearTimeout(timer),
};

export const follower = new Follower(nodes, world, ({trouble = ''}) => {
  sessionStorage.setItem(currentKey, nodes.current);
  const next = told(trouble);
  if (JSON.stringify(next) !== JSON.stringify(following.value)) following.set(next);
});

const secret = new Set(secrets);

// understand reads JSON. Reads ask for no secrets; should one come nevertheless, it is dropped before anything sees it.
function understand(text) {
  if (!text) return null;
  try {
    return JSON.parse(text, (name, value) => (secret.has(name) ? undefined : value));
  } catch {
    return null;
  }
}

// send makes a request and answers {status, body, from}. Throws Problem, Unanswered.
export async function send(request, {open = false, ...how} = {}) {
  const headers = {Accept: 'application/json', 'X-Request-Id': `koala-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`, ...request.headers};
  const mine = open ? '' : token();
  if (!open && !mine) throw new Problem(401, {detail: 'Sign in first.'});
  if (mine) headers.Authorization = `Bearer ${mine}`;
  if (request.body !== undefined) headers['Content-Type'] = 'application/json';
  const answer = await follower.ask({...request, headers, body: request.body === undefined ? undefined : JSON.stringify(request.body)}, how);
  const body = understand(answer.text);
  // One that only follows may not know of the login yet.
  if (answer.status === 401 && !open && !how.at && mine === token()) end('Your login is over. Sign in again to go on.');
  if (answer.status >= 400) throw new Problem(answer.status, body ?? {}, answer.headers.get('Retry-After') ?? '');
  return {status: answer.status, body, from: answer.from};
}

// Parameters that a Kahuna of the release before may not know; without them the answer is good enough. While a pair is
// upgraded, a page of one release asks a Kahuna of the other.
const newer = ['secrets', 'sort'];

// get reads something of API v2. query is an object; a list of values repeats a parameter.
export async function get(path, query = {}, how = {}) {
  try {
    return await once(path, query, how);
  } catch (err) {
    if (err.status !== 400 || !newer.includes(err.parameter)) throw err;
    return get(path, {...query, [err.parameter]: ''}, how);
  }
}

async function once(path, query, how) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== '' && one !== undefined) q.append(name, one);
  }
  const text = q.toString();
  const answer = await send({method: 'GET', path: `/api/v2${path}${text && '?'}${text}`}, {again: true, ...how});
  return answer.body;
}

// anybody may ask this; the answer is short, and tells that a Kahuna that acts can be reached.
const anybody = {method: 'HEAD', path: '/api/v2/openapi.json'};

// reach finds out which of several Kahunas answers, before something is sent that cannot be sent again. Whatever the
// answer is, it is one.
export async function reach() {
  if (nodes.several) await follower.ask(anybody, {again: true});
}

// look asks one that did not answer whether it does by now, so that people see it come back.
export async function look() {
  const gone = following.value.away.find((url) => nodes.known.includes(url));
  if (!gone) return;
  try {
    await follower.ask(anybody, {at: gone});
    nodes.answered(gone, Date.now());
    following.set(told(following.value.trouble));
  } catch (err) {
    if (!(err instanceof Unanswered)) throw err;
  }
}

export const path = (kind, id) => `/${kind.plural}/${encodeURIComponent(id)}`;

// Objects are read without their secrets: nothing here shows them.
export const read = (kind, id) => get(path(kind, id), {secrets: 'false'});
export const list = (kind, query = {}) => get(`/${kind.plural}`, {...query, secrets: 'false'});
