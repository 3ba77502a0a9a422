import { html, nothing } from 'lit';
import { api } from './lib/api.js';
import { Element } from './lib/element.js';
import { current, follow, href } from './lib/router.js';
import { t } from './lib/text.js';
import './views/call.js';
import { mark } from './views/mark.js';
import './views/notice.js';
import './views/prompt.js';
import './views/publish.js';
import './views/sessions.js';
import './views/signin.js';

// App shows the page that the address names, to whoever is signed in. The page
// of a call is for people who aren't.
class App extends Element {
  static properties = {
    me: { state: true }, // undefined while unknown, null for nobody
    route: { state: true },
  };

  constructor() {
    super();
    this.route = current();
    addEventListener('popstate', () => (this.route = current()));
    addEventListener('rv-unauthenticated', () => (this.me = null));
  }

  connectedCallback() {
    super.connectedCallback();
    if (!['signin', 'call'].includes(this.route.page)) this.load();
  }

  async load() {
    try {
      this.me = await api.me();
    } catch {
      this.me = null;
    }
  }

  async signOut() {
    await api.signOut().catch(() => {}); // gone either way as far as this page can tell
    this.me = null;
  }

  updated() {
    document.title = `${t(`title.${this.route.page}`)} - Reelvault`;
  }

  render() {
    return html`
      ${this.route.page === 'call' ? html`<rv-call></rv-call>` : this.pages()}
      <rv-prompt></rv-prompt>
      <rv-notice></rv-notice>
    `;
  }

  pages() {
    return html`
      <a class="skip" href="#main">${t('skip')}</a>
      ${this.header()} ${this.content()}
    `;
  }

  header() {
    const { page } = this.route;
    return html`
      <header class="top">
        <a class="brand" href="/" aria-label="Reelvault" @click=${follow}> ${mark} </a>
        ${
          this.me
            ? html`
                <nav aria-label=${t('nav')}>
                  <a href="/" @click=${follow} aria-current=${page === 'sessions' ? 'page' : nothing}
                    >${t('nav.sessions')}</a
                  >
                  <a
                    href=${href({ page: 'publish' })}
                    @click=${follow}
                    aria-current=${page === 'publish' ? 'page' : nothing}
                    >${t('nav.publish')}</a
                  >
                  <a href="/docs">${t('nav.docs')}</a>
                </nav>
                <span class="who">${this.me.principal.name}</span>
                <button class="quiet" data-action="sign-out" @click=${this.signOut}>${t('signout')}</button>
              `
            : nothing
        }
      </header>
    `;
  }

  content() {
    const { page } = this.route;
    if (page === 'signin') return html`<rv-signin @rv-signed-in=${this.load}></rv-signin>`;
    if (this.me === undefined) return html`<main id="main" class="loading" aria-busy="true">${t('loading')}</main>`;
    if (this.me === null) return html`<rv-signin></rv-signin>`;
    if (page === 'publish') return html`<rv-publish .session=${this.route.session}></rv-publish>`;
    return html`<rv-sessions .route=${this.route} .me=${this.me}></rv-sessions>`;
  }
}
customElements.define('rv-app', App);
