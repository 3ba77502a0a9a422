import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { Element } from '../lib/element.js';
import { bytes } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';
import { attempt } from './notice.js';
import { ask } from './prompt.js';

const tabs = ['chat', 'files', 'people'];

// What the chat shows besides messages and files.
const happened = new Set(['Joined', 'Left', 'SharedScreen', 'FileUploadFailed']);

const hours = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const clockOf = (iso) => hours.format(new Date(iso));

// Panel shows what is said, the files and who is there, beside the pictures.
class Panel extends Element {
  static properties = {
    room: { attribute: false },
    version: { attribute: false }, // another object whenever the room changed
    tab: { state: true },
  };

  constructor() {
    super();
    this.tab = 'chat';
  }

  // enter puts the focus where a message is written.
  enter() {
    this.querySelector('textarea')?.focus();
  }

  async show(tab) {
    this.tab = tab;
    await this.updateComplete;
  }

  willUpdate() {
    const list = this.querySelector('.call-log');
    // Who scrolled up reads; who is at the end wants to see what comes.
    this.atEnd = !list || list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  }

  updated() {
    const list = this.querySelector('.call-log');
    if (list && this.atEnd) list.scrollTop = list.scrollHeight;
  }

  tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.tab = tabs[(tabs.indexOf(this.tab) + step + tabs.length) % tabs.length];
    this.updateComplete.then(() => this.querySelector(`#call-tab-${this.tab}`).focus());
  }

  render() {
    const count = { chat: 0, files: this.shared.length, people: this.room.here.length + 1 };
    return html`
      <aside class="call-panel" aria-label=${t('call.panel')}>
        <div class="call-tabs">
          <div role="tablist" aria-label=${t('call.panel')} @keydown=${this.tabKey}>
            ${tabs.map((tab) => {
              const on = this.tab === tab;
              return html`<button
                role="tab"
                id="call-tab-${tab}"
                aria-controls="call-tabpanel"
                aria-selected=${String(on)}
                tabindex=${on ? '0' : '-1'}
                @click=${() => this.show(tab)}
              >
                ${t(`call.tab.${tab}`)} ${count[tab] > 0 ? html`<span class="count">${count[tab]}</span>` : nothing}
              </button>`;
            })}
          </div>
          <button
            class="quiet icon-only call-close"
            aria-label=${t('close')}
            title=${t('close')}
            @click=${() => this.emit('rv-close')}
          >
            ${icons.close}
          </button>
        </div>
        <div role="tabpanel" id="call-tabpanel" aria-labelledby="call-tab-${this.tab}">${this[this.tab]()}</div>
      </aside>
    `;
  }

  get shared() {
    return this.room.log.filter((a) => a.type === 'SharedFile');
  }

  chat() {
    const { room } = this;
    return html`
      <div class="call-log" role="log" aria-label=${t('call.tab.chat')} tabindex="0">
        ${room.log.length + room.outbox.messages.length === 0 ? html`<p class="muted">${t('call.chat.none')}</p>` : nothing}
        ${repeat(
          room.log,
          (a) => a.id,
          (a) => this.entry(a),
        )}
        ${repeat(
          room.outbox.messages,
          (m) => m.clientId,
          (m) => this.pending(m),
        )}
      </div>
      <form class="call-write" @submit=${this.submit}>
        <label class="visually-hidden" for="call-message">${t('call.message')}</label>
        <textarea
          id="call-message"
          rows="2"
          maxlength=${room.view.limits.messageBytes}
          dir="auto"
          placeholder=${t('call.message')}
          aria-describedby="call-message-keys"
          @keydown=${this.typed}
        ></textarea>
        <button class="primary icon-only" data-action="send" aria-label=${t('call.send')} title=${t('call.send')}>
          ${icons.send}
        </button>
        <span id="call-message-keys" class="visually-hidden">${t('call.message.keys')}</span>
      </form>
    `;
  }

  typed(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    const box = this.querySelector('textarea');
    const text = box.value.trim();
    if (text === '') return;
    this.room.outbox.add(text);
    this.atEnd = true;
    box.value = '';
    box.focus();
  }

  entry(a) {
    const mine = a.participant === this.room.me.id;
    const who = mine ? t('call.you') : this.room.nameOf(a.participant) || label('role', a.role);
    if (a.type === 'ChatMessage') return this.bubble({ mine, who, at: clockOf(a.at), body: a.text, id: a.id });
    if (a.type === 'SharedFile') {
      return this.bubble({ mine, who, at: clockOf(a.at), body: this.fileLink(a), id: a.id });
    }
    return happened.has(a.type)
      ? html`<p class="call-event" data-type=${a.type}>${label('activity', a.type, { who })} · ${clockOf(a.at)}</p>`
      : nothing;
  }

  bubble({ mine, who, at, body, id, more = nothing, state = '' }) {
    return html`<div class="call-said ${mine ? 'mine' : ''} ${state}" data-said=${id}>
      <p class="call-by"><b>${who}</b> ${at}</p>
      <div class="call-text" dir="auto">${body}</div>
      ${more}
    </div>`;
  }

  pending(m) {
    const more = m.problem
      ? html`<p class="call-problem" role="alert">
          ${t('error', { message: m.problem.message })}
          <button class="link" @click=${() => this.room.outbox.again(m)}>${t('watch.again')}</button>
        </p>`
      : nothing;
    return this.bubble({
      mine: true,
      who: t('call.you'),
      at: t('call.sending'),
      body: m.text,
      id: m.clientId,
      more,
      state: 'pending',
    });
  }

  fileLink(a) {
    return html`<button class="call-file" data-file=${a.file.id} @click=${() => this.download(a)}>
      ${icons.file}<span>${a.file.name}</span><small>${bytes(a.file.bytes)}</small>
      <span class="visually-hidden">${t('player.download')}</span>${icons.download}
    </button>`;
  }

  // download asks for the file by a link of its own that is good for a while.
  async download(a) {
    const url = await attempt(() => this.room.call.download(a.file.id));
    if (!url) return;
    const link = document.createElement('a');
    link.href = url;
    link.download = a.file.name;
    link.click();
  }

  files() {
    const { shelf } = this.room;
    const { fileBytes } = this.room.view.limits;
    return html`
      <div class="call-files">
        ${fileBytes > 0 ? this.picker(fileBytes) : html`<p class="muted">${t('call.files.off')}</p>`}
        ${repeat(
          shelf.uploads,
          (u) => u.id,
          (u) => this.upload(u),
        )}
        ${this.shared.length === 0 && shelf.uploads.length === 0 ? html`<p class="muted">${t('call.files.none')}</p>` : nothing}
        <ul>
          ${repeat(
            this.shared,
            (a) => a.id,
            (a) =>
              html`<li>
                ${this.fileLink(a)}
                <span class="muted"
                  >${a.participant === this.room.me.id ? t('call.you') : this.room.nameOf(a.participant)} ·
                  ${clockOf(a.at)}</span
                >
              </li>`,
          )}
        </ul>
      </div>
    `;
  }

  picker(most) {
    const pick = (e) => {
      this.emit('rv-files', [...e.target.files]);
      e.target.value = '';
    };
    return html`
      <div>
        <input id="call-pick" class="visually-hidden" type="file" multiple @change=${pick} />
        <label class="button" for="call-pick">${icons.attach} ${t('call.pick')}</label>
        <p class="muted">${t('call.pick.text', { size: bytes(most) })}</p>
      </div>
    `;
  }

  upload(u) {
    const { shelf } = this.room;
    return html`
      <div class="call-upload" data-upload=${u.state}>
        <span class="name">${u.file.name}</span>
        <progress max=${u.file.size || 1} .value=${u.sent} aria-label=${u.file.name}></progress>
        <span class="muted" role="status">${this.uploadState(u)}</span>
        <span class="actions">
          ${
            u.state === 'failed' && !u.tooLarge
              ? html`<button
                  class="quiet icon-only"
                  aria-label=${t('watch.again')}
                  title=${t('watch.again')}
                  @click=${() => shelf.again(u)}
                >
                  ${icons.retry}
                </button>`
              : nothing
          }
          <button
            class="quiet icon-only"
            aria-label=${t('call.upload.cancel', { name: u.file.name })}
            title=${t('cancel')}
            @click=${() => shelf.cancel(u)}
          >
            ${icons.close}
          </button>
        </span>
      </div>
    `;
  }

  uploadState(u) {
    if (u.tooLarge) return t('call.upload.tooLarge', { size: bytes(this.room.view.limits.fileBytes) });
    if (u.state === 'failed') return t('error', { message: u.problem.message });
    if (u.state === 'waiting') return t('call.upload.waiting');
    return t('call.upload.of', { sent: bytes(u.sent), size: bytes(u.file.size) });
  }

  people() {
    const { me, here, peers } = this.room;
    const line = (p, note) => html`
      <li>
        ${icons.person}<span><b>${p.name || label('role', p.role)}</b> <span class="muted">${note}</span></span>
        ${peers.all.some((peer) => peer.participant === p.id && peer.source === 'screen') ? icons.screen : nothing}
      </li>
    `;
    return html`
      <div class="call-list">
        <ul>
          ${line(me, t('call.you'))} ${here.map((p) => line(p, label('role', p.role)))}
        </ul>
        ${
          this.room.view.consent.answer === 'given'
            ? html`<p class="muted">${t('call.consent.did')}</p>
                <button data-action="withdraw-consent" @click=${this.withdraw}>${t('call.consent.withdraw')}</button>`
            : nothing
        }
      </div>
    `;
  }

  // Who agreed may change their mind; the recording then ends for good.
  async withdraw() {
    const sure = await ask({
      title: t('call.consent.withdraw.title'),
      text: t('call.consent.withdraw.text'),
      confirm: t('call.consent.withdraw'),
      danger: true,
    });
    if (sure !== null) await attempt(() => this.room.call.consent('refused'));
  }
}
customElements.define('rv-call-panel', Panel);
