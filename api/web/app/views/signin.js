import { html } from 'lit';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { go } from '../lib/router.js';
import { t } from '../lib/text.js';
import { copyable } from './copy.js';

// SignIn trades the secret of a one-time link for a sign-in. The secret stands
// behind the #, so that no server or proxy has seen it, and leaves the address
// before anything else happens.
class SignIn extends Element {
  static properties = { state: { state: true } };

  constructor() {
    super();
    this.state = 'needed'; // or working, refused, unreachable
  }

  connectedCallback() {
    super.connectedCallback();
    const secret = location.pathname === '/signin' ? location.hash.slice(1) : '';
    if (!secret) return;
    history.replaceState(null, '', '/signin');
    this.signIn(secret);
  }

  async signIn(secret) {
    this.state = 'working';
    try {
      await api.signIn(secret);
      this.emit('rv-signed-in');
      go({ page: 'sessions' }, { replace: true });
    } catch (err) {
      this.state = err.status === 0 || err.status >= 500 ? 'unreachable' : 'refused';
    }
  }

  render() {
    if (this.state === 'working') {
      return html`<main id="main" class="narrow" aria-busy="true"><p role="status">${t('signin.working')}</p></main>`;
    }
    return html`
      <main id="main" class="narrow">
        <h1>${t('signin.title')}</h1>
        ${this.state === 'needed' ? '' : html`<p class="alert" role="alert">${t(`signin.${this.state}`)}</p>`}
        <p>${t('signin.how')}</p>
        <p>${t('signin.another')}</p>
        ${copyable('reelvault admin reset', t('signin.command'))}
        <p class="muted">${t('signin.once')}</p>
      </main>
    `;
  }
}
customElements.define('rv-signin', SignIn);
