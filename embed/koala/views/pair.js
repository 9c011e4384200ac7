// How the Kahunas stand to each other, as each of them says.

import {html} from '../vendor/htm-preact.js';
import {following, get, nodes} from '../api.js';
import {useLive} from '../live.js';
import {useStore} from '../store.js';
import {Trouble, moment, nothing} from '../show.js';

const every = 3_000; // milliseconds between questions
const notes = 10; // of the newest that are shown

const host = (url) => (url ? new URL(url).host : nothing);

export function Pair() {
  const {named} = useStore(following);
  const reachable = named.filter((url) => nodes.known.includes(url));
  const asked = reachable.length ? reachable : [nodes.current];
  return html`<h1>Kahunas</h1>
    <p class="summary">Each answers by itself what it knows. <code>kowabunga kahuna handoff</code>, at the one that acts, has the other one act.</p>
    <div class="side">${asked.map((url) => html`<${Kahuna} url=${url} key=${url} />`)}</div>`;
}

const roles = {
  copy: 'a restored copy: it shows everything and changes nothing',
  restored: 'restored: it commands nobody until it is promoted',
};

// epoch is "7@" and the beginning of the id of who began it.
const epoch = (text) => text.replace(/(@.{8}).*/, '$1');

function role(p) {
  if (p.role in roles) return roles[p.role];
  const of = p.role !== 'primary' && p.primary ? ` of ${host(p.primary)}` : '';
  return `${p.role}${p.phase ? `, ${p.phase}` : ''}${of}, epoch ${epoch(p.epoch)}`;
}

function right(p) {
  if (p.alone) return 'yes, and nobody can take it away';
  return p.right ? html`yes, until ${moment(p.right_until)}, renewed every few seconds` : 'no';
}

const records = (n) => `${n} ${n === 1 ? 'record' : 'records'}`;

function Kahuna({url}) {
  const {value: p, error} = useLive(() => get('/pair', {}, {at: url}), `pair ${url}`, every);
  if (!p) return html`<section class="box" data-test="kahuna" data-node=${url}><h2>${host(url)}</h2><${Trouble} error=${error} />${!error && html`<p>One moment…</p>`}</section>`;
  const lists = [['missing', p.missing], ['pending', p.pending], ['releases too far apart', p.releases]];
  return html`<section class="box" data-test="kahuna" data-node=${url} data-role=${error ? '' : p.role}>
    <h2>${host(url)}</h2>
    <${Trouble} error=${error} />
    ${error && html`<p>What it said last:</p>`}
    ${p.lost && html`<p class="trouble">Records may be lost, and not all agents have reported since.</p>`}
    <dl class="fields">
      <div><dt>role</dt><dd>${role(p)}</dd></div>
      <div><dt>right to act</dt><dd>${right(p)}</dd></div>
      <div><dt>published</dt><dd>record ${p.published} of ${p.end}${p.behind > 0 && `, ${records(p.behind)} behind`}</dd></div>
      ${p.mode && html`<div><dt>mode</dt><dd>${p.mode}</dd></div>`}
      ${p.role === 'standby' && html`<div><dt>primary heard</dt><dd>${p.silent.toFixed(1)} s ago</dd></div>`}
      <div><dt>take-over</dt><dd>${p.take_over.length ? html`not by itself: ${p.take_over.join('; ')}` : 'by itself'}</dd></div>
      ${lists.filter(([, list]) => list.length).map(([title, list]) => html`<div key=${title}><dt>${title}</dt><dd><ul class="values">${list.map((text) => html`<li key=${text}>${text}</li>`)}</ul></dd></div>`)}
    </dl>
    <h3>As it sees them</h3>
    <div class="scroll"><table><thead><tr>${['kahuna', 'acts', 'in sync', 'connected', 'behind', 'release'].map((head) => html`<th key=${head} scope="col">${head}</th>`)}</tr></thead>
      <tbody>${p.nodes.map((n) => html`<tr key=${n.address}><th scope="row">${host(n.address)}</th><td>${yes(n.acts)}</td><td>${n.named ? yes(n.in_sync) : 'only follows'}</td><td>${yes(n.connected)}</td><td>${n.heard && n.connected ? records(n.lag) : nothing}</td><td>${n.release || nothing}</td></tr>`)}</tbody></table></div>
    <h3>Witnesses</h3>
    ${p.witnesses.length === 0 ? html`<p>None.</p>` : html`<ul class="values">${p.witnesses.map((w) => html`<li key=${w.agent}>${w.name}: ${w.connected ? 'connected' : 'not connected'}${w.change && `, ${w.change}`}</li>`)}</ul>`}
    <h3>Lately</h3>
    ${p.notes.length === 0 ? html`<p>Nothing.</p>` : html`<ul class="values">${p.notes.slice(-notes).reverse().map((n, i) => html`<li key=${i}>${moment(n.at)} ${n.what}${n.detail && `: ${n.detail}`}</li>`)}</ul>`}
  </section>`;
}

const yes = (is) => (is ? 'yes' : 'no');
