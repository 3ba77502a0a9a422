import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';

// stage shows who and what is there at the present moment, each in a tile.
export function stage(player) {
  const { timeline, session, files } = player;
  if (files.length === 0) {
    return html`<p class="muted">${t(session.live ? 'player.notYet' : 'player.notAllowed')}</p>`;
  }
  if (!timeline) {
    return html`
      <div class="stage waiting">
        <button class="big" data-action="play" @click=${() => player.toggle()}>
          ${icons.play}<span>${t(session.live ? 'player.startLive' : 'player.start')}</span>
        </button>
      </div>
    `;
  }
  const shown = present(player);
  const large = player.large ?? shown.find((tile) => tile.kind === 'screen' && shown.length > 1)?.key;
  return html`
    <div class="stage ${shown.some((tile) => tile.key === large) ? 'one-large' : ''}" data-tiles=${shown.length}>
      ${repeat(
        player.material.tiles,
        (tile) => tile.key,
        (tile) => tileOf(player, tile, { here: shown.includes(tile), large: tile.key === large, several: shown.length > 1 }),
      )}
      ${timeline.waiting ? html`<span class="buffering" role="status">${t('player.waiting')}</span>` : nothing}
    </div>
  `;
}

// present gives the tiles that have something at the present moment. At the end,
// and where nothing was recorded, those from before stay, without life.
function present(player) {
  const { timeline, material } = player;
  const here = new Set(timeline.lanes.filter((l) => inside(l, timeline.position)).map((l) => l.tile));
  const tiles = material.tiles.filter((tile) => here.has(tile.key));
  if (tiles.length > 0) return tiles;
  const last = timeline.lanes.findLast((l) => l.offset <= timeline.position) ?? timeline.lanes[0];
  return material.tiles.filter((tile) => tile.key === last?.tile);
}

const inside = (l, at) => at >= l.offset && at < l.offset + l.duration;

// All elements of a tile stay in the page: one that is moved stops.
function tileOf(player, tile, { here, large, several }) {
  const lanes = player.timeline.lanes.filter((l) => l.tile === tile.key);
  const now = lanes.find((l) => inside(l, player.timeline.position)) ?? lanes.at(-1);
  for (const l of lanes) l.media.hidden = l !== now || !tile.pictured;
  const who = tile.who.join(', ');
  const enlarge = () => (player.large = large ? '' : tile.key);
  return html`
    <figure class="tile ${tile.pictured ? '' : 'voice'} ${large ? 'large' : ''}" data-kind=${tile.kind} ?hidden=${!here}>
      ${repeat(
        lanes,
        (l) => l.id,
        (l) => l.media,
      )}
      ${tile.pictured ? nothing : html`<div class="faces">${tile.who.map((name) => face(name, tile.kind))}</div>`}
      <figcaption>
        ${tile.pictured ? html`<span>${tile.kind === 'screen' ? t('player.screenOf', { who }) : who}</span>` : nothing}
        ${now ? trouble(player, now) : nothing}
        ${
          several && tile.pictured
            ? html`<button
                class="quiet icon-only"
                aria-label=${t(large ? 'player.smaller' : 'player.larger', { who })}
                @click=${enlarge}
              >
                ${icons.full}
              </button>`
            : nothing
        }
      </figcaption>
    </figure>
  `;
}

function face(name, kind) {
  return html`<div class="face">${kind === 'phone' ? icons.phone : icons.person}<span>${name}</span></div>`;
}

// trouble says what a person does not see and why, and gives them the file. A
// browser that can't decode the picture may play the sound without an error;
// then the picture has no size.
function trouble(player, { id, media }) {
  const file = player.material.files.find((f) => f.id === id);
  const blind = media.readyState > 0 && media.videoWidth === 0 ? file?.picture : undefined;
  if (!media.error && !blind) return nothing;
  const words = blind ? t('player.noPicture', { codec: label('codec', blind.codec) }) : t('player.broken');
  return html`
    <span class="warn" role="status">${words}</span>
    ${file?.download ? html`<a href=${file.download} download>${t('player.download')}</a>` : nothing}
  `;
}
