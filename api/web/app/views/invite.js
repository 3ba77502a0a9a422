import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { api } from '../lib/api.js';
import { Element } from '../lib/element.js';
import { when } from '../lib/format.js';
import { icons } from '../lib/icons.js';
import { label, t } from '../lib/text.js';
import { copyable } from './copy.js';
import { attempt } from './notice.js';

const roles = ['guest', 'operator'];

// Invite makes links to the call page of a session, and withdraws them. A link
// is shown once, when it is made: the server does not keep it.
class Invite extends Element {
  static properties = {
    session: { attribute: false }, // id
    open: { state: true },
    made: { state: true }, // the links that were made here, by the id of the invitation
    all: { state: true }, // the invitations that are still good
    busy: { state: true },
  };

  constructor() {
    super();
    this.made = new Map();
    this.all = [];
  }

  willUpdate(changed) {
    if (!changed.has('session')) return;
    this.made = new Map();
    this.all = [];
  }

  async show() {
    this.querySelector('dialog').showModal();
    await this.load();
  }

  async load() {
    const list = await attempt(() => api.invitations(this.session));
    if (list) this.all = list.items;
  }

  async invite(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    this.busy = true;
    const wish = { role: form.get('role'), name: form.get('name').trim() };
    const invitation = await attempt(() => api.invite(this.session, wish));
    this.busy = false;
    if (!invitation) return;
    this.made = new Map(this.made).set(invitation.id, new URL(invitation.url, location.origin).href);
    event.target.querySelector('[name=name]').value = '';
    await this.load();
  }

  async withdraw(invitation) {
    await attempt(() => api.withdraw(this.session, invitation.id));
    this.querySelector('h2').focus(); // the button goes with its invitation
    await this.load();
  }

  // Esc belongs to the dialog alone, not to the panel behind it.
  keydown(event) {
    event.stopPropagation();
  }

  render() {
    return html`
      <button data-action="invite" @click=${this.show}>${icons.invite} ${t('invite')}</button>
      <dialog class="invite" aria-labelledby="invite-title" @keydown=${this.keydown}>
        <h2 id="invite-title" tabindex="-1">${t('invite.title')}</h2>
        <p class="muted">${t('invite.text')}</p>
        <form @submit=${this.invite}>
          <div class="radios" role="radiogroup" aria-label=${t('general.role')}>
            ${roles.map(
              (role, i) =>
                html`<label>
                  <input type="radio" name="role" value=${role} ?checked=${i === 0} />
                  ${label('role', role)}
                </label>`,
            )}
          </div>
          <label>${t('invite.name')}<input name="name" maxlength="200" autocomplete="off" /></label>
          <button class="primary" data-action="make-invitation" ?disabled=${this.busy}>
            ${icons.plus} ${t('invite.make')}
          </button>
        </form>
        <ul>
          ${repeat(
            this.all,
            (i) => i.id,
            (i) => this.entry(i),
          )}
        </ul>
        <div class="actions">
          <button data-action="close-invite" @click=${() => this.querySelector('dialog').close()}>${t('close')}</button>
        </div>
      </dialog>
    `;
  }

  entry(i) {
    const who = i.name || i.participant;
    const link = this.made.get(i.id);
    return html`
      <li data-invitation=${i.id}>
        <div>
          <b>${who}</b>
          <span class="muted">${label('role', i.role)}, ${t('invite.until', { when: when(i.expiresAt) })}</span>
          <button
            class="quiet danger-text"
            aria-label=${t('invite.withdrawOf', { who })}
            data-action="withdraw"
            @click=${() => this.withdraw(i)}
          >
            ${t('invite.withdraw')}
          </button>
        </div>
        ${link ? copyable(link, t('invite.link', { who })) : nothing}
      </li>
    `;
  }
}
customElements.define('rv-invite', Invite);
