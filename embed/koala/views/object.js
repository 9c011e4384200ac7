// One object with all its fields, what lies in it, and what became of it.

import {html, useState} from '../vendor/htm-preact.js';
import {get, path, read} from '../api.js';
import {kinds} from '../kinds.js';
import {label, within} from '../catalogue.js';
import {useLive} from '../live.js';
import {note} from '../names.js';
import {Link, to} from '../router.js';
import {superAdmin} from '../session.js';
import {Labels, Ref, Trouble, Value, bytes, moment, nothing} from '../show.js';
import {History} from './history.js';
import {OperationRows} from './operations.js';
import {Power} from './power.js';

const every = 10_000; // milliseconds between reads

// shown elsewhere on the page
const above = ['name', 'description'];

export function ObjectPage({kind, id, who}) {
  const [done, count] = useState(0); // power actions
  const {value, error} = useLive(async () => {
    const object = await read(kind, id);
    note(kind, [object]);
    return object;
  }, `${kind.name} ${id}`, every);
  if (!value) return html`<h1>${kind.name}</h1><${Trouble} error=${error} />${!error && html`<p>One moment…</p>`}`;
  const fields = kind.fields.filter((field) => !above.includes(field.name) && field.name in value);
  const inner = kinds.filter((other) => within(other, kind.name) && (!other.reserved || superAdmin(who)));
  return html`
    <p class="crumbs"><${Link} href="/pages/${kind.plural}">${kind.heading}<//></p>
    <h1 data-test="object" data-id=${value.id}>${value.name || value.id}</h1>
    <p class="summary">${value.description || kind.title}${value.phase && value.phase !== 'ready' && html` <span class="state odd">${value.phase}</span>`}</p>
    <${Trouble} error=${error} />
    ${kind.power && html`<${Power} kind=${kind} object=${value} onEnd=${() => count((n) => n + 1)} />`}
    <${Group} title="Settings" fields=${fields.filter((field) => !field.set)} object=${value} />
    <${Group} title="Given by Kahuna" fields=${fields.filter((field) => field.set)} object=${value} />
    <section><h2>Place and time</h2><dl class="fields">
      ${kind.parents.map((parent) => html`<div key=${parent}><dt>${parent}</dt><dd><${Ref} kind=${parent} id=${value[`${parent}_id`]} /></dd></div>`)}
      <div><dt>labels</dt><dd><${Labels} value=${value.labels} /></dd></div>
      <div><dt>made</dt><dd>${moment(value.created)}</dd></div>
      <div><dt>changed</dt><dd>${moment(value.updated)}</dd></div></dl></section>
    ${inner.length > 0 && html`<section><h2>In it</h2><ul class="links">${inner.map((other) => html`<li key=${other.name}><${Link} href=${to(`/pages/${other.plural}`, {[kind.name]: value.id})}>${other.heading}<//></li>`)}</ul></section>`}
    ${kind.hardware && html`<${Hardware} kind=${kind} id=${value.id} />`}
    ${kind.status && (kind.status === 'anyone' || superAdmin(who)) && html`<${Standing} kind=${kind} id=${value.id} />`}
    <${Recent} id=${value.id} key=${done} />
    <${History} kind=${kind} id=${value.id} />`;
}

function Group({title, fields, object}) {
  if (!fields.length) return null;
  return html`<section><h2>${title}</h2><dl class="fields">${fields.map((field) => html`
    <div key=${field.name} data-field=${field.name}><dt title=${field.doc}>${label(field)}</dt><dd><${Value} field=${field} value=${object[field.name]} /></dd></div>`)}</dl></section>`;
}

// Hardware is what a host last reported of itself.
function Hardware({kind, id}) {
  const {value, error} = useLive(() => get(`${path(kind, id)}/caps`), `caps ${id}`, 0);
  if (!value) return html`<${Trouble} error=${error} />`;
  const {cpu, memory} = value;
  const rows = [['processor', [cpu.vendor, cpu.model, cpu.arch].filter(Boolean).join(' ') || nothing], ['sockets', cpu.sockets], ['cores', cpu.cores], ['threads', cpu.threads], ['memory', bytes(memory)]];
  return html`<section><h2>Hardware</h2><dl class="fields">${rows.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}</dl></section>`;
}

// Standing is how agents stand to what is wanted of them.
function Standing({kind, id}) {
  const {value, error} = useLive(() => get(`${path(kind, id)}/status`), `status ${id}`, every);
  const states = value?.states ?? [];
  return html`<section><h2>Agents</h2><${Trouble} error=${error} />
    ${value?.problems?.map((text) => html`<p class="trouble" key=${text}>${text}</p>`)}
    ${value && states.length === 0 && html`<p>No agent has anything to do with it.</p>`}
    ${states.length > 0 && html`<div class="scroll"><table><thead><tr>${['agent', 'state', 'connected', 'wanted', 'held', 'problems'].map((head) => html`<th key=${head} scope="col">${head}</th>`)}</tr></thead>
      <tbody>${states.map((s, i) => html`<tr key=${i}><td>${s.name || nothing}</td><td>${s.state}</td><td>${s.online ? 'yes' : 'no'}</td><td class="number">${s.wanted}</td><td class="number">${s.held}${s.applied ? '' : ' (not applied)'}</td><td>${s.problems.join('; ') || nothing}</td></tr>`)}</tbody></table></div>`}</section>`;
}

// Recent are the last operations on an object.
function Recent({id}) {
  const {value, error} = useLive(() => get('/operations', {target: id, sort: '-id', limit: 5}), `operations ${id}`, every);
  const last = (value?.items ?? []).toSorted((a, b) => b.created.localeCompare(a.created));
  return html`<section><h2>Operations</h2><${Trouble} error=${error} />
    ${value && (last.length ? html`<${OperationRows} items=${last} brief />` : html`<p>None on record.</p>`)}</section>`;
}
