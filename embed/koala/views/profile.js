// Who is signed in, and from where.

import {html} from '../vendor/htm-preact.js';
import {list, read} from '../api.js';
import {named} from '../catalogue.js';
import {useLive} from '../live.js';
import {Trouble, Value, moment, nothing} from '../show.js';

const every = 30_000; // milliseconds between reads

const roles = {
  superAdmin: 'sees and manages everything',
  projectAdmin: 'manages what is in the projects of his teams',
  user: 'sees what is in the projects of his teams, and powers its machines',
};

export function Profile({who}) {
  const kind = named('user');
  const {value, error} = useLive(() => read(kind, who.user), `user ${who.user}`, every);
  const fields = kind.fields.filter((field) => value && field.name in value && field.name !== 'role');
  return html`<h1>${who.name}</h1><p class="summary">${who.role}: ${roles[who.role] ?? nothing}</p>
    <${Trouble} error=${error} />
    ${value && html`<dl class="fields">${fields.map((field) => html`<div key=${field.name}><dt title=${field.doc}>${field.name.replaceAll('_', ' ')}</dt><dd><${Value} field=${field} value=${value[field.name]} /></dd></div>`)}</dl>`}
    <${Logins} who=${who} />
    <section><h2>Password</h2><p>Sign out and choose "Forgotten your password?", or: <code>kowabunga user reset-password --help</code></p></section>`;
}

// Logins are those of the person, the present one among them.
function Logins({who}) {
  const {value, error} = useLive(() => list(named('session'), {user: who.user, limit: 100}), `sessions ${who.user}`, every);
  const all = value?.items ?? [];
  return html`<section><h2>Logins</h2><${Trouble} error=${error} />
    ${all.length > 0 && html`<div class="scroll"><table data-test="logins"><thead><tr>${['from', 'program', 'begun', 'ends'].map((head) => html`<th key=${head} scope="col">${head}</th>`)}</tr></thead>
      <tbody>${all.map((one) => html`<tr key=${one.id}><td>${one.from || nothing}${one.id === who.session && ' (this one)'}</td><td class="long">${one.agent || nothing}</td><td>${moment(one.created)}</td><td>${moment(one.expires)}</td></tr>`)}</tbody></table></div>`}
    <p>To end one: <code>kowabunga session delete --help</code></p></section>`;
}
