import { html, nothing } from 'lit';
import { Call, isOver } from '../lib/call.js';
import { Devices, granted } from '../lib/call-devices.js';
import { Element } from '../lib/element.js';
import { titleOf } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';
import './call-lobby.js';
import './call-room.js';

// Where this tab remembers which call it is in, for after a reload.
const remembered = 'reelvault.call';

const againAfter = 2_000; // ms

// CallPage is the page of one participant of a call, whoever opens an
// invitation: first a lobby, then the room, and at last why it is over.
class CallPage extends Element {
  static properties = {
    phase: { state: true }, // opening, unreachable, lobby, room, left or over
    view: { state: true },
    why: { state: true }, // of over: the end of a key of texts
  };

  constructor() {
    super();
    this.phase = 'opening';
    this.view = null;
    this.devices = new Devices(() => this.requestUpdate());
    this.call = new Call({
      invitation: location.hash.slice(1),
      onView: (view) => this.seen(view),
      onEnd: (err) => this.over(reasonOf(err)),
    });
    this.hashChanged = () => location.reload(); // another invitation
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener('hashchange', this.hashChanged);
    this.open();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener('hashchange', this.hashChanged);
    clearTimeout(this.timer);
    this.call.stop();
    this.devices.close();
  }

  async open() {
    if (!this.call.invitation) {
      this.over('noInvitation');
      return;
    }
    try {
      await this.call.join();
    } catch (err) {
      if (isOver(err)) return;
      this.phase = 'unreachable';
      this.timer = setTimeout(() => this.open(), againAfter);
      return;
    }
    if (this.phase === 'over') return;
    const allowed = await granted();
    const { consent } = this.view;
    const back = remembers(this.view.session.id);
    if (back && allowed && !consent.asked) {
      await this.devices.open();
      this.enter();
      return;
    }
    this.phase = 'lobby';
    if (allowed) this.devices.open();
  }

  seen(view) {
    this.view = view;
    document.title = `${titleOf(view.session)} - Reelvault`;
  }

  enter() {
    remember(this.view.session.id);
    this.phase = 'room';
  }

  leave() {
    remember('');
    this.call.stop();
    this.devices.close();
    this.phase = 'left';
  }

  over(why) {
    if (this.phase === 'over') return;
    remember('');
    this.call.stop();
    this.devices.close();
    this.why = why;
    this.phase = 'over';
  }

  updated(changed) {
    // Who came by keyboard goes on where the page goes on.
    if (changed.has('phase') && changed.get('phase') && this.phase !== 'room') this.querySelector('h1')?.focus();
  }

  render() {
    if (this.phase === 'room') {
      return html`<rv-call-room
        .call=${this.call}
        .view=${this.view}
        .devices=${this.devices}
        .devicesVersion=${{}}
        @rv-left=${this.leave}
        @rv-over=${(e) => this.over(e.detail)}
      ></rv-call-room>`;
    }
    if (this.phase === 'lobby') {
      return html`<rv-call-lobby
        .call=${this.call}
        .view=${this.view}
        .devices=${this.devices}
        .devicesVersion=${{}}
        @rv-enter=${this.enter}
      ></rv-call-lobby>`;
    }
    if (this.phase === 'opening' || this.phase === 'unreachable') {
      return html`<main id="main" class="loading" aria-busy="true">
        <p role="status">${t(this.phase === 'opening' ? 'loading' : 'call.unreachable')}</p>
      </main>`;
    }
    return this.end();
  }

  end() {
    const why = this.phase === 'left' ? 'left' : this.why;
    return html`
      <main id="main" class="narrow call-end" data-why=${why}>
        <h1 tabindex="-1">${t(`call.over.${why}`)}</h1>
        <p>${t(`call.over.text.${why}`)}</p>
        ${
          this.phase === 'left'
            ? html`<div class="actions">
                <button class="primary" data-action="again" @click=${() => location.reload()}>
                  ${icons.retry} ${t('call.again')}
                </button>
              </div>`
            : nothing
        }
      </main>
    `;
  }
}
customElements.define('rv-call', CallPage);

// A browser that keeps nothing shows the lobby again.
function remember(session) {
  try {
    sessionStorage.setItem(remembered, session);
  } catch {
    return;
  }
}

function remembers(session) {
  try {
    return sessionStorage.getItem(remembered) === session;
  } catch {
    return false;
  }
}

// reasonOf says why an invitation is good for nothing any more.
function reasonOf(err) {
  if (err.status === 403) return 'off';
  return err.status === 409 || err.status === 410 ? 'ended' : 'invitation';
}
