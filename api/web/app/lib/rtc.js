import { Problem, problemOf } from './api.js';
import { notice, onNetwork } from './network.js';
import { fragment, iceServers, restarted } from './sdpfrag.js';

// Candidates found within this time travel in one request.
const trickleDelay = 100;

// A connection may heal by itself for this long before ICE is restarted.
const patience = 2500;

// Restarts that may fail one after another before the connection is given up,
// not counted those that did not reach the server.
const maxRestarts = 3;

// Between two restarts, in ms: doubled each time.
const shortestWait = 1_000;
const longestWait = 10_000;

// A request without an answer for so long is taken for lost, in ms: what a
// network swallowed would be waited for longer than a server keeps a connection.
const answerTimeout = 8_000;

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
    this.wait = shortestWait;
    this.again = 0; // the timer of the next restart
    this.renewing = false;
    this.told = false; // by the browser, of another network
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc.addEventListener('icecandidate', (e) => this.#trickle(e.candidate));
    this.pc.addEventListener('connectionstatechange', () => this.#changed());
    this.leave = () => this.close();
    addEventListener('pagehide', this.leave);
    this.offNetwork = onNetwork(() => this.#move());
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
    this.offNetwork();
    clearTimeout(this.again);
    clearTimeout(this.flushing);
    this.pc.close();
    this.#hangUp();
  }

  #hangUp() {
    if (!this.location) return;
    // Nobody waits for the answer: if it gets lost, the server notices the silence.
    this.#request('DELETE', this.location, undefined, undefined, { keepalive: true }).catch(() => {});
    this.location = '';
  }

  async #request(method, url, type, body, more = {}) {
    const headers = { Authorization: `Bearer ${this.ticket}`, ...more.headers };
    if (type) headers['Content-Type'] = type;
    try {
      return await fetch(url, { signal: AbortSignal.timeout(answerTimeout), ...more, method, headers, body });
    } catch {
      throw new Problem(0, 'unreachable', '');
    }
  }

  // Servers come with the answer, when gathering has begun already; a browser
  // uses them from the next gathering on, an ICE restart at the latest.
  #useServers(servers) {
    if (servers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: servers });
  }

  #trickle(candidate) {
    this.found.push(candidate?.candidate || null); // null: no more will come
    if (this.location) this.#flushSoon();
  }

  #flushSoon() {
    if (this.flushing || this.found.length === 0) return;
    this.flushing = setTimeout(() => {
      this.flushing = 0;
      if (this.pc.signalingState !== 'stable') return; // the answer comes first
      const found = this.found.splice(0);
      const lines = found.filter(Boolean);
      const frag = fragment(this.pc.localDescription.sdp, lines, found.includes(null));
      this.patches = this.patches.then(() => this.#patch(frag, this.etag)).catch(() => {});
    }, trickleDelay);
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
      this.wait = shortestWait;
      this.#enter('connected');
    }
    if (now === 'disconnected' && this.state === 'connected') {
      this.#enter('reconnecting');
      this.#restartAfter(patience);
    }
    if (now === 'failed') {
      this.#enter('reconnecting');
      this.#restart();
    }
  }

  // #move restarts ICE at once, where the browser would first wait for answers
  // to what it sends from an address that it has no more.
  #move() {
    if (this.state !== 'connected' && this.state !== 'reconnecting') return;
    this.restarts = 0;
    this.wait = shortestWait;
    this.told = true;
    this.#enter('reconnecting');
    this.#restart();
  }

  #restartAfter(ms) {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.state === 'reconnecting' && this.#restart(), ms);
  }

  // An ICE restart is a PATCH with If-Match "*" whose answer carries the
  // server's new credentials (RFC 9725, section 4.3.3).
  #restart() {
    if (this.renewing) return;
    clearTimeout(this.again);
    if (this.restarts >= maxRestarts) {
      this.#giveUp();
      return;
    }
    this.renewing = true;
    this.patches = this.patches
      .then(() => this.#renew())
      .catch((err) => this.#notRenewed(err))
      .finally(() => (this.renewing = false));
  }

  #notRenewed(err) {
    if (this.state === 'closed') return;
    // A server that does not know the connection will not know it later.
    if (err.status === 404 || err.status === 410) {
      this.#giveUp();
      return;
    }
    if (err.status !== 0) this.restarts++;
    this.#restartAfter(this.wait);
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  async #renew() {
    if (this.state !== 'reconnecting') return;
    // A server that took the restart whose answer got lost would take the same
    // credentials for more of that one and give none of its own.
    if (this.pc.signalingState !== 'stable') await this.pc.setLocalDescription({ type: 'rollback' });
    this.found = [];
    await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: true }));
    const answer = await this.#patch(fragment(this.pc.localDescription.sdp, [], false), '*');
    if (!answer) return;
    this.etag = answer.headers.get('ETag') ?? this.etag;
    if (!this.told) notice(); // the server knows the connection, so its path broke
    this.told = false;
    const sdp = restarted(this.pc.currentRemoteDescription.sdp, await answer.text());
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
    this.restarts++;
    this.#flushSoon();
    // A path that still stood stands on, and nothing more will be told of it.
    if (this.pc.connectionState === 'connected') this.#changed();
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
