import { problemOf } from './api.js';
import { fragment, iceServers, restarted } from './sdpfrag.js';

// Candidates found within this time travel in one request.
const trickleDelay = 100;

// A connection may heal by itself for this long before ICE is restarted.
const patience = 2500;

// Restarts that may fail one after another before the connection is given up.
const maxRestarts = 3;

// Connection is one WHIP or WHEP connection: one offer, one answer. Its state
// is connecting, connected, reconnecting, failed or closed; each change calls
// onState. publish and watch make one.
export class Connection {
  constructor({ url, ticket, onState }) {
    this.url = new URL(url, location.origin).href;
    this.ticket = ticket;
    this.onState = onState;
    this.state = 'connecting';
    this.location = '';
    this.etag = '';
    this.found = []; // candidates that wait to be sent
    this.patches = Promise.resolve(); // they travel one after another
    this.restarts = 0;
    this.timers = new Set();
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc.addEventListener('icecandidate', (e) => this.#trickle(e.candidate));
    this.pc.addEventListener('connectionstatechange', () => this.#changed());
    this.leave = () => this.close();
    addEventListener('pagehide', this.leave);
  }

  // open sends the offer and takes the answer. It fails with a Problem.
  async open() {
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer());
      const answer = await this.#request('POST', this.url, 'application/sdp', this.pc.localDescription.sdp);
      if (answer.status !== 201) throw await problemOf(answer);
      this.location = new URL(answer.headers.get('Location'), this.url).href;
      this.etag = answer.headers.get('ETag') ?? '';
      this.#useServers(iceServers(answer.headers.get('Link')));
      const sdp = await answer.text();
      if (this.state === 'closed') {
        this.#hangUp();
        return;
      }
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      this.#flushSoon();
    } catch (err) {
      this.close();
      throw err;
    }
  }

  // close says goodbye. It may be called more than once, and while the page is
  // being left: the request outlives it.
  close() {
    if (this.state === 'closed') return;
    this.#enter('closed');
    removeEventListener('pagehide', this.leave);
    for (const timer of this.timers) clearTimeout(timer);
    this.pc.close();
    this.#hangUp();
  }

  #hangUp() {
    if (!this.location) return;
    // Nobody waits for the answer: if it gets lost, the server notices the silence.
    this.#request('DELETE', this.location, undefined, undefined, { keepalive: true }).catch(() => {});
    this.location = '';
  }

  #request(method, url, type, body, more = {}) {
    const headers = { Authorization: `Bearer ${this.ticket}`, ...more.headers };
    if (type) headers['Content-Type'] = type;
    return fetch(url, { ...more, method, headers, body });
  }

  // Servers come with the answer, when gathering has begun already; a browser
  // uses them from the next gathering on, an ICE restart at the latest.
  #useServers(servers) {
    if (servers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: servers });
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }

  #trickle(candidate) {
    this.found.push(candidate?.candidate || null); // null: no more will come
    if (this.location) this.#flushSoon();
  }

  #flushSoon() {
    if (this.flushing || this.found.length === 0) return;
    this.flushing = true;
    this.#after(trickleDelay, () => {
      this.flushing = false;
      const found = this.found.splice(0);
      const lines = found.filter(Boolean);
      const frag = fragment(this.pc.localDescription.sdp, lines, found.includes(null));
      this.patches = this.patches.then(() => this.#patch(frag, this.etag)).catch(() => {});
    });
  }

  async #patch(frag, ifMatch) {
    if (!this.location) return null;
    const headers = ifMatch ? { 'If-Match': ifMatch } : {};
    const answer = await this.#request('PATCH', this.location, 'application/trickle-ice-sdpfrag', frag, { headers });
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }

  #changed() {
    const now = this.pc.connectionState;
    if (now === 'connected') {
      this.restarts = 0;
      this.#enter('connected');
    }
    if (now === 'disconnected' && this.state === 'connected') {
      this.#enter('reconnecting');
      this.#after(patience, () => this.pc.connectionState === 'disconnected' && this.#restart());
    }
    if (now === 'failed') {
      this.#enter('reconnecting');
      this.#restart();
    }
  }

  // An ICE restart is a PATCH with If-Match "*" whose answer carries the
  // server's new credentials (RFC 9725, section 4.3.3).
  #restart() {
    if (this.restarts++ >= maxRestarts) {
      this.#giveUp();
      return;
    }
    this.patches = this.patches
      .then(() => this.#renew())
      .catch((err) => {
        // A server that does not know the connection will not know it later.
        if (err.status === 404) this.#giveUp();
        else this.#after(patience, () => this.#retry());
      });
  }

  #retry() {
    if (this.state === 'reconnecting') this.#restart();
  }

  async #renew() {
    if (this.state !== 'reconnecting') return;
    this.found = [];
    if (this.pc.signalingState === 'stable') {
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: true }));
    }
    const answer = await this.#patch(fragment(this.pc.localDescription.sdp, [], false), '*');
    if (!answer) return;
    this.etag = answer.headers.get('ETag') ?? this.etag;
    const sdp = restarted(this.pc.currentRemoteDescription.sdp, await answer.text());
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
    this.#flushSoon();
    this.#changed();
  }

  #giveUp() {
    this.close();
    this.#enter('failed');
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.onState?.(state);
  }
}

// publish sends the tracks of a stream. It gives the Connection at once; open
// it to begin.
export function publish({ stream, ...options }) {
  const connection = new Connection(options);
  for (const track of stream.getTracks()) {
    connection.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
  }
  return connection;
}

// watch receives one publisher's tracks into a stream, connection.stream.
export function watch(options) {
  const connection = new Connection(options);
  connection.stream = new MediaStream();
  connection.pc.addTransceiver('video', { direction: 'recvonly' });
  connection.pc.addTransceiver('audio', { direction: 'recvonly' });
  connection.pc.addEventListener('track', (e) => connection.stream.addTrack(e.track));
  return connection;
}

// sent sums what a connection has sent so far: bytes and when, in ms.
export async function sent(connection) {
  let bytes = 0;
  let at = 0;
  for (const stat of (await connection.pc.getStats()).values()) {
    if (stat.type !== 'outbound-rtp') continue;
    bytes += stat.bytesSent;
    at = stat.timestamp;
  }
  return { bytes, at };
}
