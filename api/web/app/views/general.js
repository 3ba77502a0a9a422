import { html, nothing } from 'lit';
import { clock, durationOf, when } from '../lib/format.js';
import { label, t } from '../lib/text.js';
import { copyable } from './copy.js';
import { whipWays } from './welcome.js';

// consent says what a guest answered, and to which text.
function consent({ consent: c }) {
  return c ? t('general.consentText', { answer: label('consent', c.answer), version: c.version }) : nothing;
}

// general shows what is known of a session, and how to publish into it while
// it is live.
export function general(s) {
  const row = (key, value) =>
    value
      ? html`<dt>${t(key)}</dt>
          <dd>${value}</dd>`
      : nothing;
  return html`
    <dl class="facts">
      <dt>${t('general.id')}</dt>
      <dd>${copyable(s.id, t('general.id'))}</dd>
      ${row('general.externalId', s.externalId)} ${row('general.name', s.name)}
      ${row('general.channel', label('channel', s.channel))} ${row('general.source', label('source', s.source))}
      ${row('general.status', label('status', s.status))}
      ${row('general.termination', s.terminationReason && label('termination', s.terminationReason))}
      ${row('general.created', when(s.createdAt))} ${row('general.ended', s.endedAt && when(s.endedAt))}
      ${row('general.duration', clock(durationOf(s.createdAt, s.endedAt)))}
    </dl>
    <h3>${t('general.participants')}</h3>
    ${
      s.participants.length === 0
        ? html`<p class="muted">${t('general.nobody')}</p>`
        : html`
            <div class="table-frame" tabindex="0" role="group" aria-label=${t('general.participants')}><table class="small">
              <thead>
                <tr>
                  <th scope="col">${t('general.participant')}</th>
                  <th scope="col">${t('general.role')}</th>
                  <th scope="col">${t('general.joined')}</th>
                  <th scope="col">${t('general.left')}</th>
                  <th scope="col">${t('general.consent')}</th>
                </tr>
              </thead>
              <tbody>
                ${s.participants.map(
                  (p) =>
                    html`<tr>
                      <td title=${p.id}>${p.name || p.id} ${p.address ? html`<span class="muted">${p.address}</span>` : nothing}</td>
                      <td>${label('role', p.role)}</td>
                      <td>${when(p.joinedAt)}</td>
                      <td>${p.leftAt ? when(p.leftAt) : nothing}</td>
                      <td title=${p.consent ? when(p.consent.at) : nothing}>${consent(p)}</td>
                    </tr>`,
                )}
              </tbody>
            </table></div>
          `
    }
    ${
      s.live
        ? html`<h3>${t('ways.whip')}</h3>
            <p>${t('ways.whip.text')}</p>
            ${whipWays(s.id)}`
        : nothing
    }
  `;
}
