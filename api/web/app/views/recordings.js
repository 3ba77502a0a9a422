import { html, nothing } from 'lit';
import { repeat } from 'lit-html/directives/repeat.js';
import { Element } from '../lib/element.js';
import { t } from '../lib/text.js';
import './recording.js';
import './watch.js';

// Recordings is the list of a session's recordings and shared files, newest
// first, with a live view while somebody publishes.
class Recordings extends Element {
  static properties = {
    session: { attribute: false },
    recordings: { attribute: false },
    names: { attribute: false }, // participant -> name
    sharers: { attribute: false }, // file -> name of who shared it
  };

  render() {
    const list = this.recordings.toReversed();
    return html`
      ${this.session.live ? html`<rv-watch .session=${this.session}></rv-watch>` : nothing}
      ${
        list.length === 0
          ? html`<p class="nothing">${t(this.session.live ? 'recordings.notYet' : 'recordings.none')}</p>`
          : repeat(
              list,
              (r) => r.id,
              (r) => html`<rv-recording .recording=${r} .names=${this.names} .sharers=${this.sharers}></rv-recording>`,
            )
      }
    `;
  }
}
customElements.define('rv-recordings', Recordings);
