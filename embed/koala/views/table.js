// The objects of a kind: a page of them at a time, found by name, project or whatever they lie in.

import {html, useEffect, useState} from '../vendor/htm-preact.js';
import {list} from '../api.js';
import {columns, label, named, sortable, within} from '../catalogue.js';
import {useLive} from '../live.js';
import {Name, note} from '../names.js';
import {Link, go, to, usePlace} from '../router.js';
import {superAdmin} from '../session.js';
import {Trouble, Value, nothing} from '../show.js';
import {State} from './state.js';

const every = 15_000; // milliseconds between reads
const atOnce = 50;
const machinesAtOnce = 25; // each is asked how it is, every few seconds

// where is what of the address narrows the table: what the objects lie in.
const where = (kind, query) => Object.fromEntries(kind.parents.filter((parent) => query[parent]).map((parent) => [parent, query[parent]]));

export function Table({kind, who}) {
  const {path, query} = usePlace();
  const inside = where(kind, query);
  const search = query.name ?? '';
  const [cursors, turn] = useState(['']);
  const cursor = cursors[cursors.length - 1];
  const order = query.sort ?? 'name';
  const asked = {...inside, limit: kind.state ? machinesAtOnce : atOnce, sort: order, cursor, filter: search && `name~${search}`};
  const key = JSON.stringify([kind.name, asked]);
  const {value, error} = useLive(async () => {
    const page = await list(kind, asked);
    note(kind, page.items);
    return page;
  }, key, every);
  const narrow = (more) => {
    turn(['']);
    go(to(path, {...inside, name: search, sort: query.sort, ...more}), {replace: true});
  };
  const items = value?.items ?? [];
  const all = columns(kind);
  const phases = items.some((one) => one.phase && one.phase !== 'ready');
  const found = Object.keys(inside).length > 0 || search !== '';
  return html`
    <h1>${kind.heading}</h1>
    <p class="summary">${kind.summary}</p>
    <div class="tools" role="search">
      <${Search} text=${search} onChange=${(name) => narrow({name})} label=${`Search ${kind.plural} by name`} />
      ${within(kind, 'project') && html`<${Projects} chosen=${inside.project ?? ''} onChange=${(project) => narrow({project})} />`}
      ${Object.entries(inside).filter(([parent]) => parent !== 'project').map(([parent, id]) => html`
        <button type="button" class="chip" key=${parent} onClick=${() => narrow({[parent]: ''})} aria-label=${`Not only those in this ${parent}`}>in ${parent} <${Name} kind=${named(parent)} id=${id} /> ×</button>`)}
    </div>
    <${Trouble} error=${error} />
    ${value && items.length === 0 && html`<${Nobody} kind=${kind} who=${who} found=${found} />`}
    ${!value && !error && html`<p>One moment…</p>`}
    ${items.length > 0 && html`
    <div class="scroll"><table data-test="table" data-kind=${kind.name}>
      <thead><tr><${Head} field=${name} order=${order} onSort=${(sort) => narrow({sort})} />${kind.state && html`<th scope="col">state</th>`}${all.map((field) => html`<${Head} key=${field.name} field=${field} order=${order} onSort=${(sort) => narrow({sort})} />`)}${phases && html`<th scope="col">phase</th>`}</tr></thead>
      <tbody>${items.map((one) => html`<tr key=${one.id} data-test="row" data-id=${one.id} data-name=${one.name}>
        <th scope="row"><${Link} href="/pages/${kind.plural}/${one.id}">${one.name || one.id}<//></th>
        ${kind.state && html`<td><${State} kind=${kind} id=${one.id} /></td>`}
        ${all.map((field) => html`<td key=${field.name} class=${field.type === 'integer' ? 'number' : ''}><${Value} field=${field} value=${one[field.name]} brief /></td>`)}
        ${phases && html`<td>${one.phase || nothing}</td>`}</tr>`)}</tbody>
    </table></div>`}
    ${(cursors.length > 1 || value?.next) && html`<p class="pages">
      <button type="button" disabled=${cursors.length < 2} onClick=${() => turn(cursors.slice(0, -1))}>Previous</button>
      <span>page ${cursors.length}</span>
      <button type="button" disabled=${!value?.next} onClick=${() => turn([...cursors, value.next])}>Next</button></p>`}`;
}

const name = {name: 'name', type: 'string'};

// Head is the heading of a column, which puts the rows in its order.
function Head({field, order, onSort}) {
  const up = order === field.name;
  const down = order === `-${field.name}`;
  const style = field.type === 'integer' ? 'number' : '';
  if (!sortable(field)) return html`<th scope="col" title=${field.doc} class=${style}>${label(field)}</th>`;
  return html`<th scope="col" title=${field.doc} class=${style} aria-sort=${up ? 'ascending' : down ? 'descending' : 'none'}>
    <button type="button" class="sort" onClick=${() => onSort(up ? `-${field.name}` : field.name)}>${label(field)}${up && ' ↑'}${down && ' ↓'}</button></th>`;
}

// Search waits until nothing more is typed for a moment.
function Search({text, onChange, label: words}) {
  const [typed, type] = useState(text);
  useEffect(() => type(text), [text]);
  useEffect(() => {
    if (typed === text) return undefined;
    const timer = setTimeout(() => onChange(typed.trim()), 300);
    return () => clearTimeout(timer);
  }, [typed]);
  return html`<input type="search" placeholder="Search by name" aria-label=${words} value=${typed} onInput=${(event) => type(event.currentTarget.value)} data-test="search" />`;
}

function Projects({chosen, onChange}) {
  const {value} = useLive(() => list(named('project'), {limit: 1000, sort: 'name'}), 'projects', 0);
  const all = value?.items ?? [];
  return html`<select aria-label="Project" value=${chosen} onChange=${(event) => onChange(event.currentTarget.value)} data-test="project">
    <option value="" selected=${chosen === ''}>All projects</option>
    ${chosen && !all.some((one) => one.id === chosen) && html`<option value=${chosen} selected>${chosen}</option>`}
    ${all.map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === chosen}>${one.name}</option>`)}
  </select>`;
}

// Nobody says what an empty table means, and what comes next.
function Nobody({kind, who, found}) {
  if (found) return html`<p data-test="empty">No ${kind.plural} are like that.</p>`;
  const makes = kind.create && (superAdmin(who) || kind.group === 'projects');
  return html`<p data-test="empty">There are no ${kind.plural} that you may see.${makes && html` The command line makes them: <code>kowabunga ${kind.name} create --help</code>`}</p>`;
}
