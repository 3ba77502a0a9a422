import { Problem, problemOf } from './api.js';

const base = '/api/v1';

// A ticket is renewed when this share of its life has passed, and a renewal
// that failed is tried again after a while.
const renewAt = 0.5;
const renewAgain = 5_000; // ms

// Call speaks to the API for whoever holds an invitation. The invitation is
// only ever shown to get tickets, short-lived ones that everything else takes.
//
// onView is called with each view of the call that a join gave, onEnd with the
// Problem after which the invitation is good for nothing.
export class Call {
  constructor({ invitation, onView, onEnd }) {
    Object.assign(this, { invitation, onView, onEnd });
    this.ticket = '';
    this.view = null;
    this.joining = null;
    this.timer = 0;
    this.stopped = false;
  }

  // join gets a ticket and the view of the call. Asked for twice at once, it
  // asks the server once.
  join() {
    this.joining ??= this.#join().finally(() => (this.joining = null));
    return this.joining;
  }

  async #join() {
    clearTimeout(this.timer);
    let view;
    try {
      view = await this.#fetch('POST', '/call/join', { secret: this.invitation, body: {} });
    } catch (err) {
      if (isOver(err)) this.onEnd(err);
      else if (this.ticket) this.#renewIn(renewAgain);
      throw err;
    }
    this.ticket = view.ticket.secret;
    this.view = viewOf(view);
    const life = Math.max(Date.parse(view.ticket.expiresAt) - Date.now(), renewAgain);
    this.#renewIn(life * renewAt);
    this.onView(this.view);
    return this.view;
  }

  #renewIn(ms) {
    if (!this.stopped) this.timer = setTimeout(() => this.join().catch(() => {}), ms);
  }

  // stop lets the ticket expire.
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  // leave says goodbye for this participant, who is back within a moment
  // otherwise, as after a reload. The request outlives the page, and nobody
  // waits for its answer: if it gets lost, the server notices the silence.
  leave() {
    this.request('POST', `${this.#path}/leave`, { keepalive: true }).catch(() => {});
  }

  // authorize gives the ticket, a new one if the last was refused.
  authorize = async (refused) => {
    if (refused || !this.ticket) await this.join();
    return this.ticket;
  };

  // request makes a request with the ticket and gives the parsed body.
  async request(method, path, more = {}) {
    try {
      return await this.#fetch(method, path, { ...more, secret: await this.authorize(false) });
    } catch (err) {
      if (err.status !== 401) throw err;
      return this.#fetch(method, path, { ...more, secret: await this.authorize(true) });
    }
  }

  get #path() {
    return `/sessions/${encodeURIComponent(this.view.session.id)}`;
  }

  // consent stores the answer, given or refused, to the text that was shown.
  async consent(answer) {
    await this.request('POST', `${this.#path}/consent`, { body: { answer, version: this.view.consent.version } });
    await this.join();
  }

  say({ text, clientId }) {
    return this.request('POST', `${this.#path}/activities`, { body: { type: 'ChatMessage', text, clientId } });
  }

  // activityOf gives an activity with what its data says of people, publishers
  // and files.
  activityOf(a) {
    const { name = '', source = '', remaining = 0, bytes = 0 } = a.data ?? {};
    const role = a.actor === 'User' ? 'operator' : 'guest';
    return { ...a, role, name, source, remaining, file: { id: a.fileId, name, bytes } };
  }

  end() {
    return this.request('POST', `${this.#path}/end`);
  }

  // download gives a link to a shared file that is good for a while.
  async download(fileId) {
    return (await this.request('POST', `${this.#path}/files/${encodeURIComponent(fileId)}/download`)).url;
  }

  events() {
    return `${base}/events?${new URLSearchParams({ session: this.view.session.id })}`;
  }

  files() {
    return `${base}${this.#path}/files`;
  }

  whip(source) {
    return `${base}${this.#path}/whip?${new URLSearchParams({ source })}`;
  }

  whep({ participant, source }) {
    return `${base}${this.#path}/whep?${new URLSearchParams({ participant, source })}`;
  }

  async #fetch(method, path, { secret, body, query = {}, keepalive = false }) {
    const url = new URL(base + path, location.origin);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    const headers = { Accept: 'application/json', Authorization: `Bearer ${secret}` };
    if (body) headers['Content-Type'] = 'application/json';
    const init = { method, headers, keepalive, credentials: 'omit', body: body && JSON.stringify(body) };
    let answer;
    try {
      answer = await fetch(url, init);
    } catch {
      throw new Problem(0, 'unreachable', '');
    }
    if (!answer.ok) throw await problemOf(answer);
    return answer.status === 204 ? undefined : answer.json();
  }
}

// viewOf gives of a join what the page needs of it:
//
//   session     {id, name, status}
//   me          {id, role, name}
//   people      everybody who has been there: {id, role, name, here}
//   publishers  {participant, source}
//   consent     {asked, answer, text, version, language}: asked while an answer is owed
//   recording   recording, paused, withheld or off
//   iceServers  as RTCPeerConnection takes them
//   limits      {fileBytes, messageBytes}
//   lastEvent   the number of the newest activity that the view knows of
function viewOf(v) {
  const { session, participant, role, name = '', consent, recording, iceServers, limits, lastEvent } = v;
  return {
    session,
    me: { id: participant, role, name },
    people: session.participants.map((p) => ({ ...p, here: p.present })),
    publishers: session.publishers,
    consent: { ...consent, asked: consent.required && consent.answer === 'none' },
    recording,
    iceServers,
    limits,
    lastEvent,
  };
}

// isOver says whether an invitation that was answered so is good for nothing
// any more, now and later.
export function isOver(err) {
  return [401, 403, 404, 409, 410].includes(err.status);
}
