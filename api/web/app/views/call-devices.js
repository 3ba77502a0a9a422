import { html, nothing } from 'lit';
import { Element } from '../lib/element.js';
import { Meter } from '../lib/call-meter.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';

// DeviceChoice lets a person choose camera, microphone and, where the browser
// can, the speaker.
class DeviceChoice extends Element {
  static properties = {
    devices: { attribute: false },
    version: { attribute: false }, // another object whenever the devices changed
  };

  render() {
    const { list } = this.devices;
    const canSpeak = 'setSinkId' in HTMLMediaElement.prototype && list.speakers.length > 0;
    return html`
      ${this.select('camera', list.cameras)} ${this.trouble('camera')} ${this.select('microphone', list.microphones)}
      ${this.trouble('microphone')}
      <rv-call-meter .track=${this.devices.track('audio')}></rv-call-meter>
      ${canSpeak ? this.select('speaker', list.speakers) : nothing}
    `;
  }

  select(name, list) {
    const chosen = this.devices.chosen[name];
    const known = list.filter((d) => d.deviceId && d.deviceId !== 'default');
    // What is remembered may be unplugged, or not yet told by the browser.
    const lost = chosen && chosen !== 'none' && !known.some((d) => d.deviceId === chosen);
    const option = (value, text) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`;
    return html`
      <label>
        ${t(`publish.${name}`)}
        <select data-device=${name} .value=${chosen} @change=${(e) => this.devices.choose(name, e.target.value)}>
          ${option('', t('publish.default'))} ${known.map((d) => option(d.deviceId, d.label || t('publish.unnamed')))}
          ${lost ? option(chosen, t('publish.unnamed')) : nothing}
          ${name === 'speaker' ? nothing : option('none', t('publish.without'))}
        </select>
      </label>
    `;
  }

  trouble(name) {
    const error = this.devices.trouble[name];
    if (!error) return nothing;
    return html`<p class="alert small" role="alert" data-trouble=${name}>
      ${icons.warning} <span>${troubleIn(name, error)}</span>
    </p>`;
  }
}
customElements.define('rv-call-devices', DeviceChoice);

// troubleIn says in words why there is no camera or microphone.
function troubleIn(name, error) {
  const text = name === 'camera' ? label('call.camera', error) : label('call.microphone', error);
  return text === error ? t('error', { message: error }) : text;
}

// MeterBar shows how loud a microphone is.
class MeterBar extends Element {
  static properties = { track: { attribute: false } };

  willUpdate(changed) {
    if (!changed.has('track')) return;
    this.meter?.close();
    this.meter = this.track && new Meter(this.track, (level) => this.show(level));
  }

  // The bar moves ten times a second; nothing else need be rendered for it.
  show(level) {
    const bar = this.querySelector('meter');
    if (bar) bar.value = level;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.meter?.close();
    this.meter = null;
  }

  render() {
    if (!this.track) return nothing;
    return html`<div class="call-level">
      <span id="level-label">${t('call.level')}</span>
      <meter min="0" max="1" aria-labelledby="level-label"></meter>
    </div>`;
  }
}
customElements.define('rv-call-meter', MeterBar);
