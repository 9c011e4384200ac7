// Values for people. A value that is not there is a dash.

import {html} from './vendor/htm-preact.js';
import {label, named} from './catalogue.js';
import {Name} from './names.js';
import {Link} from './router.js';
import {session, superAdmin} from './session.js';

export const nothing = '-';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

// bytes is a size in the unit that suits it: at most one digit behind the point.
export function bytes(n) {
  let unit = 0;
  let value = n;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium'});

// moment is a time in the reader's time zone.
export function moment(text) {
  const at = new Date(text);
  return text && !Number.isNaN(at.getTime()) ? html`<time datetime=${text} title=${text}>${clock.format(at)}</time>` : nothing;
}

// ago is how long ago something was, roughly.
export function ago(text, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - new Date(text).getTime()) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

// share is a part of a whole in percent; null where there is no whole.
export const share = (part, whole) => (whole > 0 ? Math.round((100 * part) / whole) : null);

const absent = (value) => value === null || value === undefined || value === '' || Array.isArray(value) && value.length === 0;

// Value shows the value of a field of the catalogue. brief leaves out what needs room.
export function Value({field, value, brief = false}) {
  if (absent(value)) return nothing;
  if (Array.isArray(value)) {
    const one = {...field, type: field.items};
    if (one.type === 'object') return brief ? `${value.length}` : html`<${Rows} fields=${field.fields} rows=${value} />`;
    const rest = brief ? value.slice(3) : [];
    const first = brief ? value.slice(0, 3) : value;
    return html`<ul class="values">${first.map((item) => html`<li key=${item}><${Value} field=${one} value=${item} /></li>`)}
      ${rest.length > 0 && html`<li>and ${rest.length} more</li>`}</ul>`;
  }
  if (field.type === 'object') return html`<${Pairs} fields=${field.fields ?? []} value=${value} />`;
  if (field.ref) return html`<${Ref} kind=${field.ref} id=${value} />`;
  if (field.type === 'boolean') return value ? 'yes' : 'no';
  if (field.bytes) return html`<span title="${value} bytes">${bytes(value)}</span>`;
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return moment(value);
  return String(value);
}

// Ref is a link to another object, by its name.
export function Ref({kind, id}) {
  const of = named(kind);
  if (!id) return nothing;
  if (of?.reserved && !superAdmin(session.value.who)) return id; // there is nothing that one may see behind it
  return of ? html`<${Link} href="/pages/${of.plural}/${id}"><${Name} kind=${of} id=${id} /><//>` : id;
}

// Pairs are the fields of a structure, one a line.
function Pairs({fields, value}) {
  return html`<dl class="inner">${fields.filter((f) => f.name in value).map((f) => html`
    <div key=${f.name}><dt title=${f.doc}>${label(f)}</dt><dd><${Value} field=${f} value=${value[f.name]} /></dd></div>`)}</dl>`;
}

// Rows are structures under each other.
function Rows({fields, rows}) {
  return html`<div class="scroll"><table class="inner"><thead><tr>${fields.map((f) => html`<th key=${f.name} scope="col" title=${f.doc}>${label(f)}</th>`)}</tr></thead>
    <tbody>${rows.map((row, i) => html`<tr key=${i}>${fields.map((f) => html`<td key=${f.name}><${Value} field=${f} value=${row[f.name]} /></td>`)}</tr>`)}</tbody></table></div>`;
}

// Labels are those of an object.
export function Labels({value}) {
  const all = Object.entries(value ?? {});
  return all.length ? html`<ul class="labels">${all.map(([key, text]) => html`<li key=${key}>${key}=${text}</li>`)}</ul>` : nothing;
}

// Trouble says why something could not be read, where a view would have shown it.
export function Trouble({error}) {
  if (!error) return null;
  return html`<p class="trouble" role="alert" data-test="trouble">${error.message}${error.request && html` <small>(request ${error.request})</small>`}</p>`;
}

// Meter is how much of something is used.
export function Meter({part, whole, text}) {
  const percent = share(part, whole);
  return html`<span class="meter"><span>${text}</span>${percent !== null && html`<span class="bar" role="img" aria-label="${percent} percent">
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="6" class="whole" /><rect width=${Math.min(100, percent)} height="6" class=${percent >= 90 ? 'part full' : 'part'} /></svg></span>`}</span>`;
}
