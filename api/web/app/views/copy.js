import { html } from 'lit';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';
import { notice } from './notice.js';

// copyable shows a line or block of text with a button that copies it. name
// says to screen readers what is copied.
export function copyable(text, name) {
  return html`
    <div class="copyable">
      <pre tabindex="0" role="group" aria-label=${name}><code>${text}</code></pre>
      <button
        class="quiet icon-only"
        aria-label=${t('copy', { name })}
        title=${t('copy', { name })}
        @click=${() => copy(text)}
      >
        ${icons.copy}
      </button>
    </div>
  `;
}

// The clipboard belongs to secure contexts; elsewhere the text has to be
// selected by hand, and the person is told so.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice(t('copied'));
  } catch {
    notice(t('copy.refused'));
  }
}
