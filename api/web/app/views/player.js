import { html, nothing } from 'lit';
import { live } from 'lit-html/directives/live.js';
import { repeat } from 'lit-html/directives/repeat.js';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { clock, durationOf } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { Timeline } from '../lib/sync.js';
import { label, t } from '../lib/text.js';
import { lane } from './lanes.js';
import { attempt } from './notice.js';
import { pressed, speeds } from './player-keys.js';
import { soundTools } from './sound.js';

// Player plays all files of a recording side by side on the recording's clock.
// It asks for no byte before somebody presses play: each playback is audited.
class Player extends Element {
  static properties = {
    recording: { attribute: false },
    started: { state: true },
    mutes: { state: true }, // file ids
    solo: { state: true }, // file id or ""
    large: { state: true }, // file id or ""
    renewed: { state: true },
  };

  constructor() {
    super();
    this.reset();
    this.speed = 1;
    this.mutes = new Set();
    this.volumes = new Map();
    this.solo = '';
    this.large = '';
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.timeline?.close();
    this.reset();
  }

  reset() {
    this.timeline?.close();
    this.timeline = null;
    this.started = false;
    this.urls = new Map();
    this.from = 0;
    this.renewals = 0;
  }

  // A recording that ended has other files than it had while it was captured.
  willUpdate(changed) {
    const before = changed.get('recording');
    if (before && (before.id !== this.recording.id || before.state !== this.recording.state)) {
      const at = this.position;
      this.reset();
      this.from = before.id === this.recording.id ? at : 0;
    }
  }

  get files() {
    return this.recording.files.filter((f) => f.playbackUrl);
  }

  get total() {
    const r = this.recording;
    return (r.endedAt ? r.durationMs : durationOf(r.startedAt)) / 1000;
  }

  get position() {
    return this.timeline?.position ?? this.from;
  }

  // Links are kept as they were at the start: every new answer carries other
  // ones, and a changed address would load the media anew.
  async start() {
    this.urls = new Map(this.files.map((f) => [f.id, f.playbackUrl]));
    this.started = true;
    await this.updateComplete;
    const lanes = this.files.map((f) => ({
      id: f.id,
      media: this.element(f.id),
      offset: f.offsetMs / 1000,
      duration: (f.durationMs || this.total * 1000 - f.offsetMs) / 1000,
      audio: this.has(f.id, 'audio'),
      muted: false,
    }));
    this.timeline = new Timeline({ lanes, duration: this.total, changed: () => this.requestUpdate() });
    this.applySound();
    this.timeline.setSpeed(this.speed);
    this.timeline.seek(this.from);
    this.timeline.play();
  }

  element(fileId) {
    return this.querySelector(`video[data-file="${fileId}"]`);
  }

  has(fileId, media) {
    if (media === 'video') return this.pictureOf(fileId) !== undefined;
    return this.recording.tracks.some((track) => track.fileId === fileId && track.media === media);
  }

  // pictureOf gives the track of a camera or a screen in a file, if it has one.
  pictureOf(fileId) {
    return this.recording.tracks.find(
      (track) => track.fileId === fileId && (track.media === 'video' || track.media === 'screen'),
    );
  }

  who(fileId) {
    const names = this.recording.tracks.filter((track) => track.fileId === fileId).map((track) => track.participantId);
    return [...new Set(names)].join(', ');
  }

  toggle() {
    if (!this.started) this.start();
    else if (this.timeline?.playing) this.timeline.pause();
    else this.timeline?.play();
  }

  // seek goes to a moment, in s.
  seek(position) {
    if (this.timeline) this.timeline.seek(position);
    else this.from = Math.min(Math.max(position, 0), this.total);
    this.requestUpdate();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.timeline?.setSpeed(speed);
    this.requestUpdate();
  }

  mute(fileId) {
    const mutes = new Set(this.mutes);
    if (!mutes.delete(fileId)) mutes.add(fileId);
    this.mutes = mutes;
    this.applySound();
  }

  muteAll() {
    const audible = this.files.filter((f) => this.has(f.id, 'audio')).map((f) => f.id);
    this.mutes = this.mutes.size < audible.length ? new Set(audible) : new Set();
    this.applySound();
  }

  alone(fileId) {
    this.solo = this.solo === fileId ? '' : fileId;
    this.applySound();
  }

  setVolume(fileId, volume) {
    this.volumes.set(fileId, volume);
    this.applySound();
  }

  silenced(fileId) {
    return this.mutes.has(fileId) || (this.solo !== '' && this.solo !== fileId);
  }

  applySound() {
    for (const l of this.timeline?.lanes ?? []) {
      l.muted = this.silenced(l.id);
      l.media.muted = l.muted || !l.audio;
      l.media.volume = this.volumes.get(l.id) ?? 1;
    }
  }

  // A link may have run out while the page was open: take a new one, once for
  // each failure of a file that had played before.
  async failed(fileId) {
    if (this.renewals >= this.files.length * 2) {
      this.requestUpdate();
      return;
    }
    this.renewals++;
    const fresh = await attempt(() => api.recording(this.recording.id));
    const url = fresh?.files.find((f) => f.id === fileId)?.playbackUrl;
    if (!url || !this.started) return;
    this.urls.set(fileId, url);
    this.requestUpdate();
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.querySelector('.stage').requestFullscreen?.();
  }

  render() {
    if (this.recording.state === 'deleted') return nothing;
    return html`
      <div
        class="player"
        role="group"
        aria-label=${t('player')}
        data-playing=${this.timeline?.playing ? 'true' : 'false'}
        data-position=${this.position.toFixed(3)}
        @keydown=${(e) => pressed(e, this)}
      >
        ${this.stage()} ${this.files.length > 0 ? this.controls() : nothing} ${this.lanes()}
      </div>
    `;
  }

  stage() {
    if (this.files.length === 0) {
      const over = ['ready', 'failed'].includes(this.recording.state);
      return html`<p class="muted">${t(over ? 'player.notAllowed' : 'player.notYet')}</p>`;
    }
    if (!this.started) {
      return html`
        <div class="stage waiting">
          <button class="big" data-action="play" @click=${this.start}>
            ${icons.play}<span>${t(this.recording.endedAt ? 'player.start' : 'player.startLive')}</span>
          </button>
        </div>
      `;
    }
    const tiles = this.files.filter((f) => this.urls.has(f.id));
    return html`
      <div class="stage ${this.large ? 'one-large' : ''}" data-tiles=${tiles.length}>
        ${repeat(
          tiles,
          (f) => f.id,
          (f) => this.tile(f),
        )}
        ${this.timeline?.waiting ? html`<span class="buffering" role="status">${t('player.waiting')}</span>` : nothing}
      </div>
    `;
  }

  tile(f) {
    const seen = this.has(f.id, 'video');
    const now = this.timeline?.lanes.find((l) => l.id === f.id);
    const here = now && this.timeline.covers(now);
    const enlarge = this.large === f.id ? 'player.smaller' : 'player.larger';
    return html`
      <figure class="tile ${seen ? '' : 'voice'} ${here ? '' : 'absent'} ${this.large === f.id ? 'large' : ''}">
        <video
          data-file=${f.id}
          playsinline
          preload="auto"
          .src=${this.urls.get(f.id)}
          ?hidden=${!seen}
          @error=${() => this.failed(f.id)}
          @loadedmetadata=${() => this.requestUpdate()}
          @click=${this.toggle}
        ></video>
        ${seen ? nothing : html`<div class="face">${icons.person}</div>`}
        <figcaption>
          <span>${this.who(f.id)}</span>
          ${this.trouble(f, now?.media)}
          ${
            this.files.length > 1 && seen
              ? html`<button
                  class="quiet icon-only"
                  aria-label=${t(enlarge, { who: this.who(f.id) })}
                  @click=${() => (this.large = this.large === f.id ? '' : f.id)}
                >
                  ${icons.full}
                </button>`
              : nothing
          }
        </figcaption>
      </figure>
    `;
  }

  // trouble says what a person does not see and why, and gives them the file. A
  // browser that can't decode the picture may play the sound without an error;
  // then the picture has no size.
  trouble(f, media) {
    const blind = media?.readyState > 0 && media.videoWidth === 0 ? this.pictureOf(f.id) : undefined;
    if (!media?.error && !blind) return nothing;
    const words = blind ? t('player.noPicture', { codec: label('codec', blind.codec) }) : t('player.broken');
    return html`
      <span class="warn" role="status">${words}</span>
      ${f.downloadUrl ? html`<a href=${f.downloadUrl} download>${t('player.download')}</a>` : nothing}
    `;
  }

  controls() {
    const total = this.total;
    const at = Math.min(this.position, total);
    const playing = this.timeline?.playing;
    const spoken = t('player.at', { at: clock(at * 1000), total: clock(total * 1000) });
    return html`
      <div class="seek">
        <input
          type="range"
          min="0"
          max=${Math.round(total * 1000)}
          step="1"
          .value=${live(String(Math.round(at * 1000)))}
          aria-label=${t('player.seek')}
          aria-valuetext=${spoken}
          @input=${(e) => this.seek(e.target.valueAsNumber / 1000)}
        />
      </div>
      <div class="controls">
        <button
          class="icon-only primary"
          data-action="toggle"
          aria-label=${t(playing ? 'player.pause' : 'player.play')}
          @click=${this.toggle}
        >
          ${playing ? icons.pause : icons.play}
        </button>
        <button
          class="quiet icon-only"
          aria-label=${t('player.back')}
          title="${t('player.back')} (J)"
          @click=${() => this.seek(this.position - 10)}
        >
          ${icons.back}
        </button>
        <button
          class="quiet icon-only"
          aria-label=${t('player.forward')}
          title="${t('player.forward')} (L)"
          @click=${() => this.seek(this.position + 10)}
        >
          ${icons.forward}
        </button>
        <span class="time">${clock(at * 1000)} / ${clock(total * 1000)}</span>
        <label class="speed">
          <span class="visually-hidden">${t('player.speed')}</span>
          <select @change=${(e) => this.setSpeed(Number(e.target.value))}>
            ${speeds.map((s) => html`<option value=${s} .selected=${s === this.speed}>${s}×</option>`)}
          </select>
        </label>
        <button
          class="quiet icon-only"
          aria-label=${t('player.full')}
          title="${t('player.full')} (F)"
          @click=${this.fullscreen}
        >
          ${icons.full}
        </button>
        <details class="keys">
          <summary>${t('keys')}</summary>
          <p>${t('keys.list')}</p>
        </details>
      </div>
    `;
  }

  lanes() {
    const total = this.total * 1000;
    const causes = [...new Set(this.recording.tracks.flatMap((track) => track.gaps.map((g) => g.cause)))];
    return html`
      <div class="lanes">
        ${this.recording.tracks.map(
          (track) => html`
            <div class="lane-row">
              <span class="lane-name" title=${track.participantId}>
                <b>${track.participantId}</b>
                <span class="muted">${label('media', track.media)}</span>
              </span>
              ${lane({ track, total, position: this.position * 1000, seek: (ms) => this.seek(ms / 1000), capturing: !this.recording.endedAt })}
              <span class="lane-tools"
                >${track.media === 'audio' && this.files.length > 0 ? soundTools(this, track) : nothing}</span
              >
            </div>
          `,
        )}
        ${
          causes.length === 0
            ? nothing
            : html`<p class="legend">
                ${causes.map((c) => html`<span><span class="swatch gap-${c}"></span> ${label('cause', c)}</span>`)}
              </p>`
        }
      </div>
    `;
  }
}
customElements.define('rv-player', Player);
