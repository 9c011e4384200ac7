// Begins. All modules are named by imports, none is fetched later: an open page needs nothing more from the Kahuna
// that it came from.

import {html, render} from './vendor/htm-preact.js';
import {App} from './views/app.js';

render(html`<${App} />`, document.getElementById('koala'));
