import { html, nothing } from 'lit';
import { api } from '../lib/api.js';
import { captureDevices, captureScreen, devices, stopStream, troubleWith } from '../lib/capture.js';
import { Element } from '../lib/element.js';
import { icons } from '../lib/icons.js';
import { publish, sent } from '../lib/rtc.js';
import { go, href } from '../lib/router.js';
import { label, t } from '../lib/text.js';
import { attempt } from './notice.js';

const statsEvery = 1000; // ms

// A recording waits a minute for a participant to come back, so a lost
// connection is tried again for about as long.
const mostTries = 20;
const retryAfter = 3000; // ms

// Publish sends camera, microphone and screen into a session, to try it out.
// Each source has a WHIP connection of its own. One that broke for good, such as
// when the server was started anew, is replaced by another.
class Publish extends Element {
  static properties = {
    session: { attribute: false },
    side: { state: true }, // "guest" or "operator"
    devices: { state: true },
    camera: { state: true }, // {stream, connection, state, kbps}
    screen: { state: true },
    trouble: { state: true },
  };

  constructor() {
    super();
    this.side = 'guest';
    this.names = { guest: `guest-${suffix()}`, operator: `operator-${suffix()}` };
    this.chosen = {};
    this.devices = { cameras: [], microphones: [] };
    this.camera = idle();
    this.screen = idle();
    this.trouble = isSecureContext ? '' : t('publish.insecure', { host: location.host });
  }

  connectedCallback() {
    super.connectedCallback();
    this.timer = setInterval(() => this.measure(), statsEvery);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.timer);
    this.stop('camera');
    this.stop('screen');
  }

  async begin() {
    const session = await attempt(() => api.createSession(t('publish.sessionName')));
    if (session) go({ page: 'publish', session: session.id }, { replace: true });
  }

  // preview takes camera and microphone as chosen.
  async preview() {
    this.trouble = '';
    try {
      const stream = await captureDevices(this.chosen);
      stopStream(this.camera.stream);
      this.camera = { ...this.camera, stream };
      this.devices = await devices();
    } catch (err) {
      this.trouble = troubleWith(err, 'devices');
    }
  }

  async choose(kind, id) {
    this.chosen = { ...this.chosen, [kind]: id };
    if (this.camera.stream && !running(this.camera)) await this.preview();
  }

  async startCamera() {
    if (!this.camera.stream) await this.preview();
    if (this.camera.stream) await this.start('camera', this.camera.stream);
  }

  async startScreen() {
    this.trouble = '';
    try {
      const stream = await captureScreen();
      stream.getVideoTracks()[0].addEventListener('ended', () => this.stop('screen'));
      await this.start('screen', stream);
    } catch (err) {
      this.trouble = troubleWith(err, 'screen');
    }
  }

  // start publishes a stream as this source. tries counts the connections that
  // broke one after another.
  async start(source, stream, tries = 0) {
    this.trouble = '';
    this[source] = { ...idle(), stream, tries, state: 'connecting' };
    try {
      const who = { participant: this.names[this.side], role: this.side };
      const ticket = (await api.publishTicket(this.session, who)).secret;
      if (this[source].stream !== stream) return; // stopped meanwhile
      const connection = publish({
        stream,
        ticket,
        url: api.whip(this.session, source),
        onState: (state) => this.entered(source, connection, state),
      });
      this[source] = { ...this[source], connection };
      await connection.open();
    } catch (err) {
      this.broke(source, stream, tries, err);
    }
  }

  entered(source, connection, state) {
    const now = this[source];
    if (now.connection !== connection) return;
    this[source] = { ...now, state, tries: state === 'connected' ? 0 : now.tries };
    if (state === 'closed') this.stop(source); // the page was left, and came back
    if (state === 'failed') this.broke(source, now.stream, now.tries, { status: 0 });
  }

  // broke goes on with a new connection a little later, unless the server said
  // that it does not want one.
  broke(source, stream, tries, err) {
    if (this[source].stream !== stream) return;
    const refused = err.status >= 400 && err.status < 500;
    if (refused || tries >= mostTries) {
      this.stop(source);
      this.trouble = refused ? t('error', { message: err.message }) : t('publish.lost');
      return;
    }
    this[source] = { ...idle(), stream, tries, state: 'reconnecting' };
    setTimeout(() => {
      if (this[source].stream === stream) this.start(source, stream, tries + 1);
    }, retryAfter);
  }

  stop(source) {
    const { connection, stream } = this[source];
    this[source] = idle();
    connection?.close();
    stopStream(stream);
  }

  toggle(kind) {
    for (const track of this.camera.stream?.getTracks() ?? []) if (track.kind === kind) track.enabled = !track.enabled;
    this.requestUpdate();
  }

  async measure() {
    for (const source of ['camera', 'screen']) {
      const { connection, state, last } = this[source];
      if (state !== 'connected') continue;
      const now = await sent(connection);
      if (this[source].connection !== connection) continue;
      const kbps = last && now.at > last.at ? Math.round(((now.bytes - last.bytes) * 8) / (now.at - last.at)) : 0;
      this[source] = { ...this[source], last: now, kbps };
    }
  }

  render() {
    return html`
      <main id="main" class="publish">
        <div class="bar">
          <h1>${t('publish.title')}</h1>
          ${
            this.session
              ? html`<a href=${href({ page: 'sessions', session: this.session })}>${t('publish.back')}</a>`
              : nothing
          }
        </div>
        ${this.trouble ? html`<p class="alert" role="alert">${icons.warning} ${this.trouble}</p>` : nothing}
        ${this.session ? this.studio() : this.choice()}
      </main>
    `;
  }

  choice() {
    return html`
      <p class="lead">${t('publish.text')}</p>
      <button class="primary" @click=${this.begin}>${icons.plus} ${t('publish.begin')}</button>
      <p class="muted">${t('publish.elsewhere')}</p>
    `;
  }

  studio() {
    return html`
      <div class="studio">
        <div class="previews">
          ${this.tile('camera', t('publish.preview'))}
          ${this.screen.stream ? this.tile('screen', t('source.screen')) : nothing}
        </div>
        <div class="settings">${this.settings()} ${this.buttons()}</div>
      </div>
    `;
  }

  tile(source, name) {
    const { stream, state, kbps } = this[source];
    return html`
      <figure class="tile ${stream ? '' : 'voice'}" data-source=${source} data-state=${state}>
        ${
          stream
            ? html`<video autoplay playsinline .muted=${true} .srcObject=${stream} aria-label=${name}></video>`
            : html`<div class="face">${icons.camera}</div>`
        }
        <figcaption>
          <span>${name}</span>
          <span role="status" class="badge connection-${state}">${label('connection', state)}</span>
          ${state === 'connected' ? html`<span class="number">${t('publish.kbps', { n: kbps })}</span>` : nothing}
        </figcaption>
      </figure>
    `;
  }

  settings() {
    const busy = running(this.camera) || running(this.screen);
    const select = (kind, list) => html`
      <label>
        ${t(`publish.${kind}`)}
        <select ?disabled=${running(this.camera)} @change=${(e) => this.choose(kind, e.target.value)}>
          <option value="">${t('publish.default')}</option>
          ${list.map((d) => html`<option value=${d.deviceId}>${d.label || t('publish.unnamed')}</option>`)}
          <option value="none">${t('publish.without')}</option>
        </select>
      </label>
    `;
    return html`
      ${this.identity(busy)}
      <fieldset>
        <legend>${t('publish.devices')}</legend>
        ${select('camera', this.devices.cameras)} ${select('microphone', this.devices.microphones)}
      </fieldset>
    `;
  }

  identity(busy) {
    return html`
      <fieldset>
        <legend>${t('publish.who')}</legend>
        <div class="radios">
          ${['guest', 'operator'].map(
            (role) =>
              html`<label>
                <input
                  type="radio"
                  name="role"
                  value=${role}
                  .checked=${this.side === role}
                  ?disabled=${busy}
                  @change=${() => (this.side = role)}
                />
                ${label('role', role)}
              </label>`,
          )}
        </div>
        <label>
          ${t('publish.name')}
          <input
            .value=${this.names[this.side]}
            maxlength="64"
            ?disabled=${busy}
            autocomplete="off"
            @change=${(e) => (this.names = { ...this.names, [this.side]: participantId(e.target.value) || this.names[this.side] })}
          />
        </label>
      </fieldset>
    `;
  }

  buttons() {
    const camera = running(this.camera);
    const able = isSecureContext;
    const on = (kind) => this.camera.stream?.getTracks().some((track) => track.kind === kind && track.enabled);
    const has = (kind) => this.camera.stream?.getTracks().some((track) => track.kind === kind);
    const toggle = (kind, icon) =>
      has(kind)
        ? html`<button aria-pressed=${on(kind) ? 'false' : 'true'} @click=${() => this.toggle(kind)}>
            ${icon} ${t(`publish.mute.${kind}`)}
          </button>`
        : nothing;
    return html`
      <div class="actions">
        ${
          camera
            ? html`<button class="danger" data-action="stop" @click=${() => this.stop('camera')}>
                ${icons.stop} ${t('publish.stop')}
              </button>`
            : html`
                <button class="primary" data-action="start" ?disabled=${!able} @click=${this.startCamera}>
                  ${icons.camera} ${t('publish.start')}
                </button>
                ${
                  this.camera.stream
                    ? html`<button @click=${() => this.stop('camera')}>${t('publish.off')}</button>`
                    : html`<button data-action="preview" ?disabled=${!able} @click=${this.preview}>
                        ${t('publish.check')}
                      </button>`
                }
              `
        }
        ${toggle('audio', icons.microphone)} ${toggle('video', icons.camera)}
      </div>
      <div class="actions">
        ${
          this.screen.stream
            ? html`<button class="danger" data-action="stop-screen" @click=${() => this.stop('screen')}>
                ${icons.stop} ${t('publish.stopScreen')}
              </button>`
            : html`<button data-action="start-screen" ?disabled=${!able} @click=${this.startScreen}>
                ${icons.screen} ${t('publish.startScreen')}
              </button>`
        }
      </div>
    `;
  }
}
customElements.define('rv-publish', Publish);

const idle = () => ({ stream: null, connection: null, state: 'idle', tries: 0, kbps: 0, last: null });
const running = (source) => source.state !== 'idle';

// participantId keeps what the API takes: 1 to 64 of [A-Za-z0-9._-].
const participantId = (text) =>
  text
    .trim()
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, 64);

function suffix() {
  return Math.random().toString(36).slice(2, 6);
}
