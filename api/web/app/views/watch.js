import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { icons } from '../lib/icons.js';
import { watch } from '../lib/rtc.js';
import { label, t } from '../lib/text.js';

// Watch shows who publishes in a session now, each over a WHEP connection of
// its own, after somebody asked for it: each watch is audited.
class Watch extends Element {
  static properties = {
    session: { attribute: false },
    watching: { state: true },
    tiles: { state: true },
  };

  constructor() {
    super();
    this.watching = false;
    this.tiles = new Map(); // key of a publisher -> {connection, state, problem}
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stop();
  }

  get publishers() {
    return this.session.publishers.map((p) => ({ ...p, key: `${p.participant} ${p.source}` }));
  }

  updated(changed) {
    if (changed.has('session') && changed.get('session') && changed.get('session').id !== this.session.id) this.stop();
    if (this.watching && changed.has('session')) this.follow();
  }

  start() {
    this.watching = true;
    this.follow();
  }

  stop() {
    for (const { connection } of this.tiles.values()) connection?.close();
    this.tiles = new Map();
    this.watching = false;
  }

  // follow connects to publishers that came and lets go of those that left.
  follow() {
    const here = this.publishers;
    for (const [key, { connection }] of this.tiles) {
      if (here.some((p) => p.key === key)) continue;
      connection?.close();
      this.tiles.delete(key);
    }
    for (const p of here) if (!this.tiles.has(p.key)) this.connect(p);
    this.requestUpdate();
  }

  async connect(p) {
    const tile = { connection: null, state: 'connecting' };
    this.tiles.set(p.key, tile);
    const enter = (state) => {
      tile.state = state;
      this.requestUpdate();
    };
    try {
      const { secret } = await api.watchTicket(this.session.id);
      if (this.tiles.get(p.key) !== tile) return;
      tile.connection = watch({ url: api.whep(this.session.id, p), ticket: secret, onState: enter });
      await tile.connection.open();
    } catch (err) {
      tile.problem = err.message;
      enter('failed');
    }
  }

  again(p) {
    this.tiles.get(p.key)?.connection?.close();
    this.connect(p);
  }

  render() {
    const here = this.publishers;
    if (here.length === 0 && !this.watching) return nothing;
    return html`
      <section class="watch" aria-label=${t('watch')}>
        <div class="actions">
          ${
            this.watching
              ? html`<button data-action="unwatch" @click=${this.stop}>${icons.close} ${t('watch.stop')}</button>`
              : html`<button class="primary" data-action="watch" @click=${this.start}>
                  ${icons.live} ${t('watch')}
                </button>`
          }
          <span class="muted">${t('watch.publishers', { n: here.length })}</span>
        </div>
        ${
          this.watching
            ? html`<div class="stage" data-tiles=${here.length}>
                ${repeat(
                  here,
                  (p) => p.key,
                  (p) => this.tile(p),
                )}
              </div>`
            : nothing
        }
      </section>
    `;
  }

  tile(p) {
    const tile = this.tiles.get(p.key);
    const name = `${p.participant}, ${label('source', p.source)}`;
    const video = (e) => e.target.closest('.tile').querySelector('video');
    const sound = (e) => {
      video(e).muted = !video(e).muted;
      this.requestUpdate();
    };
    const shown = this.querySelector(`video[data-publisher="${CSS.escape(p.key)}"]`);
    return html`
      <figure class="tile" data-watch-state=${tile?.state ?? 'connecting'}>
        <video
          data-publisher=${p.key}
          autoplay
          playsinline
          .muted=${true}
          .srcObject=${tile?.connection?.stream ?? null}
        ></video>
        <figcaption>
          <span>${name}</span>
          ${
            tile?.state === 'connected'
              ? nothing
              : html`<span role="status" title=${tile?.problem ?? ''}
                  >${label('connection', tile?.state ?? 'connecting')}</span
                >`
          }
          ${
            tile?.state === 'failed'
              ? html`<button class="quiet" @click=${() => this.again(p)}>${t('watch.again')}</button>`
              : html`<button
                  class="quiet icon-only"
                  aria-label=${t('watch.sound', { who: name })}
                  aria-pressed=${shown && !shown.muted ? 'true' : 'false'}
                  @click=${sound}
                >
                  ${shown && !shown.muted ? icons.sound : icons.muted}
                </button>`
          }
        </figcaption>
      </figure>
    `;
  }
}
customElements.define('rv-watch', Watch);
