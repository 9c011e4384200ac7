// How a machine is at the moment, as its host says.

import {html} from '../vendor/htm-preact.js';
import {get, path} from '../api.js';
import {useLive} from '../live.js';

const every = 5_000; // milliseconds between questions

export const useMachineState = (kind, id) => useLive(() => get(`${path(kind, id)}/state`), `${kind.name} ${id}`, every);

// look is how a state is coloured; its word is always there as well.
const look = (state) => (state === 'Running' ? 'good' : state === 'Shutoff' ? 'off' : 'odd');

export function State({kind, id}) {
  const {value, error} = useMachineState(kind, id);
  return html`<${StateOf} value=${value} error=${error} />`;
}

export function StateOf({value, error}) {
  if (value && !error) return html`<span class="state ${look(value.state)}" title=${value.reason} data-test="state">${value.state}</span>`;
  return html`<span class="state off" title=${error?.message ?? ''} data-test="state">${error ? 'unknown' : '…'}</span>`;
}
