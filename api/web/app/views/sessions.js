import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { feed } from '../lib/feed.js';
import { clock, durationOf, shortId, titleOf, when } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { follow, go, href } from '../lib/router.js';
import { label, t } from '../lib/text.js';
import './detail.js';
import { attempt } from './notice.js';
import { ask } from './prompt.js';
import { waysIn } from './welcome.js';

const pageSize = 50;
const mostRows = 500; // what the API gives at once

// Sessions is the table of live or ended sessions, with one of them open in a
// panel at its right.
class Sessions extends Element {
  static properties = {
    route: { attribute: false },
    me: { attribute: false },
    items: { state: true }, // undefined while loading
    next: { state: true },
    asOf: { state: true },
    problem: { state: true },
    unused: { state: true }, // nothing was ever recorded here
  };

  constructor() {
    super();
    this.rows = pageSize;
    this.keys = (e) => this.key(e);
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener('keydown', this.keys);
    this.follow();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener('keydown', this.keys);
    this.feed?.stop();
    this.feed = null;
  }

  willUpdate(changed) {
    const before = changed.get('route');
    if (before && before.view !== this.route.view) this.follow();
  }

  updated(changed) {
    const before = changed.get('route');
    if (before?.session && !this.route.session) this.row(before.session)?.focus();
  }

  // follow starts to show the list that the route names.
  follow() {
    this.feed?.stop();
    this.items = undefined;
    this.rows = pageSize;
    this.feed = feed({
      load: (signal) => this.load(signal),
      show: (list) => this.show(list),
      fail: (err) => (this.problem = err),
    });
  }

  async load(signal) {
    const live = this.route.view === 'live';
    const list = await api.sessions({ live, limit: this.rows, signal });
    if (list.items.length > 0) return { ...list, unused: false };
    const other = await api.sessions({ live: !live, limit: 1, signal });
    return { ...list, unused: other.items.length === 0 };
  }

  show({ items, next, unused }) {
    this.items = items;
    this.next = next;
    this.unused = unused;
    this.asOf = new Date().toISOString();
    this.problem = null;
  }

  // Rows already shown are asked for in one request, so that they stay fresh;
  // what lies beyond its limit is added by cursor.
  async more() {
    if (this.rows < mostRows) {
      this.rows = Math.min(this.items.length + pageSize, mostRows);
      await this.feed.now();
      return;
    }
    this.feed.stop();
    const list = await attempt(() =>
      api.sessions({ live: this.route.view === 'live', limit: pageSize, cursor: this.next }),
    );
    if (list) this.show({ items: [...this.items, ...list.items], next: list.next, unused: false });
  }

  async create() {
    const name = await ask({
      title: t('new.title'),
      text: t('new.text'),
      input: t('new.name'),
      confirm: t('new.confirm'),
    });
    if (name === null) return;
    const session = await attempt(() => api.createSession(name || undefined));
    if (!session) return;
    go({ page: 'sessions', view: 'live', session: session.id });
    this.feed.now();
  }

  open(id) {
    go({ ...this.route, session: id });
  }

  row(id) {
    return this.querySelector(`a[data-session="${CSS.escape(id)}"]`);
  }

  // step opens the session n rows away from the open one.
  step(n) {
    const at = this.items?.findIndex((s) => s.id === this.route.session) ?? -1;
    const to = this.items?.[at + n];
    if (at >= 0 && to) this.open(to.id);
  }

  key(event) {
    if (event.defaultPrevented || event.target.closest?.('dialog, input:not([type=range]), select, textarea')) return;
    if (event.key === 'Escape' && this.route.session) this.open('');
    if (event.shiftKey && event.key === 'ArrowRight') this.step(1);
    if (event.shiftKey && event.key === 'ArrowLeft') this.step(-1);
  }

  rowKey(event) {
    if (event.shiftKey || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
    const links = [...this.querySelectorAll('a[data-session]')];
    const to = links[links.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (!to) return;
    event.preventDefault();
    to.focus();
  }

  render() {
    const open = this.route.session;
    return html`
      <main id="main" class="sessions ${open ? 'with-panel' : ''}">
        <section class="list" aria-label=${t('sessions')}>
          ${this.bar()}
          ${this.problem ? html`<p class="alert" role="alert">${t('sessions.stale', { message: this.problem.message })}</p>` : nothing}
          ${this.body()}
        </section>
        ${
          open
            ? html`<rv-detail
                .session=${open}
                .route=${this.route}
                .me=${this.me}
                .neighbours=${this.neighbours()}
                @rv-close=${() => this.open('')}
                @rv-step=${(e) => this.step(e.detail)}
                @rv-changed=${() => this.feed.now()}
              ></rv-detail>`
            : nothing
        }
      </main>
    `;
  }

  neighbours() {
    const at = this.items?.findIndex((s) => s.id === this.route.session) ?? -1;
    return { before: at > 0, after: at >= 0 && at < this.items.length - 1 };
  }

  bar() {
    const { view } = this.route;
    const choice = (to) => html`
      <a href=${href({ page: 'sessions', view: to })} @click=${follow} aria-current=${view === to ? 'true' : nothing}
        >${t(`view.${to}`)}</a
      >
    `;
    return html`
      <div class="bar">
        <h1>${t('sessions')}</h1>
        <nav class="switch" aria-label=${t('view')}>${choice('live')}${choice('history')}</nav>
        <span class="as-of">${this.asOf ? t('sessions.asOf', { time: when(this.asOf) }) : nothing}</span>
        <button class="primary" data-action="new" @click=${this.create}>${icons.plus} ${t('new')}</button>
      </div>
    `;
  }

  body() {
    if (!this.items) return html`<p class="loading" aria-busy="true">${this.problem ? '' : t('loading')}</p>`;
    if (this.unused) return waysIn({ create: () => this.create(), first: true });
    if (this.items.length === 0) return this.empty();
    return html`
      <div class="table-frame" tabindex="-1">
        <table>
          <caption class="visually-hidden">
            ${t(`view.${this.route.view}`)}
          </caption>
          <thead>
            <tr>
              <th scope="col">${t('column.name')}</th>
              <th scope="col" class="wide">${t('column.channel')}</th>
              <th scope="col">${t('column.status')}</th>
              <th scope="col">${t('column.created')}</th>
              <th scope="col" class="number">${t('column.duration')}</th>
              <th scope="col" class="number wide">${t('column.participants')}</th>
              <th scope="col" class="number">${t('column.recordings')}</th>
            </tr>
          </thead>
          <tbody @keydown=${this.rowKey}>
            ${repeat(
              this.items,
              (s) => s.id,
              (s) => this.tableRow(s),
            )}
          </tbody>
        </table>
      </div>
      ${this.next ? html`<button class="more" @click=${this.more}>${t('sessions.more')}</button>` : nothing}
      ${
        this.route.view === 'live'
          ? html`<details class="ways">
              <summary>${t('ways.title')}</summary>
              ${waysIn({ create: () => this.create() })}
            </details>`
          : nothing
      }
    `;
  }

  tableRow(s) {
    const open = s.id === this.route.session;
    const people = s.participants.map((p) => p.id).join(', ');
    return html`
      <tr class=${open ? 'open' : ''} @click=${() => this.open(s.id)}>
        <td>
          <a
            data-session=${s.id}
            href=${href({ ...this.route, session: s.id })}
            @click=${follow}
            aria-current=${open ? 'true' : nothing}
            >${titleOf(s)}</a
          >
          <span class="id" title=${s.id}>${shortId(s.id)}</span>
        </td>
        <td class="wide">${label('channel', s.channel)}</td>
        <td><span class="badge status-${s.status}">${label('status', s.status)}</span></td>
        <td><time datetime=${s.createdAt}>${when(s.createdAt)}</time></td>
        <td class="number">${clock(durationOf(s.createdAt, s.endedAt))}</td>
        <td class="number wide" title=${people}>${s.participants.length}</td>
        <td class="number">${s.recordings}</td>
      </tr>
    `;
  }

  empty() {
    if (this.route.view === 'history') return html`<p class="nothing">${t('sessions.noneEnded')}</p>`;
    return html`
      <p class="nothing">${t('sessions.noneLive')}</p>
      <details class="ways">
        <summary>${t('ways.title')}</summary>
        ${waysIn({ create: () => this.create() })}
      </details>
    `;
  }
}
customElements.define('rv-sessions', Sessions);
