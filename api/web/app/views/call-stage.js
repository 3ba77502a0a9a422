import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { Element } from '../lib/element.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';

// Stage shows who is there: a tile for everybody else, a large one for a
// screen that is shared, and a small one of the person in front of the page.
class Stage extends Element {
  static properties = {
    room: { attribute: false },
    version: { attribute: false }, // another object whenever the room changed
    devices: { attribute: false },
    silent: { state: true }, // the browser wants a tap before it plays sound
  };

  updated() {
    for (const video of this.querySelectorAll('video[data-peer]')) this.play(video);
  }

  // play starts what does not play yet, with its sound if the browser lets a
  // page begin by itself.
  async play(video) {
    const { speaker } = this.devices.chosen;
    if (video.setSinkId && (video.sinkId ?? '') !== speaker) video.setSinkId(speaker).catch(() => {});
    if (!video.srcObject || !video.paused || video.starting) return;
    video.starting = true;
    try {
      await video.play();
      video.starting = false;
    } catch (err) {
      video.starting = false;
      if (err.name === 'NotAllowedError') this.silent = true;
      if (err.name === 'AbortError' && video.isConnected) this.play(video); // it was given another stream
    }
  }

  hear() {
    this.silent = false;
    for (const video of this.querySelectorAll('video[data-peer]')) video.muted = false;
  }

  render() {
    const { room } = this;
    const peers = room.peers.all;
    const screens = peers.filter((p) => p.source === 'screen');
    const seen = room.here.map((who) => ({
      who,
      peer: peers.find((p) => p.participant === who.id && p.source === 'camera'),
    }));
    const tiles = seen.length;
    return html`
      <div class="call-stage ${screens.length > 0 ? 'with-screen' : ''}" data-tiles=${tiles}>
        ${repeat(
          screens,
          (p) => p.key,
          (p) => this.screen(p),
        )}
        <div class="call-people">
          ${repeat(
            seen,
            ({ who }) => who.id,
            ({ who, peer }) => this.tile(who, peer),
          )}
          ${tiles === 0 ? html`<p class="call-alone" role="status">${icons.people} ${t('call.alone')}</p>` : nothing}
        </div>
        ${this.self()}
        ${
          this.silent
            ? html`<button class="primary call-hear" data-action="hear" @click=${this.hear}>
                ${icons.sound} ${t('call.hear')}
              </button>`
            : nothing
        }
      </div>
    `;
  }

  // In Firefox the key Tab would stop at a video, where nothing can be done.
  video(peer, name) {
    return html`<video
      data-peer=${peer.key}
      data-state=${peer.state}
      tabindex="-1"
      autoplay
      playsinline
      .muted=${Boolean(this.silent)}
      .srcObject=${peer.stream}
      aria-label=${name}
    ></video>`;
  }

  tile(who, peer) {
    const name = who.name || label('role', who.role);
    return html`
      <figure class="tile ${peer?.moves ? '' : 'voice'}" data-participant=${who.id} data-moves=${peer?.moves ?? false}>
        ${peer ? this.video(peer, name) : nothing}
        ${peer?.moves ? nothing : html`<div class="face">${icons.person}</div>`}
        <figcaption><span>${name}</span>${this.state(peer)}</figcaption>
      </figure>
    `;
  }

  state(peer) {
    if (!peer) return html`<span class="muted">${t('call.noMedia')}</span>`;
    if (peer.state === 'connected') return nothing;
    return html`<span class="connection-${peer.state}">${label('connection', peer.state)}</span>`;
  }

  screen(peer) {
    const name = t('call.screenOf', { who: this.room.nameOf(peer.participant) || peer.participant });
    const full = (e) => e.target.closest('figure').requestFullscreen?.();
    return html`
      <figure class="tile call-screen" data-screen=${peer.participant} data-moves=${peer.moves}>
        ${this.video(peer, name)}
        <figcaption>
          <span>${name}</span>${this.state(peer)}
          <button class="quiet icon-only" aria-label=${t('player.full')} title=${t('player.full')} @click=${full}>
            ${icons.full}
          </button>
        </figcaption>
      </figure>
    `;
  }

  self() {
    const { devices, room } = this;
    const shown = devices.track('video') && !devices.off.video;
    return html`
      <figure class="tile call-self ${shown ? '' : 'voice'}" data-state=${room.camera.state}>
        ${
          shown
            ? html`<video
                class="mirrored"
                tabindex="-1"
                autoplay
                playsinline
                .muted=${true}
                .srcObject=${devices.stream}
                aria-label=${t('publish.preview')}
              ></video>`
            : html`<div class="face">${icons.person}</div>`
        }
        <figcaption>
          <span>${t('call.you')}</span>
          ${devices.track('audio') && !devices.off.audio ? nothing : html`<span class="call-muted" role="img" aria-label=${t('call.muted')}>${icons.microphoneOff}</span>`}
        </figcaption>
      </figure>
    `;
  }
}
customElements.define('rv-call-stage', Stage);
