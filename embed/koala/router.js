// Where one is: the path and query of the page. Going somewhere else loads nothing anew.

import {html} from './vendor/htm-preact.js';
import {Store, useStore} from './store.js';

const here = () => ({path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search))});

export const place = new Store(here());

addEventListener('popstate', () => place.set(here()));

// to writes an address of this page.
export function to(path, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined);
  const text = new URLSearchParams(kept).toString();
  return path + (text && `?${text}`);
}

export function go(address, {replace = false} = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  place.set(here());
  if (!replace) scrollTo(0, 0);
}

export const usePlace = () => useStore(place);

// Link goes to another view.
export function Link({href, children, ...rest}) {
  const follow = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return html`<a href=${href} onClick=${follow} ...${rest}>${children}</a>`;
}
