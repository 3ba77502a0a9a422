import { html, nothing } from 'lit';
import { bytes, when } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';

// sharedFile shows a file that somebody shared: what it is, who it is from, and
// how to get it. It is never opened in the page.
export function sharedFile(r, { actions, sharers, safety }) {
  const [f] = r.files;
  const heading = `recording-${r.id}`;
  const row = (key, value) =>
    value
      ? html`<dt>${t(key)}</dt>
          <dd>${value}</dd>`
      : nothing;
  return html`
    <article class="recording" aria-labelledby=${heading} data-state=${r.state} data-recording=${r.id} data-kind=${r.kind}>
      <header>
        <span class="kind">${icons.file}</span>
        <div>
          <h3 id=${heading} dir="auto">${f?.name || t('file.unnamed')}</h3>
          <p class="meta">
            <time datetime=${r.startedAt}>${when(r.startedAt)}</time>
            ${f?.bytes ? html`<span>${bytes(f.bytes)}</span>` : nothing}
          </p>
        </div>
        <span class="badges">
          <span class="badge state-${r.state}">${label('fileState', r.state)}</span>
          ${safety}
        </span>
      </header>
      ${r.reason ? html`<p class="alert">${r.reason}</p>` : nothing} ${actions}
      <dl class="facts">
        ${row('file.from', sharers.get(f?.id))} ${row('file.type', f?.type)}
        ${row('file.sha256', f?.sha256 && html`<code>${f.sha256}</code>`)}
      </dl>
    </article>
  `;
}
