// Keeping several media elements on one timeline.
//
// One element that can be heard is the master: it plays at exactly the speed
// the person chose and is never corrected. The others are brought to where it
// is: far away by a jump, nearby by playing a little faster or slower. Elements
// that can be heard as well are corrected later and more gently than silent
// ones, because a change of speed is easier to hear than a voice that comes
// some hundredths of a second late. Sound and picture of one file sit in one
// element and can't drift apart.

// How often the controller looks, in ms.
export const tick = 100;

// Differences up to tolerance (s) are left alone, those above jump (s) are
// mended by a seek, those between by at most this share of the speed.
const silent = { tolerance: 0.03, most: 0.1, jump: 0.5 };
const audible = { tolerance: 0.08, most: 0.05, jump: 0.3 };

// correct says what to do with an element that is d seconds ahead of the
// timeline: seek or not, and at which rate to play, for the speed that the
// person chose.
export function correct(d, speed, canBeHeard) {
  const { tolerance, most, jump } = canBeHeard ? audible : silent;
  if (Math.abs(d) > jump) return { seek: true, rate: speed };
  if (Math.abs(d) <= tolerance) return { seek: false, rate: speed };
  return { seek: false, rate: speed * (1 - Math.min(Math.max(d, -most), most)) };
}

// A file is loaded so many s before its moment and kept so long after its end:
// a session of hours has many, and a browser few connections.
const ahead = 20;
const behind = 20;

const within = (lane, position) => position >= lane.offset && position < lane.offset + lane.duration;

// nextIn gives the first moment from position on, in s, at which one of the
// lanes has something, or undefined.
export function nextIn(lanes, position) {
  if (lanes.some((lane) => within(lane, position))) return position;
  const later = lanes.map((lane) => lane.offset).filter((offset) => offset > position);
  return later.length > 0 ? Math.min(...later) : undefined;
}

// Timeline drives lanes, each {media, url, offset, duration, audio, muted}: a
// media element without a source, a function that gives the address of its
// file, where the file's zero lies on the timeline, how long it is (both in s),
// and whether it has sound. changed is called after every tick and every action.
//
// The position follows the master while one plays, and the clock of the page
// where no file has sound. Stretches without any file are passed over.
export class Timeline {
  constructor({ changed }) {
    this.lanes = [];
    this.changed = changed;
    this.position = 0;
    this.speed = 1;
    this.playing = false;
    this.waiting = false;
    this.last = 0;
    this.timer = 0;
  }

  add(lane) {
    this.lanes.push(lane);
    lane.media.addEventListener('loadedmetadata', () => {
      lane.media.currentTime = this.#within(lane);
    });
    this.#load(lane);
  }

  remove(lane) {
    this.lanes = this.lanes.filter((other) => other !== lane);
    unload(lane);
  }

  // reload takes the address of a lane's file anew.
  reload(lane) {
    unload(lane);
    this.#load(lane);
  }

  play() {
    if (this.playing) return;
    if (nextIn(this.lanes, this.position) === undefined) this.seek(nextIn(this.lanes, 0) ?? 0);
    this.playing = true;
    this.last = performance.now();
    this.timer = setInterval(() => this.step(), tick);
    this.step();
  }

  pause() {
    this.playing = false;
    this.waiting = false;
    clearInterval(this.timer);
    for (const lane of this.lanes) lane.media.pause();
    this.changed();
  }

  // seek goes to a moment, in s, and moves all elements there at once.
  seek(position) {
    this.position = position;
    this.last = performance.now();
    for (const lane of this.lanes) {
      this.#load(lane);
      if (lane.media.readyState > 0) lane.media.currentTime = this.#within(lane);
    }
    this.changed();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.step();
  }

  close() {
    clearInterval(this.timer);
    for (const lane of this.lanes) unload(lane);
  }

  // covers says whether a lane has something at the present moment.
  covers(lane) {
    return within(lane, this.position) && !lane.media.error;
  }

  // step is one look of the controller.
  step() {
    if (!this.playing) {
      this.changed();
      return;
    }
    this.#advance();
    const next = nextIn(this.lanes, this.position);
    if (next === undefined) {
      this.position = Math.max(0, ...this.lanes.map((lane) => lane.offset + lane.duration));
      this.pause();
      return;
    }
    if (next > this.position) this.seek(next);
    const master = this.#master();
    for (const lane of this.lanes) {
      this.#load(lane);
      this.#steer(lane, master);
    }
    this.changed();
  }

  // #load gives a lane its source when its moment is near, and takes it away
  // when that is long past or far ahead.
  #load(lane) {
    const near =
      this.position > lane.offset - ahead && this.position < lane.offset + lane.duration + behind;
    if (near && !lane.loaded) {
      lane.loaded = true;
      lane.media.src = lane.url();
    }
    if (!near && lane.loaded) unload(lane);
  }

  // The master is the first lane that can be heard now; when all are muted,
  // the first with sound, so that muting changes nothing else.
  #master() {
    const here = this.lanes.filter((lane) => lane.audio && this.covers(lane) && !lane.media.ended);
    return here.find((lane) => !lane.muted) ?? here[0];
  }

  #advance() {
    const now = performance.now();
    const passed = ((now - this.last) / 1000) * this.speed;
    this.last = now;
    const master = this.#master();
    this.waiting = this.lanes.some((lane) => lane.audio && this.covers(lane) && stalled(lane.media));
    if (this.waiting) return;
    const leads = master && !master.media.paused && !master.media.seeking;
    this.position = leads ? master.offset + master.media.currentTime : this.position + passed;
  }

  #steer(lane, master) {
    const { media } = lane;
    if (!this.covers(lane) || media.ended) {
      if (!media.paused) media.pause();
      return;
    }
    if (this.waiting && !stalled(media)) {
      if (!media.paused) media.pause();
      return;
    }
    if (media.readyState === 0 || media.seeking) return;
    const d = media.currentTime - (this.position - lane.offset);
    const { seek, rate } =
      lane === master
        ? { seek: media.paused && Math.abs(d) > audible.jump, rate: this.speed }
        : correct(d, this.speed, lane.audio && !lane.muted);
    if (seek) media.currentTime = this.#within(lane);
    if (media.playbackRate !== rate) media.playbackRate = rate;
    if (media.paused) media.play().catch(() => {}); // the next tick tries again
  }

  #within(lane) {
    return Math.min(Math.max(this.position - lane.offset, 0), lane.duration);
  }
}

function unload(lane) {
  lane.loaded = false;
  lane.media.pause();
  lane.media.removeAttribute('src');
  lane.media.load();
}

// stalled says that an element would play if it had the data.
function stalled(media) {
  return media.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !media.ended;
}
