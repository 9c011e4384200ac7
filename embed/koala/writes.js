// Everything that changes something: signing in and out, asking for a letter, and the power of machines. The rest
// of Koala only reads; what makes, changes or deletes is the command line's, where it can be reviewed.

import {reach, send} from './api.js';
import {begin, end, session} from './session.js';

// signIn begins a login. It cannot be sent twice by itself, as nobody knows whether the first one arrived: a Kahuna
// that answers is looked for first.
export async function signIn(email, password) {
  await reach();
  const answer = await send({method: 'POST', path: '/api/v1/login', body: {email, password}}, {open: true});
  begin(answer.body?.jwt ?? '');
}

// signOut ends the login, here at any rate.
export async function signOut() {
  try {
    if (session.value.token) await send({method: 'POST', path: '/api/v1/logout'});
  } finally {
    end('');
  }
}

// forgotten asks for a letter with a link that draws a new password.
export async function forgotten(email) {
  await reach();
  await send({method: 'PUT', path: '/api/v1/resetPassword', body: {email}}, {open: true});
}

// power starts, reboots or stops a machine. However often it is sent, it is done once. It answers the operation, or
// null where nothing was left to do.
export async function power(kind, id, verb) {
  if (!kind.power?.includes(verb)) throw new Error(`${kind.name} has no ${verb}`);
  const once = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
  const path = `/api/v2/${kind.plural}/${encodeURIComponent(id)}/${verb}`;
  const answer = await send({method: 'PATCH', path, headers: {'Idempotency-Key': once}}, {again: true});
  return answer.status === 202 ? answer.body : null;
}
