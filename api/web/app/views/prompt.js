import { html, nothing } from 'lit';
import { Element } from '../lib/element.js';
import { t } from '../lib/text.js';

// Prompt is the one dialog of the page. ask opens it.
class Prompt extends Element {
  static properties = { question: { state: true } };

  constructor() {
    super();
    this.question = null;
    addEventListener('rv-ask', (e) => this.open(e.detail));
  }

  async open(question) {
    this.question = question;
    await this.updateComplete;
    this.querySelector('dialog').showModal();
  }

  // The answer is the text of the input, "" without one, null for no.
  close(answer) {
    const { answered } = this.question;
    this.querySelector('dialog').close();
    this.question = null;
    answered(answer);
  }

  submit(event) {
    event.preventDefault();
    this.close(this.querySelector('input')?.value.trim() ?? '');
  }

  cancel(event) {
    event.preventDefault();
    this.close(null);
  }

  // Esc belongs to the dialog alone, not to the panel behind it.
  keydown(event) {
    event.stopPropagation();
  }

  render() {
    const q = this.question;
    if (!q) return nothing;
    return html`
      <dialog aria-labelledby="prompt-title" @cancel=${this.cancel} @keydown=${this.keydown}>
        <form @submit=${this.submit}>
          <h2 id="prompt-title">${q.title}</h2>
          ${q.text ? html`<p>${q.text}</p>` : nothing}
          ${
            q.input
              ? html`<label>${q.input}<input maxlength="200" autocomplete="off" ?required=${q.required} /></label>`
              : nothing
          }
          <div class="actions">
            <button type="button" @click=${() => this.close(null)}>${t('cancel')}</button>
            <button type="submit" data-action="confirm" class=${q.danger ? 'danger' : 'primary'}>${q.confirm}</button>
          </div>
        </form>
      </dialog>
    `;
  }
}
customElements.define('rv-prompt', Prompt);

// ask puts a question: {title, text, input, required, confirm, danger}. It
// gives what was typed, "" if nothing was to be typed, or null for no.
export function ask(question) {
  return new Promise((answered) => {
    dispatchEvent(new CustomEvent('rv-ask', { detail: { ...question, answered } }));
  });
}
