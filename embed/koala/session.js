// The login: its token, until when it lasts, and who it belongs to. The token is kept for the next page of this
// address; a browser gives it to pages of no other.

import {Store} from './store.js';

const tokenKey = 'koala.token';

// claims are what a token says of itself (RFC 7519 section 3); null for what is none.
function claims(token) {
  try {
    const part = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(atob(part));
  } catch {
    return null;
  }
}

// ends is when a token ends, in milliseconds; 0 for what cannot be used.
function ends(token) {
  const until = claims(token)?.exp;
  return typeof until === 'number' ? until * 1000 : 0;
}

function kept() {
  const token = localStorage.getItem(tokenKey) ?? '';
  return ends(token) > Date.now() ? token : '';
}

// session holds {token, who, why}: who is what the server says of the caller, null until it has; why is the reason
// to sign in again.
export const session = new Store({token: kept(), who: null, why: ''});

export function begin(token) {
  if (ends(token) <= Date.now()) throw new Error('The login that the server gave is over already; the clock of this computer may be wrong.');
  localStorage.setItem(tokenKey, token);
  session.set({token, who: null, why: ''});
}

export function know(who) {
  session.set({...session.value, who});
}

// end forgets the login.
export function end(why = '') {
  localStorage.removeItem(tokenKey);
  session.set({token: '', who: null, why});
}

// token is that of the login, empty when it is over.
export function token() {
  const now = session.value.token;
  if (now && ends(now) <= Date.now()) {
    end('Your login is over. Sign in again to go on.');
    return '';
  }
  return now;
}

// Another tab that signs out or in does so for this one.
addEventListener('storage', (event) => {
  if (event.key !== tokenKey) return;
  session.set({token: kept(), who: null, why: ''});
});

export const superAdmin = (who) => who?.role === 'superAdmin';
