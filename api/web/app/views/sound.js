import { html, nothing } from 'lit';
import { live } from 'lit-html/directives/live.js';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';

// soundTools are what a player offers for one voice: mute, hear alone where
// there are others, volume.
export function soundTools(player, { voice, who }) {
  const name = { who };
  return html`
    <button
      class="quiet icon-only"
      data-mute=${voice}
      aria-pressed=${player.mutes.has(voice) ? 'true' : 'false'}
      aria-label=${t('player.mute', name)}
      title=${t('player.mute', name)}
      @click=${() => player.mute(voice)}
    >
      ${player.silenced(voice) ? icons.muted : icons.sound}
    </button>
    ${player.voices.length > 1 ? soloButton(player, voice, name) : nothing}
    <input
      type="range"
      data-volume
      min="0"
      max="1"
      step="0.05"
      .value=${live(String(player.volumes.get(voice) ?? 1))}
      aria-label=${t('player.volume', name)}
      @input=${(e) => player.setVolume(voice, e.target.valueAsNumber)}
    />
  `;
}

function soloButton(player, voice, name) {
  return html`
    <button
      class="quiet solo"
      aria-pressed=${player.solo === voice ? 'true' : 'false'}
      aria-label=${t('player.solo', name)}
      title=${t('player.solo', name)}
      @click=${() => player.alone(voice)}
    >
      S
    </button>
  `;
}
