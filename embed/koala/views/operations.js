// Work that goes on after an answer.

import {html, useEffect, useState} from '../vendor/htm-preact.js';
import {get} from '../api.js';
import {named} from '../catalogue.js';
import {useLive} from '../live.js';
import {Link, go, to, usePlace} from '../router.js';
import {Trouble, bytes, moment, nothing, share} from '../show.js';
import {Facts} from './history.js';

const every = 5_000; // milliseconds between reads of the list
const closely = 1_500; // the same of one that is under way

const states = ['running', 'unwinding', 'succeeded', 'failed', 'cancelled'];
const look = {succeeded: 'good', failed: 'bad', cancelled: 'off', running: 'odd', unwinding: 'odd'};

const State = ({state}) => html`<span class="state ${look[state]}">${state}</span>`;

// Target is what an operation is about.
function Target({target}) {
  const kind = named(target.kind);
  if (!target.id) return nothing;
  return kind ? html`${kind.name} <${Link} href="/pages/${kind.plural}/${target.id}">${target.name || target.id}<//>` : `${target.kind} ${target.name}`;
}

// OperationRows are operations, the newest first. brief leaves out what they are about.
export function OperationRows({items, brief = false}) {
  return html`<div class="scroll"><table data-test="operations"><thead><tr><th scope="col">operation</th>${!brief && html`<th scope="col">of</th>`}<th scope="col">state</th><th scope="col">by</th><th scope="col">begun</th><th scope="col">what went wrong</th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.id} data-test="operation-row" data-id=${one.id}><th scope="row"><${Link} href="/pages/operations/${one.id}">${one.name || one.what}<//></th>
      ${!brief && html`<td><${Target} target=${one.target} /></td>`}<td><${State} state=${one.state} /></td><td>${one.actor}</td><td>${moment(one.created)}</td><td class="long">${one.fault?.message ?? nothing}</td></tr>`)}</tbody></table></div>`;
}

const most = 100; // shown at once

export function Operations() {
  const {path, query} = usePlace();
  const state = states.includes(query.state) ? query.state : '';
  const {value, error} = useLive(() => get('/operations', {state, limit: most, sort: '-id'}), `operations ${state}`, every);
  // Ids are in order of time only from one second to the next.
  const items = (value?.items ?? []).toSorted((a, b) => b.created.localeCompare(a.created));
  return html`<h1>Operations</h1>
    <p class="summary">What takes longer than an answer, and what came of it; the newest first.</p>
    <div class="tools"><select aria-label="State" onChange=${(event) => go(to(path, {state: event.currentTarget.value}), {replace: true})} data-test="operation-state">
      <option value="" selected=${!state}>In any state</option>${states.map((one) => html`<option key=${one} value=${one} selected=${one === state}>${one}</option>`)}</select></div>
    <${Trouble} error=${error} />
    ${value && (items.length ? html`<${OperationRows} items=${items} />` : html`<p data-test="empty">No operations ${state ? `are ${state}` : 'are on record'}.</p>`)}
    ${value?.next && html`<p>These are the last ${most}. All of them: <code>kowabunga operations list</code></p>`}`;
}

export function Operation({id}) {
  const [pace, settle] = useState(closely);
  const {value: one, error} = useLive(() => get(`/operations/${id}`), `operation ${id}`, pace);
  useEffect(() => { if (one?.finished) settle(0); }, [one?.finished]);
  if (!one) return html`<h1>Operation</h1><${Trouble} error=${error} />`;
  const percent = one.progress && share(one.progress.done, one.progress.total);
  const amount = (n) => (one.progress.unit === 'bytes' ? bytes(n) : n);
  return html`<p class="crumbs"><${Link} href="/pages/operations">Operations<//></p>
    <h1 data-test="operation" data-state=${one.state}>${one.name}</h1>
    <p class="summary"><${State} state=${one.state} /> ${one.cancel && !one.finished && 'It is being called off.'}</p>
    <${Trouble} error=${error} />
    ${one.fault && html`<p class="trouble" role="alert">${one.fault.message} (${one.fault.code})</p>`}
    ${one.progress && html`<p>${one.progress.note} ${amount(one.progress.done)}${one.progress.total > 0 && ` of ${amount(one.progress.total)}, ${percent} %`}</p>`}
    <dl class="fields"><div><dt>of</dt><dd><${Target} target=${one.target} /></dd></div><div><dt>by</dt><dd>${one.actor || nothing}</dd></div>
      <div><dt>begun</dt><dd>${moment(one.created)}</dd></div><div><dt>finished</dt><dd>${moment(one.finished)}</dd></div>
      <div><dt>request</dt><dd>${one.request || nothing}</dd></div></dl>
    <section><h2>Steps</h2>${one.steps.length === 0 ? html`<p>It has none.</p>` : html`<ol class="steps">${one.steps.map((step, i) => html`<li key=${i}>${step.name}: ${step.state}${step.attempt > 1 && `, attempt ${step.attempt}`}</li>`)}</ol>`}</section>
    <section><h2>Decided by</h2><${Facts} facts=${one.trace?.facts ?? []} hidden=${one.trace?.hidden} /></section>`;
}
