// A question before something is done.

import {html, useEffect, useRef} from '../vendor/htm-preact.js';

// Confirm asks; Escape means no. The answer that does nothing has the focus at first.
export function Confirm({title, text, yes, onYes, onNo}) {
  const box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${box} aria-labelledby="confirm-title" aria-describedby="confirm-text" onCancel=${(event) => { event.preventDefault(); onNo(); }} data-test="confirm">
    <h2 id="confirm-title">${title}</h2>
    <p id="confirm-text">${text}</p>
    <p class="buttons"><button type="button" autofocus onClick=${onNo} data-test="confirm-no">Cancel</button>
      <button type="button" class="strong" onClick=${onYes} data-test="confirm-yes">${yes}</button></p>
  </dialog>`;
}
