import { html, nothing, svg } from 'lit';
import { live } from 'lit-html/directives/live.js';
import { clock, wallClock } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { holes } from '../lib/material.js';
import { t } from '../lib/text.js';
import { markOf } from './activity.js';
import { speeds } from './player-keys.js';

const width = 1000;

// seekBar is the position in the session, with marks for what happened. The
// transcript says the same in words.
export function seekBar(player) {
  const { total, position } = player;
  const at = Math.min(position, total);
  const spoken = t('player.at', { at: clock(at * 1000), total: clock(total * 1000) });
  return html`
    <div class="seek">
      ${marks(player)}
      <input
        type="range"
        min="0"
        max=${Math.round(total * 1000)}
        step="1"
        .value=${live(String(Math.round(at * 1000)))}
        aria-label=${t('player.seek')}
        aria-valuetext=${spoken}
        @input=${(e) => player.seek(e.target.valueAsNumber / 1000)}
      />
    </div>
  `;
}

function marks({ activities, material }) {
  const { start, total } = material;
  const x = (s) => ((s / total) * width || 0).toFixed(1);
  const paths = { message: '', file: '', event: '' };
  for (const a of activities ?? []) {
    const at = (Date.parse(a.at) - start) / 1000;
    if (at >= 0 && at <= total) paths[markOf(a)] += `M${x(at)} 0v10`;
  }
  return html`
    <svg class="marks" viewBox="0 0 ${width} 10" preserveAspectRatio="none" aria-hidden="true">
      ${holes(material).map((h) => svg`<rect class="hole" x=${x(h.from)} y="0" width=${x(h.to - h.from)} height="10" />`)}
      ${Object.entries(paths).map(([kind, d]) =>
        d ? svg`<path class="mark-${kind}" d=${d} vector-effect="non-scaling-stroke" />` : nothing,
      )}
    </svg>
  `;
}

// controls are the buttons, the session's time, and the time of day.
export function controls(player) {
  const { playing, total, material } = player;
  const at = Math.min(player.position, total);
  const button = (icon, text, key, act) => html`
    <button class="quiet icon-only" aria-label=${text} title="${text} (${key})" @click=${act}>${icon}</button>
  `;
  return html`
    <div class="controls">
      <button
        class="icon-only primary"
        data-action="toggle"
        aria-label=${t(playing ? 'player.pause' : 'player.play')}
        @click=${() => player.toggle()}
      >
        ${playing ? icons.pause : icons.play}
      </button>
      ${button(icons.back, t('player.back'), 'J', () => player.seek(player.position - 10))}
      ${button(icons.forward, t('player.forward'), 'L', () => player.seek(player.position + 10))}
      <span class="time">
        ${clock(at * 1000)} / ${clock(total * 1000)}
        <span class="muted" title=${t('player.wallClock')}>${wallClock(material.start + at * 1000)}</span>
      </span>
      <label class="speed">
        <span class="visually-hidden">${t('player.speed')}</span>
        <select @change=${(e) => player.setSpeed(Number(e.target.value))}>
          ${speeds.map((s) => html`<option value=${s} .selected=${s === player.speed}>${s}×</option>`)}
        </select>
      </label>
      ${button(icons.full, t('player.full'), 'F', () => player.fullscreen())}
      <details class="keys">
        <summary>${t('keys')}</summary>
        <p>${t('keys.list')}</p>
      </details>
    </div>
  `;
}
