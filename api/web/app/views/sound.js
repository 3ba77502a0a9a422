import { html, nothing } from 'lit';
import { live } from 'lit-html/directives/live.js';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';

// soundTools are what a player offers for the sound of one track: mute, hear
// alone where there are others, volume. All sound of a file goes together.
export function soundTools(player, { fileId, participantId }) {
  const who = { who: participantId };
  const several = player.files.filter((f) => player.has(f.id, 'audio')).length > 1;
  return html`
    <button
      class="quiet icon-only"
      data-mute=${fileId}
      aria-pressed=${player.mutes.has(fileId) ? 'true' : 'false'}
      aria-label=${t('player.mute', who)}
      title=${t('player.mute', who)}
      @click=${() => player.mute(fileId)}
    >
      ${player.silenced(fileId) ? icons.muted : icons.sound}
    </button>
    ${several ? soloButton(player, fileId, who) : nothing}
    <input
      type="range"
      data-volume
      min="0"
      max="1"
      step="0.05"
      .value=${live(String(player.volumes.get(fileId) ?? 1))}
      aria-label=${t('player.volume', who)}
      @input=${(e) => player.setVolume(fileId, e.target.valueAsNumber)}
    />
  `;
}

function soloButton(player, fileId, who) {
  return html`
    <button
      class="quiet solo"
      aria-pressed=${player.solo === fileId ? 'true' : 'false'}
      aria-label=${t('player.solo', who)}
      title=${t('player.solo', who)}
      @click=${() => player.alone(fileId)}
    >
      S
    </button>
  `;
}
