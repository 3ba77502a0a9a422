import { html, nothing } from 'lit';
import { Room } from '../lib/call-room.js';
import { troubleWith } from '../lib/capture.js';
import { Element } from '../lib/element.js';
import { titleOf } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';
import './call-devices.js';
import './call-panel.js';
import './call-stage.js';
import { mark } from './mark.js';
import { attempt } from './notice.js';
import { ask } from './prompt.js';

// Keys of the room, with Alt held so that they can't be typed by accident.
const keys = { KeyM: 'audio', KeyV: 'video', KeyS: 'screen', KeyC: 'chat' };

const media = {
  audio: {
    icon: icons.microphone,
    offIcon: icons.microphoneOff,
    text: 'call.audio',
    turn: 'call.audio.on',
    turnOff: 'call.audio.off',
  },
  video: {
    icon: icons.camera,
    offIcon: icons.cameraOff,
    text: 'call.video',
    turn: 'call.video.on',
    turnOff: 'call.video.off',
  },
};

const wide = matchMedia('(min-width: 60rem)');

// CallRoom is the call itself.
class CallRoom extends Element {
  static properties = {
    call: { attribute: false },
    view: { attribute: false },
    devices: { attribute: false },
    devicesVersion: { attribute: false },
    panel: { state: true }, // whether chat, files and people are shown
    trouble: { state: true },
  };

  constructor() {
    super();
    this.panel = wide.matches;
    this.trouble = '';
    this.read = 0; // how many of the others' messages and files were in view
    this.widened = () => (this.panel = wide.matches);
    this.pressed = (e) => this.key(e);
    this.awake = () => this.stayAwake();
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener('keydown', this.pressed);
    wide.addEventListener('change', this.widened);
    document.addEventListener('visibilitychange', this.awake);
    this.stayAwake();
    this.room = new Room({
      call: this.call,
      onChange: () => this.requestUpdate(),
      onOver: () => this.emit('rv-over', 'ended'),
    });
    this.room.start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener('keydown', this.pressed);
    wide.removeEventListener('change', this.widened);
    document.removeEventListener('visibilitychange', this.awake);
    this.lock?.release().catch(() => {});
    this.room.stop();
  }

  willUpdate(changed) {
    if (changed.has('view')) this.room.saw(this.view);
    if (changed.has('devicesVersion')) this.room.camera.set(this.devices.sending);
    if (this.panel) this.read = this.room.said.length;
  }

  firstUpdated() {
    this.querySelector('h1').focus();
  }

  // A screen that goes dark ends the call on many phones. The lock goes when
  // the page is hidden.
  async stayAwake() {
    if (document.hidden) return;
    const lock = await navigator.wakeLock?.request('screen').catch(() => null);
    if (this.isConnected) this.lock = lock;
    else lock?.release().catch(() => {});
  }

  key(event) {
    // Where the panel covers the pictures, it goes as a dialog does.
    if (event.key === 'Escape' && this.panel && !wide.matches && !document.querySelector('dialog[open]')) {
      this.togglePanel();
      return;
    }
    const what = keys[event.code];
    if (!what || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
    event.preventDefault();
    if (what === 'screen') this.toggleScreen();
    else if (what === 'chat') this.togglePanel();
    else this.toggle(what);
  }

  toggle(kind) {
    if (this.devices.track(kind)) this.devices.turn(kind, !this.devices.off[kind]);
    else this.openDevices();
  }

  async toggleScreen() {
    this.trouble = '';
    if (this.room.screen) {
      this.room.stopScreen();
      return;
    }
    if (!canShare()) return;
    try {
      await this.room.shareScreen();
    } catch (err) {
      this.trouble = troubleWith(err, 'screen');
    }
  }

  async togglePanel() {
    this.panel = !this.panel;
    await this.updateComplete;
    if (this.panel) this.querySelector('rv-call-panel').enter();
    else this.querySelector('[data-action=chat]').focus();
  }

  openDevices() {
    this.querySelector('dialog.call-settings').showModal();
    if (!this.devices.stream) this.devices.open();
  }

  leave() {
    this.call.leave();
    this.room.stop();
    this.emit('rv-left');
  }

  async end() {
    const answer = await ask({
      title: t('call.end.title'),
      text: t('call.end.text'),
      confirm: t('call.end'),
      danger: true,
    });
    if (answer === null) return;
    await attempt(async () => {
      await this.call.end();
      this.emit('rv-over', 'ended');
    });
  }

  drop(event) {
    event.preventDefault();
    this.classList.remove('dropping');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) this.share(files);
  }

  dragOver(event) {
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    this.classList.add('dropping');
  }

  dragLeave(event) {
    if (!this.contains(event.relatedTarget)) this.classList.remove('dropping');
  }

  async share(files) {
    this.room.shelf.add(files);
    this.panel = true;
    await this.updateComplete;
    this.querySelector('rv-call-panel').show('files');
  }

  render() {
    return html`
      <a class="skip" href="#main">${t('skip')}</a>
      <div
        class="call-room ${this.panel ? 'with-panel' : ''}"
        @drop=${this.drop}
        @dragover=${this.dragOver}
        @dragleave=${this.dragLeave}
      >
        ${this.head()}
        <main id="main" class="call-main">
          ${this.troubles()}
          <rv-call-stage
            .room=${this.room}
            .version=${{}}
            .devices=${this.devices}
            @rv-invite-devices=${this.openDevices}
          ></rv-call-stage>
          ${this.bar()}
        </main>
        ${
          this.panel
            ? html`<rv-call-panel
                .room=${this.room}
                .version=${{}}
                @rv-files=${(e) => this.share(e.detail)}
                @rv-close=${this.togglePanel}
              ></rv-call-panel>`
            : nothing
        }
        <div class="call-drop" aria-hidden="true">${icons.file} ${t('call.drop')}</div>
      </div>
      ${this.settings()}
    `;
  }

  head() {
    return html`
      <header class="top call-top">
        <span class="brand">${mark}</span>
        <h1 tabindex="-1">${titleOf(this.view.session)}</h1>
        ${this.indicator()}
      </header>
    `;
  }

  // indicator says whether the session is recorded now, and why not.
  indicator() {
    const { state, why } = this.room.recording;
    return html`<span class="badge call-recording state-${state}" role="status" data-recording-state=${state}>
      ${why ? t(`call.recording.${why}`) : label('call.recording', state)}
    </span>`;
  }

  troubles() {
    const { room } = this;
    const refused = [room.camera, room.share].find((p) => p.state === 'refused');
    const words = this.trouble || (refused && t('error', { message: refused.problem.message }));
    const lost = !room.online || [room.camera, room.share].some((p) => p.state === 'reconnecting');
    return html`
      <div class="call-troubles">
        ${words ? html`<p class="alert small" role="alert">${icons.warning} <span>${words}</span></p>` : nothing}
        <p class="visually-hidden" role="status">${this.news()}</p>
        <p class="call-lost" role="status">${lost ? html`${icons.retry} ${t('call.reconnecting')}` : nothing}</p>
      </div>
    `;
  }

  // news is for who can't see that something was said while the panel is closed.
  news() {
    const last = this.room.said.at(-1);
    if (!last || this.room.said.length <= this.read) return '';
    const who = this.room.nameOf(last.participant) || label('role', last.role);
    return t('call.news', { who, text: last.text || last.file.name });
  }

  bar() {
    const { devices, room } = this;
    const toggle = (kind, key) => {
      const { icon, offIcon, text, turn, turnOff } = media[kind];
      const on = Boolean(devices.track(kind)) && !devices.off[kind];
      return this.button({
        action: kind,
        icon: on ? icon : offIcon,
        text: t(text),
        tip: t(on ? turnOff : turn, { key }),
        pressed: on,
        key,
        act: () => this.toggle(kind),
        lacks: !on,
      });
    };
    const guest = room.me.role === 'guest';
    const unread = room.said.length - this.read;
    const shown = this.panel ? 'call.chat.hide' : 'call.chat.show';
    const chat = unread > 0 ? 'call.chat.unread' : shown;
    return html`
      <div class="call-bar" role="toolbar" aria-label=${t('call.controls')}>
        ${toggle('audio', 'Alt+M')} ${toggle('video', 'Alt+V')}
        ${
          canShare()
            ? this.button({
                action: 'screen',
                icon: room.screen ? icons.screenOff : icons.screen,
                text: t('source.screen'),
                tip: t(room.screen ? 'call.screen.stop' : 'call.screen.start', { key: 'Alt+S' }),
                pressed: Boolean(room.screen),
                key: 'Alt+S',
                act: this.toggleScreen,
              })
            : nothing
        }
        ${this.button({
          action: 'chat',
          icon: icons.chat,
          text: t('call.chat'),
          count: unread,
          tip: t(chat, { key: 'Alt+C', n: unread }),
          pressed: this.panel,
          key: 'Alt+C',
          act: this.togglePanel,
        })}
        ${this.button({ action: 'devices', icon: icons.settings, text: t('publish.devices'), tip: t('call.devices'), act: this.openDevices })}
        <span class="gap"></span>
        ${this.button({ action: 'leave', icon: icons.leave, text: t('call.leave'), tip: t('call.leave.tip'), act: this.leave, danger: true })}
        ${
          guest
            ? nothing
            : this.button({
                action: 'end',
                icon: icons.close,
                text: t('call.end.short'),
                tip: t('call.end'),
                act: this.end,
                danger: true,
              })
        }
      </div>
    `;
  }

  button({ action, icon, text, tip, pressed, key, act, danger, lacks, count }) {
    return html`<button
      class="call-button ${danger ? 'danger' : ''} ${lacks ? 'lacks' : ''}"
      data-action=${action}
      title=${tip}
      aria-label=${tip}
      aria-pressed=${pressed === undefined ? nothing : String(pressed)}
      aria-keyshortcuts=${key ?? nothing}
      @click=${act}
    >
      ${icon}<span aria-hidden="true">${text}</span>
      ${count ? html`<span class="count" aria-hidden="true">${count}</span>` : nothing}
    </button>`;
  }

  settings() {
    const close = () => this.querySelector('dialog.call-settings').close();
    return html`
      <dialog class="call-settings" aria-labelledby="call-settings-title">
        <h2 id="call-settings-title">${t('publish.devices')}</h2>
        <rv-call-devices .devices=${this.devices} .version=${this.devicesVersion}></rv-call-devices>
        <details>
          <summary>${t('keys')}</summary>
          <p class="muted">${t('call.keys')}</p>
        </details>
        <div class="actions">
          <button class="primary" data-action="close-devices" @click=${close}>${t('close')}</button>
        </div>
      </dialog>
    `;
  }
}
customElements.define('rv-call-room', CallRoom);

// Browsers on phones share no screen.
function canShare() {
  return Boolean(navigator.mediaDevices?.getDisplayMedia);
}
