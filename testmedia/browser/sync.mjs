// Measures how far apart sound and picture are when a media file plays in
// Chromium: beeps are 1 kHz tone bursts, flashes are white frames.
//
// The page that plays it is made here, on the origin of the file, so that
// canvas and Web Audio may read it. Beeps are found in an AudioWorklet, sample
// by sample; flashes by drawing each presented frame into a small canvas. Both
// are told on the clock of the page: a beep when it enters the audio graph,
// since the element knows nothing of what the graph adds after that, a flash
// when its frame is due on the screen. Screens show a frame up to 17 ms late, at
// their next refresh, and a busy machine delays single blocks of sound; that is
// their matter, so both delays are evened out over their neighbours. Where such
// a machine stops sound and picture together, both are late together.
//
// What remains is the way of this instrument itself, 10 to 20 ms. Measure a
// file whose sound and picture are known to be together as the reference.
//
//   node sync.mjs URL [SEEK_TO_S [FOR_S [REFERENCE_URL]]]   prints the measurement as JSON

import { chromium } from 'playwright-core';
import { pathToFileURL } from 'node:url';

const toneHz = 1000;

// A beep and a flash farther apart than this are not taken for a pair, in ms.
const widest = 500;

// measureSync plays url for a while from its start, and again after a seek to
// seekTo (s), and gives {before, after, reference}: each {beeps, flashes, offsets}. Beeps
// and flashes are in ms on one clock; offsets are flash minus beep for each
// pair, in ms, so a positive one means that the picture is late. seconds is
// how long each part is measured. reference, if there is one, is measured too.
export async function measureSync({ url, seekTo, seconds = 10, reference, executablePath = '/usr/bin/chromium' }) {
  const browser = await chromium.launch({
    executablePath,
    headless: false,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  try {
    return {
      reference: reference === undefined ? null : await play(browser, reference, 0, seconds),
      before: await play(browser, url, 0, seconds),
      after: seekTo === undefined ? null : await play(browser, url, seekTo, seconds),
    };
  } finally {
    await browser.close();
  }
}

// play measures one part: from 0, or from where a seek leads after the file
// has begun to play at its start.
async function play(browser, url, from, seconds) {
  const page = await browser.newPage();
  const place = new URL('/sync-measurement', url).href;
  await page.route(place, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>sync</title>' }),
  );
  await page.goto(place);
  await page.evaluate(prepare, { url, toneHz });
  const found = await page.evaluate(listen, { from, seconds });
  await page.close();
  return { ...found, offsets: offsetsOf(found) };
}

// p95 gives the value that 95 % of the absolute offsets do not exceed.
export function p95(offsets) {
  const sorted = offsets.map(Math.abs).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)];
}

function offsetsOf({ beeps, flashes }) {
  const offsets = [];
  for (const beep of beeps) {
    const near = flashes.reduce((best, f) => (Math.abs(f - beep) < Math.abs(best - beep) ? f : best), Infinity);
    if (Math.abs(near - beep) <= widest) offsets.push(near - beep);
  }
  return offsets;
}

// prepare runs in the page: it builds the element and the audio graph.
async function prepare({ url, toneHz: hz }) {
  // Energy at the tone in blocks of 5 ms by the Goertzel algorithm: a beep is
  // where it rises, told as the time of the block's first sample.
  const worklet = `registerProcessor('beeps', class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.size = Math.round(sampleRate / 200);
      this.factor = 2 * Math.cos((2 * Math.PI * ${hz}) / sampleRate);
      this.a = this.b = this.n = 0;
      this.on = false;
    }
    process([[channel]]) {
      for (let i = 0; channel && i < channel.length; i++) {
        const s = channel[i] + this.factor * this.a - this.b;
        this.b = this.a;
        this.a = s;
        if (++this.n === this.size) this.look(currentTime + (i + 1 - this.size) / sampleRate);
      }
      return true;
    }
    look(at) {
      const power = (this.a ** 2 + this.b ** 2 - this.factor * this.a * this.b) / (this.size / 2) ** 2;
      const on = power > 0.0025;
      if (on && !this.on) this.port.postMessage(at);
      this.on = on;
      this.a = this.b = this.n = 0;
    }
  });`;
  const video = document.createElement('video');
  video.src = url;
  video.preload = 'auto';
  document.body.append(video);
  const audio = new AudioContext({ latencyHint: 'playback' });
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
  const beeps = new AudioWorkletNode(audio, 'beeps');
  audio.createMediaElementSource(video).connect(beeps);
  beeps.connect(audio.destination);
  const canvas = new OffscreenCanvas(16, 16);
  window.sync = { video, audio, beeps, pen: canvas.getContext('2d', { willReadFrequently: true }) };
}

// listen runs in the page: it plays from a moment for some seconds of media,
// or to the end, and gives when beeps and flashes came. Before a seek the
// element plays a little, so that the seek has something to leave.
async function listen({ from, seconds }) {
  const { video, audio, beeps: node, pen } = window.sync;
  const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const until = (at) =>
    new Promise((done) => {
      video.addEventListener('ended', done, { once: true });
      video.addEventListener('timeupdate', () => video.currentTime >= at && done());
    });
  await audio.resume();
  if (from > 0) {
    await video.play();
    await until(1);
    video.currentTime = from;
    await new Promise((done) => video.addEventListener('seeked', done, { once: true }));
  }
  const heard = []; // beeps: {at, delay}, at in ms on the clock of the graph
  const seen = []; // frames: {at, delay, flash}, at in ms of media
  node.port.onmessage = ({ data }) => {
    const { performanceTime } = audio.getOutputTimestamp();
    heard.push({ at: data * 1000, delay: performanceTime - audio.currentTime * 1000 });
  };
  let light = true; // a flash that is under way at the start has no beginning
  let listening = true;
  const look = (_, { expectedDisplayTime, mediaTime }) => {
    if (!listening) return;
    pen.drawImage(video, 0, 0, 16, 16);
    const { data } = pen.getImageData(0, 0, 16, 16);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
    const white = sum / (16 * 16 * 3) > 200;
    seen.push({ at: mediaTime * 1000, delay: expectedDisplayTime - mediaTime * 1000, flash: white && !light });
    light = white;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  await video.play();
  await until(from + seconds);
  listening = false;
  video.pause();
  // On the clock of the page, with the usual delay of so many neighbours.
  const told = (all, neighbours) =>
    all.map(({ at, flash }, i) => ({
      at: at + middle(all.slice(Math.max(0, i - neighbours), i + neighbours + 1).map((n) => n.delay)),
      flash,
    }));
  const flashes = told(seen, 12).filter(({ flash }) => flash);
  return { beeps: told(heard, 2).map(({ at }) => at), flashes: flashes.map(({ at }) => at) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [url, seekTo, seconds, reference] = process.argv.slice(2);
  const number = (text) => (text === undefined ? undefined : Number(text));
  const found = await measureSync({ url, seekTo: number(seekTo), seconds: number(seconds), reference });
  const summary = (part) => part && { ...part, pairs: part.offsets.length, p95: p95(part.offsets) };
  console.log(JSON.stringify(Object.fromEntries(Object.entries(found).map(([name, part]) => [name, summary(part)]))));
}
