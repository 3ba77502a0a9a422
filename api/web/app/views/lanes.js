import { html, nothing, svg } from 'lit';
import { fine } from '../lib/format.js';
import { label, t } from '../lib/text.js';
import { soundTools } from './sound.js';

// A lane is drawn on 1000 by 20 units and stretched to the width it gets.
const width = 1000;
const height = 20;

// A gap narrower than this could not be seen.
const narrowest = 2;

// laneRows draws who did what when, a row for each person's microphone, camera
// and screen, and explains the colours of the gaps.
export function laneRows(player) {
  const { material, total, position } = player;
  const causes = [...new Set(material.rows.flatMap((row) => row.gaps.map((g) => g.cause)))];
  const audible = new Set(player.voices);
  return html`
    <div class="lanes">
      ${material.rows.map(
        (row) => html`
          <div class="lane-row">
            <span class="lane-name" title=${row.who}>
              <b>${row.who}</b>
              <span class="muted">${label('media', row.media)}</span>
            </span>
            ${lane({ row, total, position, seek: (s) => player.seek(s) })}
            <span class="lane-tools">${isSound(row) && audible.has(row.voice) ? soundTools(player, row) : nothing}</span>
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

const isSound = (row) => /audio$/i.test(row.media);

// lane draws when a row has media, its gaps by cause, and the moment that is
// played. Times are in s; seek is called with s.
function lane({ row, total, position, seek }) {
  const x = (s) => (Math.min(Math.max(s / total, 0), 1) * width || 0).toFixed(2);
  const at = x(position);
  return html`
    <svg
      class="lane"
      viewBox="0 0 ${width} ${height}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${describe(row)}
      @click=${(e) => seek(within(e) * total)}
    >
      ${svg`
        ${row.spans.map((s) => svg`<rect class="span ${row.media}" x=${x(s.from)} y="2" width=${x(s.to - s.from)} height="16" rx="2" />`)}
        ${gapsByCause(row.gaps).map(([cause, gaps]) => svg`<path class="gap-${cause}" d=${gaps.map((g) => bar(g, x)).join('')} />`)}
        <line class="playhead" x1=${at} x2=${at} y1="0" y2=${height} vector-effect="non-scaling-stroke" />
      `}
    </svg>
  `;
}

function within(event) {
  const box = event.currentTarget.getBoundingClientRect();
  return (event.clientX - box.left) / box.width;
}

function gapsByCause(gaps) {
  const causes = new Map();
  for (const gap of gaps) causes.set(gap.cause, [...(causes.get(gap.cause) ?? []), gap]);
  return [...causes];
}

function bar(gap, x) {
  const from = Number(x(gap.from));
  const long = Math.max(Number(x(gap.to)) - from, narrowest);
  return `M${from} 2h${long}v16h${-long}z`;
}

// describe says a lane in words.
function describe(row) {
  const what = t('lane.label', {
    who: row.who,
    media: label('media', row.media),
    from: fine(row.spans[0].from * 1000),
    to: fine(row.spans.at(-1).to * 1000),
  });
  return row.gaps.length === 0 ? what : `${what}, ${t('gaps', { n: row.gaps.length })}`;
}
