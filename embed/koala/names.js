// Names of objects that others refer to by their ids.

import {html, useEffect, useState} from './vendor/htm-preact.js';
import {list, read} from './api.js';
import {session} from './session.js';

const fresh = 60_000; // milliseconds that a name counts; people rename seldom
const few = 4; // names of a kind that are asked for one by one; more come as a list

const known = new Map(); // "kind id": {name, at}
const asked = new Map(); // kind: Map of id to those who wait for it

const keyOf = (kind, id) => `${kind.name} ${id}`;

// Nothing that one person may know is kept for the next.
let reader = '';
session.watch(({token}) => {
  if (token !== reader) known.clear();
  reader = token;
});

function keep(kind, id, name) {
  known.set(keyOf(kind, id), {name, at: Date.now()});
}

// answer reads the names that were asked for in one go.
async function answer(kind) {
  const waiting = asked.get(kind);
  asked.delete(kind);
  const ids = [...waiting.keys()];
  try {
    if (ids.length > few) {
      const page = await list(kind, {limit: 1000});
      for (const object of page.items) keep(kind, object.id, object.name);
    }
  } catch {
    // They are asked for one by one below.
  }
  await Promise.all(ids.slice(0, 50).map(async (id) => {
    if (known.has(keyOf(kind, id))) return;
    try {
      keep(kind, id, (await read(kind, id)).name);
    } catch {
      keep(kind, id, ''); // gone, or not for this person to know: the id is all there is
    }
  }));
  for (const [id, all] of waiting) for (const tell of all) tell(known.get(keyOf(kind, id))?.name ?? '');
}

function ask(kind, id, tell) {
  if (!asked.has(kind)) {
    asked.set(kind, new Map());
    queueMicrotask(() => setTimeout(answer, 0, kind)); // after everything that is drawn now has asked
  }
  const waiting = asked.get(kind);
  waiting.set(id, [...(waiting.get(id) ?? []), tell]);
}

// note remembers names that came along with something else.
export function note(kind, objects) {
  for (const object of objects) keep(kind, object.id, object.name);
}

// Name is the name of an object, its id until that is known.
export function Name({kind, id}) {
  const have = known.get(keyOf(kind, id));
  const [name, set] = useState(have?.name ?? '');
  useEffect(() => {
    const now = known.get(keyOf(kind, id));
    set(now?.name ?? '');
    if (now && Date.now() - now.at < fresh) return undefined;
    let over = false;
    ask(kind, id, (found) => { if (!over) set(found); });
    return () => { over = true; };
  }, [kind, id]);
  return html`<span title=${id}>${name || id}</span>`;
}
