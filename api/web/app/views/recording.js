import { html, nothing } from 'lit';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { bytes, clock, durationOf, fine, shortId, when } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';
import { attempt, notice } from './notice.js';
import { ask } from './prompt.js';
import { sharedFile } from './recording-file.js';

const capturing = (r) => r.state === 'recording' || r.state === 'paused';

// More gaps than these are counted, not listed.
const mostGaps = 100;

const icon = { screen: icons.screen, phone: icons.phone };

// durability says how safe a recording is.
function durability(r) {
  return html`<span class="badge durability-${r.durability}" title=${label('durability.text', r.durability)}
    >${label('durability', r.durability)}</span
  >`;
}

// Recording is one recording: what it is, its tracks and gaps, and what can be
// done with it. It is played in the session's player (rv-play-at, in ms since
// 1970).
class Recording extends Element {
  static properties = {
    recording: { attribute: false },
    names: { attribute: false }, // participant -> name
    sharers: { attribute: false }, // file -> name of who shared it
    busy: { state: true },
  };

  who(id) {
    return this.names.get(id) ?? id;
  }

  async act(action, done) {
    this.busy = true;
    const ok = await attempt(async () => {
      await action();
      return true;
    });
    this.busy = false;
    if (ok && done) notice(done);
    this.emit('rv-changed');
  }

  async pause() {
    const reason = await ask({
      title: t('pause.title'),
      text: t('pause.text'),
      input: t('pause.reason'),
      confirm: t('pause'),
      required: true,
    });
    if (reason !== null) await this.act(() => api.pause(this.recording.id, reason));
  }

  async stop() {
    const answer = await ask({ title: t('stop.title'), text: t('stop.text'), confirm: t('stop'), danger: true });
    if (answer !== null) await this.act(() => api.stop(this.recording.id));
  }

  async erase() {
    const answer = await ask({
      title: t('delete.title'),
      text: t('delete.text'),
      confirm: t('delete.confirm'),
      danger: true,
    });
    if (answer !== null) await this.act(() => api.remove(this.recording.id), t('delete.done'));
  }

  // play plays from a moment of this recording on, in ms.
  play(ms) {
    this.emit('rv-play-at', Date.parse(this.recording.startedAt) + ms);
  }

  render() {
    const r = this.recording;
    if (r.kind === 'file') return sharedFile(r, { actions: this.actions(), sharers: this.sharers, safety: durability(r) });
    const heading = `recording-${r.id}`;
    return html`
      <article
        class="recording"
        aria-labelledby=${heading}
        data-state=${r.state}
        data-recording=${r.id}
        data-kind=${r.kind}
      >
        <header>
          <span class="kind">${icon[r.kind] ?? icons.camera}</span>
          <div>
            <h3 id=${heading}>${label('kind', r.kind)}</h3>
            <p class="meta">
              <time datetime=${r.startedAt}>${when(r.startedAt)}</time>
              <span>${clock(r.endedAt ? r.durationMs : durationOf(r.startedAt))}</span>
              ${r.syncErrorMs ? html`<span class="warn" title=${t('sync.title')}>${t('sync', { ms: r.syncErrorMs })}</span>` : nothing}
            </p>
          </div>
          <span class="badges">
            <span class="badge state-${r.state}">${label('state', r.state)}</span>
            ${durability(r)}
          </span>
        </header>
        ${r.reason ? html`<p class="alert">${r.reason}</p>` : nothing} ${this.actions()}
        ${this.gaps()} ${this.tracks()}
      </article>
    `;
  }

  actions() {
    const r = this.recording;
    const over = r.state === 'ready' || r.state === 'failed';
    const media = r.kind !== 'file';
    if (!(media && capturing(r)) && !over) return nothing;
    return html`
      <div class="actions">
        ${media && r.files.some((f) => f.playbackUrl) ? html`<button data-action="play-here" @click=${() => this.play(0)}>${icons.play} ${t('player.start')}</button>` : nothing}
        ${media && r.state === 'recording' ? html`<button data-action="pause" @click=${this.pause} ?disabled=${this.busy}>${icons.pause} ${t('pause')}</button>` : nothing}
        ${
          r.state === 'paused'
            ? html`<button data-action="resume" @click=${() => this.act(() => api.resume(r.id))} ?disabled=${this.busy}>
                ${icons.play} ${t('resume')}
              </button>`
            : nothing
        }
        ${media && capturing(r) ? html`<button class="danger" data-action="stop-recording" @click=${this.stop} ?disabled=${this.busy}>${icons.stop} ${t('stop')}</button>` : nothing}
        ${over ? this.downloads() : nothing}
        ${
          over
            ? html`<button class="quiet danger-text" data-action="delete" @click=${this.erase} ?disabled=${this.busy}>
                ${icons.remove} ${t('delete')}
              </button>`
            : nothing
        }
      </div>
    `;
  }

  downloads() {
    const files = this.recording.files.filter((f) => f.downloadUrl);
    return files.map((f) => {
      const whose = [
        ...new Set(
          this.recording.tracks.filter((track) => track.fileId === f.id).map((track) => this.who(track.participantId)),
        ),
      ];
      const text = f.name || t('download.of', { who: whose.join(', '), container: f.container, size: bytes(f.bytes) });
      return html`<a
        class="button"
        href=${f.downloadUrl}
        download
        aria-label=${t('download.label', { text })}
        data-file=${f.id}
      >
        ${icons.download}
        ${files.length > 1 ? text : t('download.single', { container: f.type || f.container, size: bytes(f.bytes) })}
      </a>`;
    });
  }

  gaps() {
    const gaps = this.recording.tracks
      .flatMap((track) => track.gaps.map((gap) => ({ ...gap, track })))
      .sort((a, b) => a.startMs - b.startMs);
    if (gaps.length === 0) return nothing;
    return html`
      <details class="gaps">
        <summary>${t('gaps', { n: gaps.length })}</summary>
        <table class="small">
          <thead>
            <tr>
              <th scope="col">${t('gaps.from')}</th>
              <th scope="col">${t('gaps.length')}</th>
              <th scope="col">${t('gaps.cause')}</th>
              <th scope="col">${t('gaps.track')}</th>
            </tr>
          </thead>
          <tbody>
            ${gaps.slice(0, mostGaps).map(
              (g) =>
                html`<tr>
                  <td>
                    <button class="link" @click=${() => this.play(g.startMs)} title=${t('gaps.seek')}>
                      ${fine(g.startMs)}
                    </button>
                  </td>
                  <td>${t('seconds', { s: ((g.endMs - g.startMs) / 1000).toFixed(2) })}</td>
                  <td>
                    <span class="swatch gap-${g.cause}"></span> ${label('cause', g.cause)}
                    ${g.by ? html`<span class="muted">${t('gaps.by', { by: g.by, reason: g.reason })}</span>` : nothing}
                  </td>
                  <td>${this.who(g.track.participantId)}, ${label('media', g.track.media)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
        ${gaps.length > mostGaps ? html`<p class="muted">${t('gaps.more', { n: gaps.length - mostGaps })}</p>` : nothing}
      </details>
    `;
  }

  tracks() {
    const { tracks, files } = this.recording;
    if (tracks.length === 0) return nothing;
    const fileOf = (track) => files.find((f) => f.id === track.fileId);
    return html`
      <details>
        <summary>${t('tracks', { n: tracks.length })}</summary>
        <div class="table-frame" tabindex="0" role="group" aria-label=${t('tracks', { n: tracks.length })}>
          <table class="small">
            <thead>
              <tr>
                <th scope="col">${t('tracks.participant')}</th>
                <th scope="col">${t('tracks.role')}</th>
                <th scope="col">${t('tracks.type')}</th>
                <th scope="col">${t('tracks.media')}</th>
                <th scope="col">${t('tracks.codec')}</th>
                <th scope="col" class="number">${t('tracks.offset')}</th>
                <th scope="col" class="number">${t('tracks.duration')}</th>
                <th scope="col">${t('tracks.file')}</th>
              </tr>
            </thead>
            <tbody>
              ${tracks.map(
                (track) =>
                  html`<tr>
                    <td title=${track.participantId}>${this.who(track.participantId)}</td>
                    <td>${label('role', track.role)}</td>
                    <td>${label('type', track.type)}</td>
                    <td>${label('media', track.media)}</td>
                    <td>${label('codec', track.codec)}</td>
                    <td class="number">${fine(track.offsetMs)}</td>
                    <td class="number">${track.durationMs ? fine(track.durationMs) : t('tracks.running')}</td>
                    <td title=${fileOf(track)?.sha256 ? `SHA-256 ${fileOf(track).sha256}` : track.fileId}>
                      ${shortId(track.fileId)}, ${track.lane}
                    </td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>
      </details>
    `;
  }
}
customElements.define('rv-recording', Recording);
