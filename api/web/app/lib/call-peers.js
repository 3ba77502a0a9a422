import { retryAfter } from './network.js';
import { watch } from './rtc.js';

// Between two connections to one publisher, in ms: doubled each time.
const shortestWait = 500;
const longestWait = 10_000;

// How often a publisher's pictures are counted, over how many counts, and how
// few of them are none: Firefox sends a black one a second for a camera that
// is off, Chromium nothing.
const countEvery = 1_000; // ms
const counts = 4;
const fewest = 6;

// Peers receives everybody else who publishes in a call, each over a
// connection of its own. Each change calls onChange.
//
// all has, for each, its participant, source, state (connecting, connected,
// reconnecting), stream, and whether it moves: whether there is a picture.
export class Peers {
  constructor({ urlOf, authorize, prepare, onChange }) {
    Object.assign(this, { urlOf, authorize, prepare, onChange });
    this.byKey = new Map();
    this.timer = setInterval(() => this.#count(), countEvery);
  }

  get all() {
    return [...this.byKey.values()];
  }

  // set makes these {participant, source} the ones that publish.
  set(publishers) {
    const wanted = new Map(publishers.map((p) => [keyOf(p), p]));
    for (const key of this.byKey.keys()) if (!wanted.has(key)) this.#drop(key);
    for (const p of wanted.values()) this.add(p);
  }

  // add receives one that publishes, unless it is received already.
  add({ participant, source }) {
    const key = keyOf({ participant, source });
    if (this.byKey.has(key)) return;
    const peer = { key, participant, source, state: 'connecting', stream: null, moves: false };
    Object.assign(peer, { connection: null, wait: shortestWait, forget: () => {}, turn: 0, frames: [] });
    this.byKey.set(key, peer);
    this.#connect(peer, false);
    this.onChange();
  }

  // renew receives one whose media come over a connection of its own that is
  // new: what stands carries those of the connection before.
  renew(publisher) {
    const peer = this.byKey.get(keyOf(publisher));
    if (!peer) {
      this.add(publisher);
      return;
    }
    const { connection } = peer;
    peer.forget();
    peer.connection = null;
    peer.wait = shortestWait;
    connection?.close();
    this.#connect(peer, false);
  }

  remove(publisher) {
    this.#drop(keyOf(publisher));
  }

  stop() {
    clearInterval(this.timer);
    for (const key of [...this.byKey.keys()]) this.#drop(key);
  }

  #drop(key) {
    const peer = this.byKey.get(key);
    if (!peer) return;
    this.byKey.delete(key);
    peer.forget();
    peer.connection?.close();
    this.onChange();
  }

  async #connect(peer, refused) {
    const mine = ++peer.turn;
    peer.frames = [];
    let connection = null;
    const current = () => this.byKey.get(peer.key) === peer && peer.turn === mine;
    const broke = (err) => {
      if (!current()) return;
      peer.turn++;
      peer.connection = null;
      // Whoever publishes may be about to come back; who left is dropped.
      peer.forget = retryAfter(peer.wait, () => this.#connect(peer, err.status === 401));
      peer.wait = Math.min(peer.wait * 2, longestWait);
      this.#enter(peer, peer.stream ? 'reconnecting' : 'connecting');
    };
    try {
      const ticket = await this.authorize(refused);
      if (!current()) return;
      const onState = (state) => {
        if (!current()) return;
        if (state === 'connected') peer.wait = shortestWait;
        if (state === 'failed') broke({ status: 0 });
        else if (state === 'connected' || state === 'reconnecting') this.#enter(peer, state);
      };
      connection = watch({ url: this.urlOf(peer), ticket, onState });
      this.prepare(connection);
      peer.connection = connection;
      await connection.open();
      if (!current()) return;
      peer.stream = connection.stream;
      this.onChange();
    } catch (err) {
      broke(err);
    }
  }

  #enter(peer, state) {
    peer.state = state;
    this.onChange();
  }

  async #count() {
    for (const peer of this.byKey.values()) {
      if (!peer.connection || peer.state !== 'connected') continue;
      const now = await framesOf(peer.connection.pc).catch(() => 0);
      peer.frames = [...peer.frames, now].slice(-counts);
      const few = peer.frames.length === counts && now - peer.frames[0] < fewest;
      // What is on a screen may stay as it is for long.
      const moves = now > 0 && (!few || peer.source === 'screen');
      if (moves === peer.moves) continue;
      peer.moves = moves;
      this.onChange();
    }
  }
}

function keyOf({ participant, source }) {
  return `${participant} ${source}`;
}

// framesOf gives how many pictures have come.
async function framesOf(pc) {
  for (const stat of (await pc.getStats()).values()) {
    if (stat.type === 'inbound-rtp' && stat.kind === 'video') return stat.framesReceived ?? stat.framesDecoded ?? 0;
  }
  return 0;
}
