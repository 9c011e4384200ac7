// What changed an object, and why it is as it is: both are looked up when somebody asks.

import {html, useState} from '../vendor/htm-preact.js';
import {get} from '../api.js';
import {Trouble, moment, nothing} from '../show.js';

// useAsked reads something once it is asked for.
function useAsked(read) {
  const [state, set] = useState({asked: false, value: null, error: null});
  const ask = async () => {
    set({asked: true, value: null, error: null});
    try {
      set({asked: true, value: await read(), error: null});
    } catch (error) {
      set({asked: true, value: null, error});
    }
  };
  return {...state, ask};
}

export function History({kind, id}) {
  const changes = useAsked(() => get('/audit', {id, limit: 20}));
  const why = useAsked(() => get(`/explain/${kind.name}/${id}`));
  return html`<section><h2>History</h2>
    <p class="buttons"><button type="button" onClick=${changes.ask} data-test="changes">Show what changed it</button>
      <button type="button" onClick=${why.ask} data-test="explain">Why is it as it is?</button></p>
    <${Trouble} error=${changes.error} />
    ${changes.value && html`<${Changes} items=${changes.value.items} />`}
    ${why.error?.status === 404 ? html`<p>${why.error.message}.</p>` : html`<${Trouble} error=${why.error} />`}
    ${why.value && html`<${Facts} facts=${[...(why.value.now ?? []), ...(why.value.operation?.trace?.facts ?? [])]} hidden=${why.value.operation?.trace?.hidden ?? 0} />`}</section>`;
}

const text = (value) => (value === null || value === undefined || value === '' ? nothing : typeof value === 'object' ? JSON.stringify(value) : String(value));

function Changes({items}) {
  if (!items.length) return html`<p>Nothing on record.</p>`;
  return html`<div class="scroll"><table data-test="audit"><thead><tr>${['when', 'who', 'what', 'fields'].map((head) => html`<th key=${head} scope="col">${head}</th>`)}</tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.index}><td>${moment(one.time)}</td><td>${one.actor || nothing}</td><td>${one.what}</td>
      <td class="long"><${Fields} changes=${one.changes} /></td></tr>`)}</tbody></table></div>`;
}

// Fields are those that were changed; where none may be shown, what was done.
function Fields({changes}) {
  const all = changes.flatMap((change) => (change.fields ?? []).map((f) => html`<li key=${change.id + f.field}>${f.field}: ${text(f.before)} → ${text(f.after)}</li>`));
  return all.length ? html`<ul class="values">${all}</ul>` : changes.map((change) => change.action).join(', ') || nothing;
}

// Facts are what a decision was made by.
export function Facts({facts, hidden = 0}) {
  if (!facts.length && !hidden) return html`<p>No facts are on record.</p>`;
  return html`<ul class="facts" data-test="facts">${facts.map((fact, i) => html`<li key=${i}>${fact.what}: ${fact.value}${fact.verdict && html` <b>${fact.verdict}</b>`}</li>`)}
    ${hidden > 0 && html`<li>${hidden} more concern what you may not know of.</li>`}</ul>`;
}
