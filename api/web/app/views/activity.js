import { html, nothing } from 'lit';
import { bytes } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';

// The types that are something said; all others are something that happened.
const said = new Set([
  'ChatMessage',
  'ChatbotMessage',
  'WelcomeMessage',
  'LastFarewellMessage',
  'ExternalMessage',
  'HeroCardQuickReply',
]);

// markOf gives what an activity is on the seek bar: message, file or event.
export function markOf({ type }) {
  if (said.has(type)) return 'message';
  return type === 'SharedFile' ? 'file' : 'event';
}

// told says whether an activity tells a reader something: that a recording is
// ready, or that a shared screen is sent, is said by others already.
export function told({ type, data }) {
  return type !== 'recording.ready' && !(type === 'publisher.started' && data?.source === 'screen');
}

// whoOf gives the name of who did something, or what they are, or "".
export function whoOf(a, names) {
  return names.get(a.participant) ?? (a.participant || (a.actor ? label('actor', a.actor) : ''));
}

// content shows what was said, shared, or happened. files gives a shared file
// with its links by id.
export function content(a, { names, files }) {
  const who = whoOf(a, names);
  const kind = markOf(a);
  if (kind === 'event') return event(a, who);
  return html`
    <span class="initial by-${a.actor || 'System'}" aria-hidden="true">${[...(who || '?')][0].toUpperCase()}</span>
    <div class="said">
      <b>${who}</b>
      ${kind === 'file' ? shared(a, files.get(a.fileId)) : html`<p dir="auto">${a.text}</p>`}
    </div>
  `;
}

// A file is given as a download; what is in it is nobody's page.
function shared(a, file) {
  const name = file?.name || a.text || t('file.unnamed');
  if (!file) return html`<p class="muted">${icons.file} ${name} (${t('file.gone')})</p>`;
  const about = file.bytes ? `${file.type || t('file.unknown')}, ${bytes(file.bytes)}` : t('file.coming');
  return html`
    <p class="shared">
      ${icons.file}
      <span>
        ${
          file.downloadUrl
            ? html`<a href=${file.downloadUrl} download=${name} aria-label=${t('download.label', { text: name })}>${name}</a>`
            : html`<span>${name}</span>`
        }
        <span class="muted">${about}</span>
      </span>
    </p>
  `;
}

function event(a, who) {
  const { version = '', kind = '', source = '', reason = '' } = a.data ?? {};
  const words = label('activity', a.type, {
    who,
    version,
    kind: label('kind', kind),
    source: label('source', source),
  });
  const more = a.text || label('termination', reason);
  return html`<p class="happened">${words}${more ? html`<span dir="auto">: ${more}</span>` : nothing}</p>`;
}
