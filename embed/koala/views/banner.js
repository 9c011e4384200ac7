// What people are told of the Kahunas while they use a page.

import {html, useEffect} from '../vendor/htm-preact.js';
import {following, look, nodes} from '../api.js';
import {place} from '../router.js';
import {useStore} from '../store.js';

const lookEvery = 10_000; // milliseconds between looks at one that did not answer

const host = (url) => new URL(url).host;

// words are what the banner says, empty for nothing.
function words({trouble, away, current, named, strangers}) {
  const gone = away.filter((url) => url !== current && nodes.known.includes(url));
  if (trouble) return {text: `${trouble}…`, bad: true};
  if (gone.length) {
    const own = gone.includes(nodes.own);
    const instead = own ? ` Do not load it anew from ${host(nodes.own)}: open it at the other one, and sign in there:` : '';
    return {text: `${gone.map(host).join(' and ')} does not answer. This page goes on with ${host(current)}.${instead}`, open: own ? current : ''};
  }
  const bare = strangers.filter((url) => host(url).startsWith('['));
  if (bare.length) return {text: `A browser lets no page follow to ${bare.map(host).join(' and ')}: give the Kahunas names instead of IPv6 addresses.`};
  if (named.length > 1 && strangers.length) {
    if (named.includes(nodes.own) || nodes.allowed.length > 1) return {text: `There is another Kahuna by now, ${strangers.map(host).join(' and ')}. Load this page anew, so that it can follow.`};
    return {text: `${host(nodes.own)} is none of the addresses of the Kahunas. A page from ${named.map(host).join(' or ')} goes on by itself when one of them dies; this one does not.`};
  }
  return {text: ''};
}

export function Banner() {
  const now = useStore(following);
  const waits = now.away.length > 0;
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setInterval(() => { if (!document.hidden) look(); }, lookEvery);
    return () => clearInterval(timer);
  }, [waits]);
  const {text, bad, open} = words(now);
  return html`<div role="status" aria-live="polite" class=${text ? (bad ? 'banner bad' : 'banner') : 'banner none'} data-test="banner">${text}${open && html` <a href=${open + place.value.path}>${host(open)}</a>`}</div>`;
}

// Node says which Kahuna the page asks.
export function Node() {
  const {current, acts, several} = useStore(following);
  const title = !several ? 'The Kahuna that this page asks' : acts === current ? 'This page asks the Kahuna that acts' : 'This page asks a Kahuna that passes requests on';
  return html`<span class="node" title=${title} data-test="node" data-node=${current} data-acts=${acts}>${host(current)}</span>`;
}
