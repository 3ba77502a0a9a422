import { html, svg } from 'lit';
import { fine } from '../lib/format.js';
import { label, t } from '../lib/text.js';

// A lane is drawn on 1000 by 20 units and stretched to the width it gets.
const width = 1000;
const height = 20;

// A gap narrower than this could not be seen.
const narrowest = 2;

// lane draws when a track has media, its gaps by cause, and the moment that is
// played. total and position are in ms; seek is called with ms. A track that is
// being recorded has no length yet and reaches up to now.
export function lane({ track, total, position, seek, capturing }) {
  const length = track.durationMs || (capturing ? total - track.offsetMs : 0);
  const x = (ms) => (Math.min(Math.max(ms / total, 0), 1) * width || 0).toFixed(2);
  const at = x(position);
  return html`
    <svg
      class="lane"
      viewBox="0 0 ${width} ${height}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${describe(track, length)}
      @click=${(e) => seek(within(e) * total)}
    >
      ${svg`
        <rect class="span ${track.media}" x=${x(track.offsetMs)} y="2" width=${x(length)} height="16" rx="2" />
        ${gapsByCause(track.gaps).map(([cause, gaps]) => svg`<path class="gap-${cause}" d=${gaps.map((g) => bar(g, x)).join('')} />`)}
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
  const from = Number(x(gap.startMs));
  const long = Math.max(Number(x(gap.endMs)) - from, narrowest);
  return `M${from} 2h${long}v16h${-long}z`;
}

// describe says a lane in words.
function describe(track, length) {
  const what = t('lane.label', {
    who: track.participantId,
    media: label('media', track.media),
    from: fine(track.offsetMs),
    to: fine(track.offsetMs + length),
  });
  return track.gaps.length === 0 ? what : `${what}, ${t('gaps', { n: track.gaps.length })}`;
}
