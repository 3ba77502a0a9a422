import { html, nothing } from 'lit';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { apart, sides } from '../lib/sides.js';
import { nextIn, Timeline } from '../lib/sync.js';
import { t } from '../lib/text.js';
import { laneRows } from './lanes.js';
import { attempt, notice } from './notice.js';
import { controls, seekBar } from './player-bar.js';
import { pressed } from './player-keys.js';
import { stage } from './player-stage.js';

// How often a file gets another link before it is taken for broken.
const mostRenewals = 3;

// How far before what is played a moment may lie without a word, in s.
const closeEnough = 1;

// Player plays all recordings of a session side by side on the session's
// clock. It asks for no byte before somebody presses play, and then for those of
// the files around the moment: each playback is audited.
//
// It tells the moment that it is at by rv-at, in ms since 1970.
class Player extends Element {
  static properties = {
    session: { attribute: false },
    material: { attribute: false },
    activities: { attribute: false },
    mutes: { state: true }, // voices
    solo: { state: true }, // voice or ""
    large: { state: true }, // tile, "" for none, undefined for what suits
  };

  constructor() {
    super();
    this.speed = 1;
    this.mutes = new Set();
    this.volumes = new Map();
    this.solo = '';
    this.timeline = null;
    this.from = 0;
    this.context = null;
    this.renewed = new Map(); // file -> {url, times}
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.reset();
  }

  reset() {
    this.timeline?.close();
    this.timeline = null;
    this.context?.close();
    this.context = null;
    this.from = 0;
    this.large = undefined;
    this.renewed.clear();
  }

  willUpdate(changed) {
    const before = changed.get('session');
    if (before && before.id !== this.session.id) this.reset();
    if (changed.has('material') && this.timeline) this.renew();
  }

  get files() {
    return this.material.files.filter((f) => f.url);
  }

  get total() {
    return this.material.total;
  }

  get position() {
    return this.timeline?.position ?? this.from;
  }

  get playing() {
    return this.timeline?.playing ?? false;
  }

  start() {
    this.timeline = new Timeline({ changed: () => this.moved() });
    this.timeline.setSpeed(this.speed);
    this.timeline.seek(this.from);
    this.renew();
    this.timeline.play();
  }

  moved() {
    this.requestUpdate();
    this.emit('rv-at', this.material.start + this.position * 1000);
  }

  // renew gives the timeline what can be played by now. What it has already
  // stays as it is: another address would load the media anew.
  renew() {
    const { lanes } = this.timeline;
    const known = new Map(lanes.map((l) => [l.id, l]));
    const wanted = new Set(this.files.map((f) => f.id));
    for (const l of lanes.filter((lane) => !wanted.has(lane.id))) this.timeline.remove(l);
    for (const f of this.files) {
      const lane = known.get(f.id);
      if (lane) lane.voices = f.voices; // more may have come
      else this.timeline.add(this.lane(f));
    }
    this.applySound();
  }

  lane(f) {
    const media = document.createElement('video');
    const lane = {
      id: f.id,
      media,
      tile: f.tile,
      offset: f.offset,
      duration: f.duration,
      audio: f.voices.length > 0,
      voices: f.voices,
      muted: false,
      url: () => this.renewed.get(f.id)?.url ?? this.files.find((now) => now.id === f.id).url,
    };
    media.dataset.file = f.id;
    media.playsInline = true;
    media.preload = 'auto';
    media.onclick = () => this.toggle();
    media.onerror = () => this.failed(lane);
    if (f.sided) {
      this.context ??= new AudioContext();
      lane.sides = sides(this.context, media);
    }
    return lane;
  }

  toggle() {
    if (!this.timeline) this.start();
    else if (this.playing) this.timeline.pause();
    else this.timeline.play();
  }

  // seek goes to a moment, in s.
  seek(position) {
    this.from = Math.min(Math.max(position, 0), this.total);
    this.timeline?.seek(this.from);
    this.requestUpdate();
  }

  // playAt plays from a moment on, in ms since 1970, or from the next at which
  // there is something, and says so.
  playAt(ms) {
    const wanted = (ms - this.material.start) / 1000;
    const from = nextIn(this.files, wanted);
    if (from === undefined || from > wanted + closeEnough) notice(t(this.reason(wanted, from)));
    if (from === undefined) return;
    this.seek(from);
    if (!this.playing) this.toggle();
  }

  // reason says why what is played is not what was recorded at a moment.
  reason(wanted, from) {
    const captured = nextIn(this.material.files, wanted) === wanted;
    if (captured) return this.session.live ? 'player.notYet' : 'player.notAllowed';
    return from === undefined ? 'player.nothingHere' : 'player.nothingYet';
  }

  setSpeed(speed) {
    this.speed = speed;
    this.timeline?.setSpeed(speed);
    this.requestUpdate();
  }

  get voices() {
    return [...new Set(this.files.flatMap((f) => f.voices.map((v) => v.key)))];
  }

  mute(voice) {
    const mutes = new Set(this.mutes);
    if (!mutes.delete(voice)) mutes.add(voice);
    this.mutes = mutes;
    this.applySound();
  }

  muteAll() {
    const { voices } = this;
    this.mutes = voices.every((v) => this.mutes.has(v)) ? new Set() : new Set(voices);
    this.applySound();
  }

  alone(voice) {
    this.solo = this.solo === voice ? '' : voice;
    this.applySound();
  }

  setVolume(voice, volume) {
    this.volumes.set(voice, volume);
    this.applySound();
  }

  silenced(voice) {
    return this.mutes.has(voice) || (this.solo !== '' && this.solo !== voice);
  }

  // One voice is as loud as its element. Those of a call are the sides of a
  // stereo file, the first lane on the left; one alone is in the middle.
  applySound() {
    const volume = (v) => this.volumes.get(v.key) ?? 1;
    for (const l of this.timeline?.lanes ?? []) {
      l.muted = l.voices.every((v) => this.silenced(v.key));
      l.media.muted = l.muted;
      for (const v of l.sides ? l.voices : []) {
        const { gain, pan } = l.sides[v.lane - 1];
        gain.value = this.silenced(v.key) ? 0 : volume(v);
        pan.value = l.voices.length > 1 ? apart * (2 * v.lane - 3) : 0;
      }
      if (!l.sides) l.media.volume = l.audio ? volume(l.voices[0]) : 1;
    }
  }

  // A link may have run out while the page was open: take a new one.
  async failed(lane) {
    this.requestUpdate();
    const times = this.renewed.get(lane.id)?.times ?? 0;
    if (times >= mostRenewals || !lane.loaded) return;
    this.renewed.set(lane.id, { times: times + 1 });
    const { recording } = this.material.files.find((f) => f.id === lane.id);
    const fresh = await attempt(() => api.recording(recording));
    const url = fresh?.files.find((f) => f.id === lane.id)?.playbackUrl;
    if (!url || !this.timeline?.lanes.includes(lane)) return;
    this.renewed.set(lane.id, { times: times + 1, url });
    this.timeline.reload(lane);
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.querySelector('.stage').requestFullscreen?.();
  }

  render() {
    return html`
      <div
        class="player"
        role="group"
        aria-label=${t('player')}
        data-playing=${this.playing ? 'true' : 'false'}
        data-position=${this.position.toFixed(3)}
        @keydown=${(e) => pressed(e, this)}
      >
        ${stage(this)}
        ${this.files.length > 0 ? [seekBar(this), controls(this)] : nothing} ${laneRows(this)}
      </div>
    `;
  }
}
customElements.define('rv-player', Player);
