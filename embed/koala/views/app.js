// The frame around every view: who is signed in, which Kahuna the page follows, and where one can go.

import {html, useEffect, useRef, useState} from '../vendor/htm-preact.js';
import {following, get} from '../api.js';
import {groups, named, offered, within} from '../catalogue.js';
import {Link, go, to, place, usePlace} from '../router.js';
import {know, session, superAdmin, token} from '../session.js';
import {Trouble} from '../show.js';
import {useStore} from '../store.js';
import {signOut} from '../writes.js';
import {Banner, Node} from './banner.js';
import {Dashboard} from './dashboard.js';
import {Forgotten, SignIn} from './signin.js';
import {ObjectPage} from './object.js';
import {Operation, Operations} from './operations.js';
import {Pair} from './pair.js';
import {Profile} from './profile.js';
import {Table} from './table.js';

// view finds what is shown at a path. Paths of the earlier interface that mean nothing here show the dashboard.
function view(path, who) {
  const [, area, first, second] = path.split('/').map(decodeURIComponent);
  const kind = named(first);
  switch (true) {
    case area !== 'pages' || !first || first === 'dashboard': return {title: 'Dashboard', body: html`<${Dashboard} who=${who} />`};
    case first === 'profile': return {title: 'Profile', body: html`<${Profile} who=${who} />`};
    case first === 'pair' && superAdmin(who): return {title: 'Kahunas', body: html`<${Pair} />`};
    case first === 'operations' && Boolean(second): return {title: 'Operation', body: html`<${Operation} id=${second} key=${second} />`};
    case first === 'operations': return {title: 'Operations', body: html`<${Operations} />`};
    case Boolean(kind && second): return {title: kind.name, body: html`<${ObjectPage} kind=${kind} id=${second} who=${who} key=${kind.name + second} />`};
    case Boolean(kind): return {title: kind.heading, body: html`<${Table} kind=${kind} who=${who} key=${kind.name} />`};
  }
  return {title: 'Dashboard', body: html`<${Dashboard} who=${who} />`};
}

export function App() {
  const {token: signedIn, who} = useStore(session);
  const {path, query} = usePlace();
  const auth = path.startsWith('/auth/');
  const [error, fail] = useState(null);

  useEffect(() => {
    if (!signedIn || who) return undefined;
    let over = false;
    let timer;
    const ask = async () => {
      try {
        const me = await get('/whoami');
        if (!over) { fail(null); know(me); }
      } catch (err) {
        if (over) return;
        fail(err);
        timer = setTimeout(ask, 3000);
      }
    };
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [signedIn, who]);

  // A login ends by itself; who comes back to the page is told at once.
  useEffect(() => {
    const timer = setInterval(() => { if (session.value.token) token(); }, 30_000);
    return () => clearInterval(timer);
  }, []);

  useEffect(() => {
    if (signedIn && auth) go(query.back || '/', {replace: true});
    if (!signedIn && !place.value.path.startsWith('/auth/')) { // who signs out is there already
      const back = path + location.search;
      go(back === '/' ? '/auth/login' : `/auth/login?${new URLSearchParams({back})}`, {replace: true});
    }
  }, [signedIn, auth, path]);

  const shown = signedIn && who && !auth ? view(path, who) : null;
  useEffect(() => { document.title = `${shown?.title ?? 'Sign in'} - Kowabunga`; }, [shown?.title]);

  if (!signedIn) return html`<${Banner} />${path.includes('forgot') || path.includes('request-password') ? html`<${Forgotten} />` : html`<${SignIn} />`}`;
  if (!shown) return html`<${Banner} /><main class="alone"><${Trouble} error=${error} />${!error && html`<p>One moment…</p>`}</main>`;
  return html`<${Banner} /><${Frame} who=${who} place=${{path, query}}>${shown.body}<//>`;
}

// Who chose a project keeps to it from one kind to the next.
function Frame({who, place: {path, query}, children}) {
  const {current} = useStore(following);
  const [open, show] = useState(false);
  const content = useRef(null);
  const first = useRef(true);
  // Who goes somewhere with the keyboard goes on from there.
  useEffect(() => {
    show(false);
    if (!first.current) content.current?.focus();
    first.current = false;
  }, [path]);
  return html`
    <header class="top">
      <a class="skip" href="#content">Skip to the content</a>
      <button type="button" class="menu" aria-expanded=${open ? 'true' : 'false'} aria-controls="places" onClick=${() => show(!open)}>Menu</button>
      <${Link} href="/" class="brand">Kowabunga<//>
      <span class="grow"></span>
      <${Node} />
      <${Link} href="/pages/profile" data-test="who">${who.name}<//>
      <button type="button" class="plain" data-test="sign-out" onClick=${() => signOut().catch(() => {}).finally(() => go('/auth/login'))}>Sign out</button>
    </header>
    <div class="frame">
      <nav id="places" class=${open ? 'places open' : 'places'} aria-label="Places">
        <ul><${Entry} href="/" path=${path} exact>Dashboard<//>
          <${Entry} href="/pages/operations" path=${path}>Operations<//>
          ${superAdmin(who) && html`<${Entry} href="/pages/pair" path=${path}>Kahunas<//>`}</ul>
        ${groups.map((group) => html`<h2 key=${group.name}>${group.title}</h2>
          <ul>${offered(group.name, who).map((kind) => html`<${Entry} key=${kind.name} href="/pages/${kind.plural}" query=${within(kind, 'project') ? {project: query.project} : {}} path=${path}>${kind.heading}<//>`)}</ul>`)}
        <h2>Help</h2>
        <ul>${['Documentation', 'API'].map((title, i) => html`<li key=${title}><a href=${`${current}/docs/${['', 'api-v2'][i]}`}>${title}</a></li>`)}</ul>
      </nav>
      <main id="content" tabindex="-1" ref=${content}>${children}</main>
    </div>`;
}

function Entry({href, query = {}, path, exact = false, children}) {
  const here = path === href || !exact && path.startsWith(`${href}/`);
  return html`<li><${Link} href=${to(href, query)} aria-current=${here ? 'page' : undefined}>${children}<//></li>`;
}
