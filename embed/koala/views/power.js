// Starting, rebooting and stopping a machine.

import {html, useState} from '../vendor/htm-preact.js';
import {get} from '../api.js';
import {Link} from '../router.js';
import {power} from '../writes.js';
import {Confirm} from './dialog.js';
import {StateOf, useMachineState} from './state.js';

const said = {
  start: {yes: 'Start', text: 'It is powered on.'},
  reboot: {yes: 'Reboot', text: 'The system in it is asked to restart. What runs on it is interrupted.'},
  stop: {yes: 'Stop', text: 'It is powered off. What runs on it stands still until it is started again.'},
};

const pause = (time) => new Promise((done) => setTimeout(done, time));

// finish follows an operation to its end.
async function finish(operation, tell) {
  for (let now = operation; ; now = await get(`/operations/${operation.id}`)) {
    tell(now);
    if (now.finished) return now;
    await pause(1000);
  }
}

// suits tells whether an action makes sense in a state; while that is not known all do.
function suits(verb, state) {
  if (state === 'Shutoff') return verb === 'start';
  if (state === 'Running') return verb !== 'start';
  return true;
}

// Power offers what a kind's machines can be told. Whoever sees a machine is a member of its project, or a superAdmin:
// the ones who may.
export function Power({kind, object, onEnd}) {
  const {value, error, again} = useMachineState(kind, object.id);
  const [asking, ask] = useState('');
  const [news, tell] = useState(null); // {verb, operation, error, done}
  const act = async (verb) => {
    ask('');
    tell({verb});
    try {
      const operation = await power(kind, object.id, verb);
      const last = operation && await finish(operation, (now) => tell({verb, operation: now}));
      const failed = last && last.state !== 'succeeded';
      tell({verb, operation: last, done: !failed, error: failed ? last.fault?.message ?? `It was ${last.state}.` : ''});
    } catch (err) {
      tell({verb, error: err.message});
    }
    again();
    onEnd();
  };
  const busy = news && !news.done && !news.error;
  return html`<section class="power" aria-label="Power">
    <${StateOf} value=${value} error=${error} />
    ${kind.power.map((verb) => html`<button type="button" key=${verb} disabled=${busy || !suits(verb, error ? '' : value?.state)} onClick=${() => ask(verb)} data-test=${`power-${verb}`}>${said[verb].yes}</button>`)}
    <span role="status" class=${news?.error ? 'trouble' : ''} data-test="power-result" data-done=${news?.done ? news.verb : ''}><${News} ...${news ?? {}} /></span>
    ${asking && html`<${Confirm} title=${`${said[asking].yes} ${object.name}?`} text=${said[asking].text} yes=${said[asking].yes} onYes=${() => act(asking)} onNo=${() => ask('')} />`}
  </section>`;
}

function News({verb, operation, error, done}) {
  if (!verb) return '';
  const link = operation && html` <${Link} href="/pages/operations/${operation.id}">Operation<//>`;
  if (error) return html`${said[verb].yes} did not work: ${error}${link}`;
  return html`${said[verb].yes}: ${done ? 'done.' : 'under way…'}${link}`;
}
