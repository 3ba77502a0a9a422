import { Outbox } from './call-chat.js';
import { Publication } from './call-publication.js';
import { Peers } from './call-peers.js';
import { Shelf } from './call-files.js';
import { captureScreen, stopStream } from './capture.js';
import { events } from './events.js';

// Room is one participant's side of a call that goes on: what is sent and
// received, who is there, what was said. Each change calls onChange; onOver is
// called when the session ended.
//
// Whatever breaks is built anew: connections by themselves, events from where
// they broke, and what the server says of the call is asked for again then.
export class Room {
  constructor({ call, onChange, onOver }) {
    Object.assign(this, { call, onChange, onOver });
    const { view } = call;
    const link = { authorize: call.authorize, prepare: (connection) => this.#prepare(connection), onChange };
    const onRefused = () => call.join().catch(() => {}); // the next ticket says whether all is over
    this.me = view.me;
    this.view = view;
    this.online = true; // whether events come
    this.listened = false;
    this.since = view.lastEvent;
    this.people = new Map();
    this.log = []; // activities in the order of the session's clock
    this.known = new Set(); // their ids
    this.screen = null; // the stream that this side shares
    this.choosing = false; // whether the browser asks which screen
    this.stopped = false;
    this.peers = new Peers({ urlOf: (p) => call.whep(p), ...link });
    this.camera = new Publication({ url: call.whip('camera'), ...link, onRefused });
    this.share = new Publication({ url: call.whip('screen'), ...link, onRefused });
    this.outbox = new Outbox({ call, onChange });
    this.shelf = new Shelf({ call, onChange });
    this.saw(view);
  }

  // start listens to all that happened so far and to what comes. What is no
  // newer than the view needs no reaction: the view knows it.
  start() {
    this.since = this.view.lastEvent;
    this.stream = events({
      url: this.call.events(),
      since: 0,
      headers: async (refused) => ({ Authorization: `Bearer ${await this.call.authorize(refused)}` }),
      heard: ({ data }) => this.#heard(data),
      state: (state) => this.#listening(state),
    });
  }

  stop() {
    this.stopped = true;
    this.stream?.stop();
    this.peers.stop();
    this.camera.stop();
    this.stopScreen();
    this.outbox.stop();
    this.shelf.stop();
  }

  // saw takes over what a join said. Connections go by the newest ticket: the
  // one that they were opened with expires.
  saw(view) {
    this.view = view;
    for (const { connection } of [this.camera, this.share, ...this.peers.all]) {
      if (connection) connection.ticket = this.call.ticket;
    }
    this.people = new Map(view.people.map((p) => [p.id, p]));
    this.peers.set(view.publishers.filter((p) => p.participant !== this.me.id));
    // What came while the view was on its way is missing in it.
    for (const activity of this.log) if (activity.seq > Math.max(view.lastEvent, this.since)) this.#happened(activity);
    this.onChange();
  }

  // here lists who else is there, those with a picture or not.
  get here() {
    return [...this.people.values()].filter((p) => p.here && p.id !== this.me.id);
  }

  // said lists what the others wrote and shared.
  get said() {
    return this.log.filter((a) => ['ChatMessage', 'SharedFile'].includes(a.type) && a.participant !== this.me.id);
  }

  nameOf(id) {
    const p = id === this.me.id ? this.me : this.people.get(id);
    return p?.name || '';
  }

  // recording says whether the session is recorded now: state is recording,
  // paused or off, and why the end of a key of texts, or nothing.
  get recording() {
    const now = this.view.recording;
    if (!this.online) return { state: 'off', why: 'unknown' };
    if (now === 'recording' || now === 'paused') return { state: now, why: '' };
    if (now === 'withheld') {
      const refused = this.log.some((a) => a.type === 'consent.refused');
      return { state: 'off', why: refused ? 'refused' : 'waiting' };
    }
    const last = this.log.findLast((a) => /^recording\.(started|stopped|failed)$/.test(a.type));
    return { state: 'off', why: { 'recording.stopped': 'stopped', 'recording.failed': 'failed' }[last?.type] ?? '' };
  }

  // shareScreen has the person choose a screen and sends it. Whoever left before
  // the choice shares nothing.
  async shareScreen() {
    if (this.choosing || this.stopped) return;
    this.choosing = true;
    const stream = await captureScreen().finally(() => (this.choosing = false));
    if (this.stopped) {
      stopStream(stream);
      return;
    }
    const [video] = stream.getVideoTracks();
    const [audio = null] = stream.getAudioTracks();
    video.contentHint = 'detail';
    video.addEventListener('ended', () => this.screen === stream && this.stopScreen());
    this.screen = stream;
    this.onChange();
    await this.share.set({ audio, video });
  }

  stopScreen() {
    const { screen } = this;
    this.screen = null;
    this.share.stop();
    stopStream(screen);
    this.onChange();
  }

  #listening(state) {
    if (state === 'refused') return; // the next ticket says why
    const again = state === 'connected' && this.listened;
    this.listened ||= state === 'connected';
    this.online = state === 'connected';
    this.onChange();
    if (again) this.#comeBack();
  }

  // #comeBack asks what holds now that events are back. A server that was
  // started anew knows none of the connections that stood before.
  async #comeBack() {
    this.outbox.hurry();
    const before = ['camera', 'screen'].map((source) => [source, this.#sending(source).connection]);
    const view = await this.call.join().catch(() => null);
    if (!view) return; // the next ticket says why, or events come back once more
    for (const [source, connection] of before) {
      const known = view.publishers.some((p) => p.participant === this.me.id && p.source === source);
      if (!known && connection?.location) this.#sending(source).renew(connection);
    }
  }

  // #prepare tells a connection of the servers that may help it before it looks
  // for ways through; those that come with the answer are late.
  #prepare({ pc }) {
    const { iceServers } = this.view;
    if (iceServers.length > 0) pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
  }

  #sending(source) {
    return source === 'screen' ? this.share : this.camera;
  }

  #heard(text) {
    const activity = this.call.activityOf(JSON.parse(text));
    if (!this.#add(activity)) return;
    if (activity.seq > this.since) this.#happened(activity);
    this.onChange();
  }

  // #add keeps an activity unless it is known already.
  #add(activity) {
    if (this.known.has(activity.id)) return false;
    this.known.add(activity.id);
    this.log.push(activity);
    this.log.sort((a, b) => a.seq - b.seq);
    this.outbox.arrived(activity);
    return true;
  }

  #happened({ type, participant, role, name, source, remaining }) {
    switch (type) {
      case 'publisher.started':
        if (participant !== this.me.id) this.peers.renew({ participant, source });
        break;
      case 'publisher.stopped':
        if (!remaining) this.peers.remove({ participant, source });
        break;
      case 'Joined':
        this.people.set(participant, { id: participant, role, name, here: true });
        break;
      case 'Left':
        this.people.set(participant, { ...this.people.get(participant), here: false });
        break;
      case 'SessionEnded':
        this.onOver();
        break;
      default:
        if (/^(recording|consent)\./.test(type)) this.call.join().catch(() => {});
    }
  }
}
