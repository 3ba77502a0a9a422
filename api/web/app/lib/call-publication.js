import { isOver } from './call.js';
import { retryAfter } from './network.js';
import { Connection } from './rtc.js';

// Between two connections, in ms: doubled each time.
const shortestWait = 500;
const longestWait = 10_000;

// Publication keeps the tracks of one source published. A connection that was
// given up, such as when the server was started anew, is replaced by another.
// Its state is idle, connecting, connected, reconnecting or refused, then with
// the problem; each change calls onChange, a refusal onRefused as well.
//
// Both media are offered from the start, so that a device which comes later
// needs no other connection.
export class Publication {
  constructor({ url, authorize, prepare, onChange, onRefused }) {
    Object.assign(this, { url, authorize, prepare, onChange, onRefused });
    this.state = 'idle';
    this.problem = null;
    this.connection = null;
    this.tracks = { audio: null, video: null };
    this.wait = shortestWait;
    this.forget = () => {}; // prevents the next attempt
    this.turn = 0;
  }

  // set makes these the tracks that are sent, and connects if there is one.
  async set(tracks) {
    this.tracks = tracks;
    const { connection } = this;
    if (this.state === 'idle') {
      if (tracks.audio || tracks.video) await this.#connect(false);
      return;
    }
    for (const kind of ['audio', 'video']) {
      await connection?.senders[kind].replaceTrack(tracks[kind]).catch(() => {}); // it was closed meanwhile
    }
  }

  // renew replaces a connection that the server does not know any more. The
  // browser would notice as well, but takes its time.
  renew(connection) {
    if (!connection || this.connection !== connection) return;
    this.turn++;
    this.connection = null;
    connection.close();
    this.#enter('reconnecting');
    this.#connect(false);
  }

  // stop ends it for good or until the next set.
  stop() {
    this.turn++;
    this.forget();
    const { connection } = this;
    this.connection = null;
    this.#enter('idle');
    connection?.close();
  }

  async #connect(refused) {
    const mine = ++this.turn;
    if (this.state === 'idle') this.#enter('connecting');
    let connection;
    try {
      const ticket = await this.authorize(refused);
      if (mine !== this.turn) return;
      connection = new Connection({ url: this.url, ticket, onState: (state) => this.#moved(mine, state) });
      this.prepare(connection);
      connection.senders = this.#senders(connection.pc);
      this.connection = connection;
      await connection.open();
    } catch (err) {
      this.#broke(mine, err, refused);
    }
  }

  #senders(pc) {
    const stream = new MediaStream();
    const of = (kind) =>
      pc.addTransceiver(this.tracks[kind] ?? kind, { direction: 'sendonly', streams: [stream] }).sender;
    return { audio: of('audio'), video: of('video') };
  }

  #moved(mine, state) {
    if (mine !== this.turn) return;
    if (state === 'connected') this.wait = shortestWait;
    if (state === 'connected' || state === 'reconnecting') this.#enter(state);
    if (state === 'failed') this.#broke(mine, { status: 0 }, false);
  }

  #broke(mine, err, refused) {
    if (mine !== this.turn) return;
    this.turn++;
    this.connection = null;
    if (isOver(err) && (err.status !== 401 || refused)) {
      this.problem = err;
      this.#enter('refused');
      this.onRefused();
      return;
    }
    this.#enter('reconnecting');
    this.forget = retryAfter(this.wait, () => this.#connect(err.status === 401));
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.onChange();
  }
}
