// Between two tries, in ms: doubled each time.
const shortestWait = 1_000;
const longestWait = 10_000;

// Outbox holds the messages that are on their way, in order. Each has an id of
// its own, so that one which was sent twice is there once. Each change calls
// onChange.
export class Outbox {
  constructor({ call, onChange }) {
    Object.assign(this, { call, onChange });
    this.messages = []; // {clientId, text, problem}
    this.sending = false;
    this.wait = shortestWait;
    this.timer = 0;
    this.stopped = false;
  }

  add(text) {
    this.messages = [...this.messages, { clientId: newId(), text, problem: null }];
    this.onChange();
    this.#send();
  }

  // again tries a message that was refused.
  again(message) {
    message.problem = null;
    this.#send();
  }

  // arrived drops a message that is among the activities now.
  arrived({ clientId, participant }) {
    if (!clientId || participant !== this.call.view.me.id) return;
    this.messages = this.messages.filter((m) => m.clientId !== clientId);
  }

  // hurry tries at once what waits for the network.
  hurry() {
    clearTimeout(this.timer);
    this.#send();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  async #send() {
    if (this.sending || this.stopped) return;
    const next = this.messages.find((m) => !m.problem && !m.sent);
    if (!next) return;
    this.sending = true;
    try {
      await this.call.say(next);
      next.sent = true; // it goes when it comes back among the activities
      this.wait = shortestWait;
    } catch (err) {
      if (err.status >= 400 && err.status < 500 && err.status !== 429) {
        next.problem = err;
      } else {
        this.timer = setTimeout(() => this.#send(), this.wait);
        this.wait = Math.min(this.wait * 2, longestWait);
        return;
      }
    } finally {
      this.sending = false;
      this.onChange();
    }
    this.#send();
  }
}

// newId gives an id that nobody else gives. randomUUID is for secure contexts.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
