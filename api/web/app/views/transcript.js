import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { Element } from '../lib/element.js';
import { clock, wallClock, when } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { nextIn } from '../lib/sync.js';
import { t } from '../lib/text.js';
import { content, markOf, told } from './activity.js';

// An element comes to rest up to so many ms before the moment it was sent to: a
// packet of sound.
const rounding = 20;

// How near to the end of the list counts as there, in CSS px.
const nearEnd = 40;

// Transcript lists what was said, shared and done in a session by time. A
// message is a place to play from (rv-play-at, in ms since 1970), and the last
// one before the moment that is played is marked and kept in view, until the
// person scrolls.
class Transcript extends Element {
  static properties = {
    activities: { attribute: false },
    names: { attribute: false }, // participant -> name
    files: { attribute: false }, // id -> file that was shared
    material: { attribute: false },
    live: { type: Boolean },
    connection: {}, // connected, lost or refused
    following: { state: true },
  };

  constructor() {
    super();
    this.following = true;
    this.at = undefined; // what is played, in ms since 1970
    this.now = undefined; // the list item that is marked
    this.room = new ResizeObserver(() => this.following && this.show(this.now));
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.room.disconnect();
  }

  get frame() {
    return this.querySelector('.moments');
  }

  willUpdate(changed) {
    if (changed.has('activities')) this.list = this.activities?.filter(told);
    const { frame } = this;
    this.atEnd = !frame || frame.scrollTop + frame.clientHeight > frame.scrollHeight - nearEnd;
  }

  updated(changed) {
    if (!this.frame) return;
    this.room.observe(this.frame);
    if (changed.has('activities') && this.live && this.at === undefined && this.atEnd) {
      this.frame.scrollTop = this.frame.scrollHeight;
    }
    this.mark();
  }

  // moved is told the moment that is played.
  moved(at) {
    this.at = at;
    this.mark();
  }

  mark() {
    const index = this.list?.findLastIndex((a) => Date.parse(a.at) <= this.at + rounding) ?? -1;
    const now = index < 0 ? undefined : this.frame?.children[index];
    if (now === this.now && now?.ariaCurrent === 'true') return;
    this.now?.removeAttribute('aria-current');
    now?.setAttribute('aria-current', 'true');
    this.now = now;
    if (this.following) this.show(now);
  }

  // show scrolls the list alone: scrollIntoView would move the page as well.
  show(item) {
    if (!item) return;
    const { frame } = this;
    frame.scrollTop = item.offsetTop - frame.clientHeight / 3; // its offset is from the frame
  }

  go(event, a) {
    if (event.target.closest('a') || String(getSelection()) !== '') return;
    this.following = true;
    this.emit('rv-play-at', Date.parse(a.at));
  }

  // key goes from moment to moment: all but one are left out of the tab order.
  key(event) {
    const all = [...this.querySelectorAll('.when')];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || event.shiftKey || to === undefined) return;
    event.preventDefault();
    this.following = false;
    all[Math.min(Math.max(to, 0), all.length - 1)].focus();
  }

  focused(event) {
    if (!event.target.matches('.when')) return;
    for (const other of this.querySelectorAll('.when[tabindex="0"]')) other.tabIndex = -1;
    event.target.tabIndex = 0;
  }

  render() {
    return html`
      <section class="transcript" aria-label=${t('tab.transcript')}>
        ${this.head()} ${this.body()}
      </section>
    `;
  }

  head() {
    const lost = this.connection === 'lost' || this.connection === 'refused';
    if (!lost && !this.live && this.following) return nothing;
    return html`
      <p class="transcript-head">
        ${lost ? html`<span class="badge connection-failed" role="status">${t(`transcript.${this.connection}`)}</span>` : nothing}
        ${this.live && !lost ? html`<span class="badge connection-connected">${t('transcript.live')}</span>` : nothing}
        ${this.following ? nothing : html`<button data-action="follow" @click=${this.follow}>${icons.down} ${t('transcript.follow')}</button>`}
      </p>
    `;
  }

  follow() {
    this.following = true;
    if (this.now) this.show(this.now);
    else this.frame.scrollTop = this.frame.scrollHeight;
  }

  body() {
    if (!this.list) {
      return this.connection === 'refused' ? nothing : html`<p class="loading" aria-busy="true">${t('loading')}</p>`;
    }
    if (this.list.length === 0) return html`<p class="nothing">${t('transcript.none')}</p>`;
    const scrolls = () => (this.following = false);
    return html`
      <ol
        class="moments"
        @keydown=${this.key}
        @focusin=${this.focused}
        @wheel=${{ handleEvent: scrolls, passive: true }}
        @touchmove=${{ handleEvent: scrolls, passive: true }}
        @pointerdown=${(e) => e.target === this.frame && scrolls()}
      >
        ${repeat(
          this.list,
          (a) => a.seq,
          (a, i) => this.item(a, i),
        )}
      </ol>
    `;
  }

  item(a, i) {
    const ms = Date.parse(a.at);
    const { start, total, files } = this.material;
    const s = (ms - start) / 1000;
    const recorded = nextIn(files, s) === s;
    const time = s >= 0 && (s <= total || this.live) ? clock(s * 1000) : wallClock(ms);
    return html`
      <li class="moment ${markOf(a)} ${recorded ? '' : 'unrecorded'}" data-seq=${a.seq} data-at=${ms} @click=${(e) => this.go(e, a)}>
        <button
          class="when"
          tabindex=${i === 0 ? '0' : '-1'}
          title=${recorded ? when(a.at) : `${when(a.at)}. ${t('player.nothingHere')}`}
          aria-label=${t('transcript.playAt', { time })}
        >
          ${time}
        </button>
        ${content(a, this)}
      </li>
    `;
  }
}
customElements.define('rv-transcript', Transcript);
