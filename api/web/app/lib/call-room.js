import { Outbox } from './call-chat.js';
import { Publication } from './call-publication.js';
import { Peers } from './call-peers.js';
import { Shelf } from './call-files.js';
import { captureScreen, stopStream } from './capture.js';
import { events } from './events.js';

// What is heard of a call in the end: there is no more to listen to.
const ended = 'SessionEnded';

// Room is one participant's side of a call that goes on: what is sent and
// received, who is there, what was said. Each change calls onChange; onOver is
// called when the session ended.
//
// Whatever breaks is built anew: connections by themselves, events from where
// they broke, and what the server says of the call is asked for again then.
export class Room {
  constructor({ call, onChange, onOver }) {
    Object.assign(this, { call, onChange, onOver });
    const { authorize, view } = call;
    this.me = view.me;
    this.view = view;
    this.online = true;
    this.people = new Map();
    this.log = []; // activities in the order of the session's clock
    this.known = new Set(); // their ids
    this.recording = view.recording;
    this.screen = null; // the stream that this side shares
    this.peers = new Peers({ urlOf: (p) => call.whep(p), authorize, onChange });
    this.camera = new Publication({ url: call.whip('camera'), authorize, onChange });
    this.share = new Publication({ url: call.whip('screen'), authorize, onChange });
    this.outbox = new Outbox({ call, onChange });
    this.shelf = new Shelf({ call, onChange });
    this.saw(view);
  }

  // start listens, before anything is loaded, so that nothing falls between.
  start() {
    this.stream = events({
      url: this.call.events(),
      headers: async (refused) => ({ Authorization: `Bearer ${await this.call.authorize(refused)}` }),
      heard: (event) => this.#heard(event),
      state: (state) => this.#listening(state),
    });
  }

  stop() {
    this.stream?.stop();
    this.peers.stop();
    this.camera.stop();
    this.stopScreen();
    this.outbox.stop();
    this.shelf.stop();
  }

  // saw takes over what a join said.
  saw(view) {
    this.view = view;
    this.recording = view.recording;
    this.people = new Map(view.people.map((p) => [p.id, p]));
    this.peers.set(view.publishers.filter((p) => p.participant !== this.me.id));
    this.onChange();
  }

  // here lists who else is there, those with a picture or not.
  get here() {
    return [...this.people.values()].filter((p) => p.here && p.id !== this.me.id);
  }

  nameOf(id) {
    const p = id === this.me.id ? this.me : this.people.get(id);
    return p?.name || '';
  }

  async shareScreen() {
    const stream = await captureScreen();
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

  async #listening(state) {
    if (state === 'refused') return; // the next ticket says why
    this.online = state === 'connected';
    this.onChange();
    if (!this.online) return;
    await this.call.join().catch(() => {});
    await this.#catchUp();
    this.outbox.hurry();
  }

  // #catchUp loads what happened so far, once: from then on events go on where
  // they broke.
  async #catchUp() {
    if (this.caughtUp) return;
    try {
      for await (const activity of this.call.activities()) this.#add(activity);
      this.caughtUp = true;
      this.onChange();
    } catch {
      // the stream will break as well, and come back
    }
  }

  #heard({ type, data }) {
    let activity;
    try {
      activity = this.call.activityOf(JSON.parse(data));
    } catch {
      return; // of a newer server
    }
    if (activity.sessionId !== this.view.session.id || !this.#add(activity)) return;
    this.#happened(type, activity);
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

  #happened(type, { participant, source, remaining }) {
    switch (type) {
      case 'publisher.started':
        if (participant !== this.me.id) this.peers.add({ participant, source });
        break;
      case 'publisher.stopped':
        if (!remaining) this.peers.remove({ participant, source });
        break;
      case ended:
        this.onOver();
        break;
      default:
        // Who is there and what is recorded: the server knows best.
        if (/^(Joined|Left|recording\.|consent\.)/.test(type)) this.call.join().catch(() => {});
    }
  }
}
