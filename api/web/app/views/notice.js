import { html } from 'lit';
import { Element } from '../lib/element.js';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';

const shownFor = 6000; // ms

// Notice shows one short message at the lower edge and says it to screen
// readers. Errors stay until they are closed.
class Notice extends Element {
  static properties = { text: { state: true }, bad: { state: true } };

  constructor() {
    super();
    this.text = '';
    addEventListener('rv-notice', (e) => this.show(e.detail));
  }

  show({ text, bad }) {
    clearTimeout(this.timer);
    this.text = text;
    this.bad = bad;
    if (!bad) this.timer = setTimeout(() => (this.text = ''), shownFor);
  }

  render() {
    return html`
      <div class="notice ${this.bad ? 'bad' : ''}" ?data-shown=${this.text !== ''} role="status">
        <span>${this.text}</span>
        ${
          this.text
            ? html`<button class="quiet icon-only" aria-label=${t('close')} @click=${() => (this.text = '')}>
                ${icons.close}
              </button>`
            : ''
        }
      </div>
    `;
  }
}
customElements.define('rv-notice', Notice);

// notice shows a message.
export function notice(text) {
  dispatchEvent(new CustomEvent('rv-notice', { detail: { text, bad: false } }));
}

// trouble shows what went wrong.
export function trouble(err) {
  const text = err.status === 0 ? t('error.unreachable') : t('error', { message: err.message });
  dispatchEvent(new CustomEvent('rv-notice', { detail: { text, bad: true } }));
}

// attempt runs an action and shows what went wrong, if anything did. It gives
// the action's result, or undefined.
export async function attempt(action) {
  try {
    return await action();
  } catch (err) {
    trouble(err);
    return undefined;
  }
}
