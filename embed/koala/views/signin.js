// Signing in, and the letter for those who forgot their password.

import {html, useEffect, useRef, useState} from '../vendor/htm-preact.js';
import {Link} from '../router.js';
import {session} from '../session.js';
import {useStore} from '../store.js';
import {forgotten, signIn} from '../writes.js';

// reason says why it did not work, and what to do.
function reason(error) {
  if (error.status === 401) return 'The address or the password is wrong.';
  if (error.status === 429) return `There were too many attempts.${error.again ? ` Wait ${error.again} seconds before the next one.` : ' Wait a moment before the next one.'}`;
  return error.message;
}

// useForm sends something once at a time.
function useForm(send) {
  const [state, set] = useState({busy: false, error: '', done: false});
  const submit = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    const sent = Object.fromEntries(new FormData(event.currentTarget));
    set({busy: true, error: '', done: false});
    try {
      await send(sent);
      set({busy: false, error: '', done: true});
    } catch (error) {
      set({busy: false, error: reason(error), done: false});
    }
  };
  return {...state, submit};
}

function Card({title, children}) {
  const first = useRef(null);
  useEffect(() => first.current?.querySelector('input')?.focus(), []);
  return html`<main class="card" ref=${first}><p class="brand">Kowabunga</p><h1>${title}</h1>${children}
    <p class="below"><a href="/docs/">Documentation</a></p></main>`;
}

const Failure = ({text}) => html`<p class="trouble" role="alert" data-test="sign-in-error" hidden=${!text}>${text}</p>`;

export function SignIn() {
  const {why} = useStore(session);
  const {busy, error, submit} = useForm(({email, password}) => signIn(email.trim(), password));
  return html`<${Card} title="Sign in">
    ${why && !error && html`<p role="status">${why}</p>`}
    <form onSubmit=${submit} aria-label="Sign in">
      <label>E-mail address<input name="email" type="email" autocomplete="username" required data-test="email" /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required data-test="password" /></label>
      <${Failure} text=${error} />
      <button type="submit" disabled=${busy} data-test="sign-in">${busy ? 'One moment…' : 'Sign in'}</button>
    </form>
    <p><${Link} href="/auth/forgot">Forgotten your password?<//></p>
    <p><a href="/docs/koala">No account yet?</a></p>
  <//>`;
}

export function Forgotten() {
  const {busy, error, done, submit} = useForm(({email}) => forgotten(email.trim()));
  return html`<${Card} title="Forgotten your password?">
    ${done ? html`<p role="status" data-test="letter">If there is an account with this address, it gets a letter with a link that draws a new password, unless it got some a moment ago.</p>` : html`
    <form onSubmit=${submit} aria-label="Forgotten password">
      <p>A letter brings you a link that draws a new one.</p>
      <label>E-mail address<input name="email" type="email" autocomplete="username" required data-test="email" /></label>
      <${Failure} text=${error} />
      <button type="submit" disabled=${busy} data-test="ask-letter">${busy ? 'One moment…' : 'Send the letter'}</button>
    </form>`}
    <p><${Link} href="/auth/login">Back to signing in<//></p>
  <//>`;
}
