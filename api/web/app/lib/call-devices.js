import { captureDevices, devices, stopStream } from './capture.js';

// Where the choice is remembered in this browser.
const remembered = 'reelvault.devices';

const kinds = { audio: 'microphone', video: 'camera' };

// Devices holds camera and microphone of the person in front of the page. Each
// change calls onChange.
//
// chosen has camera, microphone and speaker: a device id, "" for the browser's
// default, "none" to go without. trouble has, for camera and microphone, the
// name of the error for which there is none, or nothing.
export class Devices {
  constructor(onChange) {
    this.onChange = onChange;
    this.chosen = recall();
    this.stream = null;
    this.trouble = {};
    this.off = { audio: false, video: false };
    this.list = { cameras: [], microphones: [], speakers: [] };
    this.opening = 0;
    this.plugged = () => this.#look();
    navigator.mediaDevices?.addEventListener('devicechange', this.plugged);
  }

  track(kind) {
    return this.stream?.getTracks().find((track) => track.kind === kind) ?? null;
  }

  // open takes camera and microphone as chosen, or as many of them as there are
  // and the browser allows.
  async open() {
    const mine = ++this.opening;
    const { stream, trouble } = await take(this.chosen);
    if (mine !== this.opening) {
      stopStream(stream);
      return;
    }
    stopStream(this.stream);
    this.stream = stream;
    this.trouble = trouble;
    for (const track of stream.getTracks()) this.#mind(track);
    await this.#look();
  }

  // choose takes another camera, microphone or speaker. The track of a device
  // that the choice does not touch goes on.
  async choose(name, id) {
    this.chosen = { ...this.chosen, [name]: id };
    remember(this.chosen);
    const kind = Object.keys(kinds).find((k) => kinds[k] === name);
    if (!kind || !this.stream) {
      this.onChange();
      return;
    }
    const before = this.track(kind);
    // Some systems give a device once: let go of it before it is taken again.
    before?.stop();
    if (before) this.stream.removeTrack(before);
    const mine = ++this.opening;
    const { stream, trouble } = await take({ camera: 'none', microphone: 'none', [name]: id });
    if (mine !== this.opening || !this.stream) {
      stopStream(stream);
      return;
    }
    this.trouble = { ...this.trouble, [name]: trouble[name] };
    for (const track of stream.getTracks()) {
      this.stream.addTrack(track);
      this.#mind(track);
    }
    await this.#look();
  }

  // sending has the tracks that are to be sent. One that is off is not among
  // them: a disabled track would be sent as silence or black, and the recording
  // would not know it from a quiet room.
  get sending() {
    const of = (kind) => (this.off[kind] ? null : this.track(kind));
    return { audio: of('audio'), video: of('video') };
  }

  // turn switches microphone (audio) or camera (video) off and on. The device
  // stays open: a browser might ask again.
  turn(kind, off) {
    this.off = { ...this.off, [kind]: off };
    const track = this.track(kind);
    if (track) track.enabled = !off;
    this.onChange();
  }

  close() {
    this.opening++;
    navigator.mediaDevices?.removeEventListener('devicechange', this.plugged);
    stopStream(this.stream);
    this.stream = null;
  }

  // #mind keeps a new track as off as the person wanted, and notices when its
  // device is pulled out.
  #mind(track) {
    track.enabled = !this.off[track.kind];
    track.addEventListener('ended', () => {
      if (this.track(track.kind) !== track) return;
      this.stream.removeTrack(track);
      this.trouble = { ...this.trouble, [kinds[track.kind]]: 'OverconstrainedError' };
      this.onChange();
    });
  }

  // #look lists what there is.
  async #look() {
    this.list = await devices().catch(() => this.list);
    this.onChange();
  }
}

// take gives a stream with what of the chosen devices can be had.
async function take(chosen) {
  const wanted = ['microphone', 'camera'].filter((name) => chosen[name] !== 'none');
  const trouble = {};
  if (wanted.length === 0) return { stream: new MediaStream(), trouble };
  try {
    return { stream: await captureDevices(chosen), trouble };
  } catch (err) {
    if (wanted.length === 1) {
      trouble[wanted[0]] = err.name;
      return { stream: new MediaStream(), trouble };
    }
  }
  // Asked for both, a browser names the trouble of one and gives none.
  const stream = new MediaStream();
  for (const name of wanted) {
    const alone = { camera: 'none', microphone: 'none', [name]: chosen[name] };
    const got = await take(alone);
    for (const track of got.stream.getTracks()) stream.addTrack(track);
    Object.assign(trouble, got.trouble);
  }
  return { stream, trouble };
}

function recall() {
  const none = { camera: '', microphone: '', speaker: '' };
  try {
    const { camera = '', microphone = '', speaker = '' } = JSON.parse(localStorage.getItem(remembered)) ?? none;
    return { camera, microphone, speaker };
  } catch {
    return none; // nothing there, or nothing may be kept
  }
}

function remember(chosen) {
  try {
    localStorage.setItem(remembered, JSON.stringify(chosen));
  } catch {
    // a browser that keeps nothing asks again
  }
}

// granted says whether the browser gives camera and microphone without asking.
export async function granted() {
  try {
    const asked = ['camera', 'microphone'].map((name) => navigator.permissions.query({ name }));
    return (await Promise.all(asked)).every((answer) => answer.state === 'granted');
  } catch {
    return false; // a browser that doesn't tell
  }
}
