import { html, nothing } from 'lit';
import { Element } from '../lib/element.js';
import { titleOf } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';
import './call-devices.js';
import { mark } from './mark.js';
import { attempt } from './notice.js';

// Lobby is where a person sees and chooses devices and answers whether the
// session may be recorded, before anything leaves the browser.
class Lobby extends Element {
  static properties = {
    call: { attribute: false },
    view: { attribute: false },
    devices: { attribute: false },
    devicesVersion: { attribute: false },
    answer: { state: true }, // given, refused or not yet
    opening: { state: true },
  };

  async tryDevices() {
    this.opening = true;
    await this.devices.open();
    this.opening = false;
  }

  // Joining opens the devices if nothing has yet. Somebody who lacks one then
  // reads why, and chooses anew.
  async join(event) {
    event.preventDefault();
    if (this.opening) return;
    if (!this.devices.stream) {
      await this.tryDevices();
      if (Object.values(this.devices.trouble).some(Boolean)) return;
    }
    if (this.view.consent.asked && !(await this.consent())) return;
    this.emit('rv-enter');
  }

  // consent stores the answer. It says whether that worked: a text that was
  // changed meanwhile has to be read first.
  async consent() {
    return attempt(async () => {
      try {
        await this.call.consent(this.answer);
        return true;
      } catch (err) {
        if (err.status === 412) await this.call.join();
        throw err;
      }
    });
  }

  render() {
    const { session, me } = this.view;
    return html`
      <header class="top call-top"><span class="brand">${mark}</span></header>
      <main id="main" class="call-lobby">
        <div>
          <h1 tabindex="-1">${titleOf(session)}</h1>
          <p class="lead">${t('call.as', { who: me.name || label('role', me.role) })}</p>
        </div>
        <form @submit=${this.join}>
          ${this.preview()}
          <div class="settings">
            <fieldset>
              <legend>${t('publish.devices')}</legend>
              ${
                isSecureContext
                  ? nothing
                  : html`<p class="alert small" role="alert">
                      ${icons.warning} <span>${t('publish.insecure', { host: location.host })}</span>
                    </p>`
              }
              <rv-call-devices .devices=${this.devices} .version=${this.devicesVersion}></rv-call-devices>
            </fieldset>
            ${this.notice()}
            <button class="primary" data-action="join" ?disabled=${this.opening}>${this.joinText()}</button>
          </div>
        </form>
      </main>
    `;
  }

  preview() {
    const { devices } = this;
    const video = devices.track('video');
    const shown = video && !devices.off.video;
    const toggle = (kind, on, off) =>
      devices.track(kind)
        ? html`<button
            type="button"
            data-action="toggle-${kind}"
            aria-pressed=${devices.off[kind] ? 'true' : 'false'}
            @click=${() => devices.turn(kind, !devices.off[kind])}
          >
            ${devices.off[kind] ? off : on} ${t(`publish.mute.${kind}`)}
          </button>`
        : nothing;
    return html`
      <div class="call-preview">
        <figure class="tile ${shown ? '' : 'voice'}">
          ${
            video
              ? html`<video
                  class="mirrored"
                  tabindex="-1"
                  autoplay
                  playsinline
                  .muted=${true}
                  .srcObject=${devices.stream}
                  ?hidden=${!shown}
                  aria-label=${t('publish.preview')}
                ></video>`
              : nothing
          }
          ${shown ? nothing : html`<div class="face">${icons.person}</div>`}
        </figure>
        <div class="actions">
          ${
            devices.stream
              ? html`${toggle('audio', icons.microphone, icons.microphoneOff)}
                ${toggle('video', icons.camera, icons.cameraOff)}`
              : html`<button type="button" data-action="preview" ?disabled=${this.opening} @click=${this.tryDevices}>
                  ${icons.camera} ${t('call.try')}
                </button>`
          }
        </div>
      </div>
    `;
  }

  // notice tells whether the session is recorded and, where that has to be
  // asked for, asks.
  notice() {
    const { consent } = this.view;
    if (!consent.asked) {
      return this.view.recording !== 'withheld'
        ? html`<p class="muted call-recorded">${icons.live} <span>${t('call.recorded')}</span></p>`
        : nothing;
    }
    const option = (value, text) => html`
      <label>
        <input type="radio" name="consent" value=${value} required @change=${() => (this.answer = value)} />
        <span>${text}</span>
      </label>
    `;
    return html`
      <fieldset class="call-consent">
        <legend>${t('call.consent')}</legend>
        <p class="call-notice" tabindex="0" lang=${consent.language || nothing}>${consent.text}</p>
        ${option('given', t('call.consent.given'))} ${option('refused', t('call.consent.refused'))}
      </fieldset>
    `;
  }

  joinText() {
    if (!this.devices.stream) return t('call.join');
    const audio = this.devices.track('audio');
    const video = this.devices.track('video');
    if (audio && video) return t('call.join');
    if (audio) return t('call.join.audio');
    return video ? t('call.join.video') : t('call.join.neither');
  }
}
customElements.define('rv-call-lobby', Lobby);
