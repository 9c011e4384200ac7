// How full everything is that somebody may see.

import {html} from '../vendor/htm-preact.js';
import {get, list} from '../api.js';
import {named} from '../catalogue.js';
import {useLive} from '../live.js';
import {Link, to} from '../router.js';
import {superAdmin} from '../session.js';
import {Meter, Ref, Trouble, bytes, nothing} from '../show.js';

const every = 10_000; // milliseconds between reads

const resources = ['vcpus', 'memory', 'storage', 'instances'];
const sizes = ['memory', 'storage'];

const amount = (name, n) => (sizes.includes(name) ? bytes(n) : n);

const byName = (a, b) => a.name.localeCompare(b.name);

const money = ({price, currency}) => (price ? `${price.toFixed(2)} ${currency}` : nothing);

export function Dashboard({who}) {
  const {value, error} = useLive(() => get('/top'), 'top', every);
  if (!value) return html`<h1>Dashboard</h1><${Trouble} error=${error} />${!error && html`<p>One moment…</p>`}`;
  const {hosts, projects, pools} = value;
  return html`<h1>Dashboard</h1><${Trouble} error=${error} />
    ${superAdmin(who) ? html`<${Begin} top=${value} />` : projects.length === 0 && html`
      <p data-test="empty">You are in no project yet. An administrator makes one, or puts you into a team of one: <code>kowabunga team update --help</code></p>`}
    ${projects.length > 0 && html`<section><h2>Projects</h2><div class="scroll"><table data-test="projects">
      <thead><tr><th scope="col">project</th>${resources.map((name) => html`<th key=${name} scope="col">${name}</th>`)}<th scope="col">cost a month</th><th scope="col">machines</th></tr></thead>
      <tbody>${projects.toSorted(byName).map((p) => html`<tr key=${p.id} data-test="row" data-id=${p.id} data-name=${p.name}><th scope="row"><${Link} href="/pages/projects/${p.id}">${p.name}<//></th>
        ${resources.map((name) => html`<td key=${name}><${Quota} name=${name} used=${p.usage[name] ?? 0} limit=${p.quotas[name] ?? 0} /></td>`)}
        <td>${money(p.cost)}</td><td><${Link} href=${to('/pages/instances', {project: p.id})}>instances<//>, <${Link} href=${to('/pages/komputes', {project: p.id})}>komputes<//></td></tr>`)}</tbody></table></div></section>`}
    ${hosts.length > 0 && html`<section><h2>Hosts</h2><div class="scroll"><table data-test="hosts">
      <thead><tr><th scope="col">host</th><th scope="col">zone</th><th scope="col">state</th><th scope="col">machines</th><th scope="col">vcpus promised</th><th scope="col">memory promised</th></tr></thead>
      <tbody>${hosts.toSorted(byName).map((h) => html`<tr key=${h.id} data-id=${h.id} data-name=${h.name}><th scope="row"><${Link} href="/pages/kaktuses/${h.id}">${h.name}<//></th><td><${Ref} kind="zone" id=${h.zone} /></td>
        <td><span class="state ${h.online ? 'good' : 'bad'}">${h.online ? 'connected' : 'lost'}</span></td><td>${h.instances}</td>
        <td><${Meter} part=${h.vcpus_promised} whole=${h.vcpus_total} text="${h.vcpus_promised} of ${h.vcpus_total}" /></td>
        <td><${Meter} part=${h.memory_promised} whole=${h.memory_total} text="${bytes(h.memory_promised)} of ${bytes(h.memory_total)}" /></td></tr>`)}</tbody></table></div></section>`}
    ${pools.length > 0 && html`<section><h2>Pools</h2><div class="scroll"><table data-test="pools">
      <thead><tr><th scope="col">pool</th><th scope="col">used</th></tr></thead>
      <tbody>${pools.toSorted(byName).map((p) => html`<tr key=${p.id}><th scope="row"><${Link} href="/pages/pools/${p.id}">${p.name}<//></th>
        <td>${p.capacity > 0 ? html`<${Meter} part=${p.capacity - p.available} whole=${p.capacity} text="${bytes(p.capacity - p.available)} of ${bytes(p.capacity)}" />` : 'not reported yet'}</td></tr>`)}</tbody></table></div></section>`}`;
}

// Quota is what is used of something; without a limit there is no bar.
function Quota({name, used, limit}) {
  return limit > 0 ? html`<${Meter} part=${used} whole=${limit} text="${amount(name, used)} of ${amount(name, limit)}" />` : amount(name, used);
}

// next is what an installation lacks to run a machine, one thing at a time, with the command that makes it.
const next = [
  {lacks: ({regions}) => regions === 0, text: 'There is no region yet. It is where everything lies:', command: 'kowabunga region create --help'},
  {lacks: ({zones}) => zones === 0, text: 'The region has no zone yet, where hosts stand:', command: 'kowabunga zone create --help'},
  {lacks: ({hosts}) => hosts === 0, text: 'There is no host yet that runs machines:', command: 'kowabunga kaktus create --help', topic: 'kaktus'},
  {lacks: ({pools}) => pools === 0, text: 'There is no pool yet for images and disks:', command: 'kowabunga pool create --help', topic: 'kaktus'},
  {lacks: ({projects}) => projects === 0, text: 'There is no project yet, whose machines run here:', command: 'kowabunga project create --help', topic: 'resources'},
  {lacks: ({machines}) => machines === 0, text: 'No machine runs yet:', command: 'kowabunga kompute create --help', topic: 'resources'},
];

// Begin says what comes next in an installation that is not complete.
function Begin({top: {hosts, projects, pools}}) {
  const machines = projects.reduce((sum, p) => sum + (p.usage.instances ?? 0), 0);
  const counts = {hosts: hosts.length, pools: pools.length, projects: projects.length, machines};
  return Object.values(counts).includes(0) ? html`<${Next} counts=${counts} />` : null;
}

function Next({counts}) {
  const {value} = useLive(async () => {
    const [regions, zones] = await Promise.all(['region', 'zone'].map((name) => list(named(name), {limit: 1})));
    return {regions: regions.items.length, zones: zones.items.length};
  }, 'begin', every);
  const step = value && next.find(({lacks}) => lacks({...value, ...counts}));
  if (!step) return null;
  return html`<section class="box" data-test="next"><h2>What comes next</h2><p>${step.text} <code>${step.command}</code></p>
    <p>${step.topic ? html`More: <a href="/docs/${step.topic}">documentation</a>.` : html`A whole cloud to try on one machine: <code>kowabunga sandbox up</code>. More: <a href="/docs/start">where to begin</a>.`}</p></section>`;
}
