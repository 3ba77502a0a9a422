// The public API, as far as the page needs it. Times are RFC 3339 strings,
// durations milliseconds. Every call fails with a Problem.

const base = '/api/v1';

// Problem is an RFC 9457 answer, or status 0 if the server gave none.
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }
}

// The token that proves to the API that a page of its own made a request. It
// comes with the sign-in and with /me.
let csrf = '';

// call makes one request and gives the parsed body, or undefined for none.
async function call(method, path, { query = {}, body, signal } = {}) {
  const url = new URL(base + path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, value);
  }
  const init = { method, signal, headers: { Accept: 'application/json' } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['Content-Type'] = 'application/json';
  }
  if (method !== 'GET' && csrf) init.headers['X-CSRF-Token'] = csrf;
  const answer = await reach(url, init);
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? undefined : answer.json();
}

// identity is for answers that carry the token.
async function identity(answer) {
  const me = await answer;
  csrf = me.csrfToken ?? '';
  return me;
}

async function reach(url, init) {
  try {
    return await fetch(url, init);
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Problem(0, 'unreachable', '');
  }
}

// problemOf reads an error answer. A 401 also tells the page that nobody is
// signed in any more.
export async function problemOf(answer) {
  if (answer.status === 401) dispatchEvent(new Event('rv-unauthenticated'));
  const body = await answer.json().catch(() => ({}));
  return new Problem(answer.status, body.title ?? answer.statusText, body.detail);
}

// A ticket is shown again when its connection is restarted or ended, so it has
// to live as long as a connection may. It dies with the sign-in.
const lifeSeconds = 12 * 3600;

const of = (id) => `/sessions/${encodeURIComponent(id)}`;
const recording = (id) => `/recordings/${encodeURIComponent(id)}`;

export const api = {
  me: () => identity(call('GET', '/me')),
  signIn: (secret) => identity(call('POST', '/signin', { body: { secret } })),
  signOut: () => call('POST', '/signout'),

  sessions: ({ live, cursor, limit, signal }) => call('GET', '/sessions', { query: { live, cursor, limit }, signal }),
  session: (id, signal) => call('GET', of(id), { signal }),
  createSession: (name) => call('POST', '/sessions', { body: { channel: 'AV', name } }),
  endSession: (id) => call('POST', `${of(id)}/end`),
  invitations: (id) => call('GET', `${of(id)}/invitations`),
  invite: (id, wish) => call('POST', `${of(id)}/invitations`, { body: wish }),
  withdraw: (id, invitation) => call('DELETE', `${of(id)}/invitations/${encodeURIComponent(invitation)}`),
  watchTicket: (id) => call('POST', `${of(id)}/tickets`, { body: { purpose: 'watch', lifeSeconds } }),
  publishTicket: (id, { participant, role }) =>
    call('POST', `${of(id)}/tickets`, { body: { purpose: 'publish', participant, role, lifeSeconds } }),

  activities: (id, { after, signal }) => call('GET', `${of(id)}/activities`, { query: { after, limit: 500 }, signal }),
  eventsOf: (id) => `${base}/events?${new URLSearchParams({ session: id })}`,

  recordings: (id, signal) => call('GET', `${of(id)}/recordings`, { signal }),
  recording: (id, signal) => call('GET', recording(id), { signal }),
  pause: (id, reason) => call('POST', `${recording(id)}/pause`, { body: { reason } }),
  resume: (id) => call('POST', `${recording(id)}/resume`),
  stop: (id) => call('POST', `${recording(id)}/stop`),
  remove: (id) => call('DELETE', recording(id)),

  whip: (id, source) => `${base}${of(id)}/whip?${new URLSearchParams({ source })}`,
  whep: (id, { participant, source }) => `${base}${of(id)}/whep?${new URLSearchParams({ participant, source })}`,
};
