import { html, nothing } from 'lit';
import { follow } from '../lib/activities.js';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { feed } from '../lib/feed.js';
import { titleOf } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { material } from '../lib/material.js';
import { go, href } from '../lib/router.js';
import { label, t } from '../lib/text.js';
import { general } from './general.js';
import { whoOf } from './activity.js';
import './invite.js';
import { attempt, notice } from './notice.js';
import './player.js';
import { ask } from './prompt.js';
import './recordings.js';
import './transcript.js';

const tabs = ['recordings', 'transcript', 'general'];

// A recording that has ended but is not yet safe in the store is looked at once
// in so many rounds.
const unsafeEvery = 5;

// settled says that a recording need not be asked for in this round.
function settled(r, round) {
  if (r.state !== 'ready' && r.state !== 'failed') return false;
  if (r.files.some((f) => f.linksExpireAt && Date.parse(f.linksExpireAt) < Date.now() + 60_000)) return false;
  return r.durability === 'verified' || round % unsafeEvery !== 0;
}

// Detail is the panel of one session. It leaves the table usable.
class Detail extends Element {
  static properties = {
    session: { attribute: false }, // id
    route: { attribute: false },
    me: { attribute: false },
    neighbours: { attribute: false },
    data: { state: true },
    recordings: { state: true },
    activities: { state: true }, // undefined while loading
    connection: { state: true }, // of the activities: connected, lost or refused
    wide: { type: Boolean, reflect: true }, // the list makes room for the panel
    problem: { state: true },
  };

  disconnectedCallback() {
    super.disconnectedCallback();
    this.feed?.stop();
    this.stream?.stop();
  }

  willUpdate(changed) {
    if (changed.has('session')) this.follow();
    if (!this.data) return;
    if (changed.has('data') || changed.has('recordings')) this.digest();
    if (changed.has('data') || changed.has('activities')) {
      const shares = (this.activities ?? []).filter((a) => a.fileId);
      this.sharers = new Map(shares.map((a) => [a.fileId, whoOf(a, this.names)]));
    }
  }

  // digest makes of the answers what the parts of the panel show, unless they
  // are the same as before: a long transcript is not drawn anew for nothing.
  digest() {
    const answers = JSON.stringify([this.data.participants, this.recordings]);
    if (answers === this.answers) return;
    this.answers = answers;
    this.names = new Map(this.data.participants.map((p) => [p.id, p.name || p.id]));
    this.material = material(this.recordings, (id) => this.names.get(id) ?? id);
    const shared = this.recordings.filter((r) => r.kind === 'file' && r.state !== 'deleted');
    this.files = new Map(shared.flatMap((r) => r.files.map((f) => [f.id, f])));
  }

  updated(changed) {
    // Who came by keyboard goes on in the panel; a page that was just loaded
    // leaves the focus where it is.
    if (changed.has('session') && document.activeElement !== document.body) this.querySelector('h2').focus();
  }

  follow() {
    this.feed?.stop();
    this.stream?.stop();
    this.stream = null;
    this.data = undefined;
    this.recordings = undefined;
    this.activities = undefined;
    this.at = undefined;
    this.answers = '';
    this.problem = null;
    this.round = 0;
    const id = this.session;
    this.feed = feed({
      load: (signal) => this.load(id, signal),
      show: ([data, recordings]) => {
        this.data = data;
        this.recordings = recordings;
        this.problem = null;
        this.stream ??= this.listen(data);
      },
      fail: (err) => (this.problem = err),
    });
  }

  // What happens to a recording is told as an activity, too.
  listen({ id, live }) {
    return follow({
      session: id,
      live,
      show: (list) => {
        const news = this.activities && list.at(-1)?.type.startsWith('recording.');
        this.activities = list;
        if (news) this.feed.now();
      },
      state: (state) => (this.connection = state),
    });
  }

  // moved passes on the moment that is played. It changes ten times a second, so
  // nothing is drawn anew for it.
  moved(at) {
    this.at = at;
    this.querySelector('rv-transcript')?.moved(at);
  }

  playAt(event) {
    event.stopPropagation();
    const player = this.querySelector('rv-player');
    if (player) player.playAt(event.detail);
    else notice(t('player.nothingHere'));
  }

  // Every answer about a recording carries fresh links to its bytes, each a
  // ticket in the catalog. So only what may have changed is asked for again.
  async load(id, signal) {
    const data = await api.session(id, signal);
    const known = this.recordings;
    if (known?.length !== data.recordings) return [data, (await api.recordings(id, signal)).items];
    this.round++;
    const fresh = await Promise.all(known.map((r) => (settled(r, this.round) ? r : api.recording(r.id, signal))));
    return [data, fresh];
  }

  async end() {
    const answer = await ask({ title: t('end.title'), text: t('end.text'), confirm: t('end.confirm'), danger: true });
    if (answer === null) return;
    await attempt(() => api.endSession(this.session));
    this.changed();
  }

  changed() {
    this.feed.now();
    this.emit('rv-changed');
  }

  tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.shiftKey) return;
    event.preventDefault();
    const to = tabs[(tabs.indexOf(this.route.tab) + step + tabs.length) % tabs.length];
    this.choose(to);
    this.querySelector(`#tab-${to}`).focus();
  }

  choose(tab) {
    go({ ...this.route, tab }, { replace: true });
  }

  render() {
    return html`
      <aside class="panel" aria-labelledby="detail-title">
        ${this.head()}
        ${this.problem ? html`<p class="alert" role="alert">${this.problem.status === 404 ? t('detail.missing') : t('sessions.stale', { message: this.problem.message })}</p>` : nothing}
        ${this.data ? this.body() : html`<p class="loading" aria-busy="true">${this.problem ? '' : t('loading')}</p>`}
      </aside>
    `;
  }

  head() {
    const s = this.data;
    const step = (n, icon, text, able) => html`
      <button
        class="quiet icon-only"
        aria-label=${text}
        title="${text} (${t(n < 0 ? 'keys.before' : 'keys.after')})"
        ?disabled=${!able}
        @click=${() => this.emit('rv-step', n)}
      >
        ${icon}
      </button>
    `;
    return html`
      <header>
        <div class="title">
          <h2 id="detail-title" tabindex="-1">${s ? titleOf(s) : t('loading')}</h2>
          ${s ? html`<span class="badge status-${s.status}">${label('status', s.status)}</span>` : nothing}
          <span class="tools">
            ${step(-1, icons.up, t('detail.before'), this.neighbours.before)}
            ${step(1, icons.down, t('detail.after'), this.neighbours.after)}
            <button
              class="quiet icon-only widen"
              data-action="widen"
              aria-pressed=${this.wide ? 'true' : 'false'}
              aria-label=${t('detail.widen')}
              title=${t('detail.widen')}
              @click=${() => (this.wide = !this.wide)}
            >
              ${icons.widen}
            </button>
            <button
              class="quiet icon-only"
              aria-label=${t('detail.close')}
              title="${t('detail.close')} (Esc)"
              @click=${() => this.emit('rv-close')}
            >
              ${icons.close}
            </button>
          </span>
        </div>
        ${
          s?.live
            ? html`<div class="session-actions">
                <a class="button" href=${href({ page: 'publish', session: s.id })} target="_blank" rel="noopener"
                  >${icons.camera} ${t('detail.publish')}</a
                >
                <rv-invite .session=${s.id}></rv-invite>
                <button data-action="end" @click=${this.end}>${icons.stop} ${t('end')}</button>
              </div>`
            : nothing
        }
        <div role="tablist" aria-label=${t('detail.tabs')} @keydown=${this.tabKey}>
          ${tabs.map((tab) => {
            const on = this.route.tab === tab;
            return html`<button
              role="tab"
              id="tab-${tab}"
              aria-controls="tabpanel"
              aria-selected=${on ? 'true' : 'false'}
              tabindex=${on ? '0' : '-1'}
              @click=${() => this.choose(tab)}
            >
              ${t(`tab.${tab}`)}
              ${tab === 'recordings' && this.recordings?.length ? html`<span class="count">${this.recordings.length}</span>` : nothing}
            </button>`;
          })}
        </div>
      </header>
    `;
  }

  body() {
    const { tab } = this.route;
    return html`
      <div role="tabpanel" id="tabpanel" aria-labelledby="tab-${tab}" tabindex="0">
        ${
          tab === 'general'
            ? general(this.data)
            : html`
                <div
                  class="theatre show-${tab}"
                  @rv-at=${(e) => this.moved(e.detail)}
                  @rv-play-at=${this.playAt}
                >
                  ${this.player()} ${tab === 'transcript' ? this.transcript() : this.list()}
                </div>
              `
        }
      </div>
    `;
  }

  player() {
    if (this.material.files.length === 0) return nothing;
    return html`<rv-player
      .session=${this.data}
      .material=${this.material}
      .activities=${this.activities}
    ></rv-player>`;
  }

  transcript() {
    return html`<rv-transcript
      .activities=${this.activities}
      .names=${this.names}
      .files=${this.files}
      .material=${this.material}
      .at=${this.at}
      .live=${this.data.live}
      .connection=${this.connection}
    ></rv-transcript>`;
  }

  list() {
    return html`<rv-recordings
      .session=${this.data}
      .recordings=${this.recordings}
      .names=${this.names}
      .sharers=${this.sharers}
      @rv-changed=${(e) => {
        e.stopPropagation();
        this.changed();
      }}
    ></rv-recordings>`;
  }
}
customElements.define('rv-detail', Detail);
