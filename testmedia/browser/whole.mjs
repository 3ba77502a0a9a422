// A call of some minutes with all that may happen in one: a guest in Chromium,
// whose network is cut, and an operator in Firefox, who loads the page anew.
//
//   node whole.mjs GUEST_URL OPERATOR_URL SECONDS BYTES HERTZ
//
//   CHROMIUM  what starts Chromium in a network of its own
//   OUT_DIR   where screenshots and downloads go
//
// What the guest shares of a screen sounds of HERTZ. The cue "cut" asks for a
// network that is away for a while and has another address for the guest when it
// is back: a connection stands on only by an ICE restart. It prints what it does,
// and in the end a line "facts: JSON" with what only the pages know, all times in
// ms of the wall clock:
//
//   together    when both saw each other
//   reload      [from, to], until the operator was in the call again
//   connected   when something came to the guest again after the cut
//   shared      {name, sha256} of the file
//   over        when the call was ended
//   marks       {guest, operator}: what whole-marks.mjs says each has made
//   soundDelay  by how much flashes were made after beeps, in ms

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { assert } from './checks.mjs';
import { made, marks } from './whole-marks.mjs';
import { screen as display } from './whole-screen.mjs';

const [guestURL, operatorURL, seconds, size, hertz] = process.argv.slice(2);
const out = process.env.OUT_DIR;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const key = 'whole-marks';
const camera = { width: 320, height: 240, fps: 15, key, soundDelay: 30 };
const shown = { width: 640, height: 360, fps: 15, hertz: Number(hertz) };
const name = 'Survey of the roof.bin';
const uploadRate = 2 << 20; // bytes/s: a file takes long enough to be cut in the middle

// Whatever is awaited may take this long, in ms, on however busy a machine.
const patience = 120_000;

const facts = { soundDelay: camera.soundDelay };
const host = new URL(operatorURL).hostname;
const chromium = await launch('chromium');
const firefox = await launch('firefox', { 'dom.securecontext.allowlist': host });
let guest;
let operator;

const steps = [
  ['both come, and see and hear each other', meet],
  ['they write', chat],
  ['the guest shares a screen and its sound for a while', screen],
  ['the operator loads the page anew', reload],
  ['the network is cut while the guest shares a file', cut],
  ['the operator gets the file', file],
  ['they write again', chatAgain],
  ['the call goes on to its full length', linger],
  ['the operator ends the call', end],
];

let failed = false;
try {
  guest = await chromium.page();
  operator = await firefox.page();
  for (const [what, step] of steps) {
    const start = performance.now();
    try {
      await step();
      console.log(`ok    ${what} (${Math.round(performance.now() - start)} ms)`);
    } catch (err) {
      failed = true;
      console.log(`FAIL  ${what}: ${err.stack}`);
      for (const [who, page] of Object.entries({ guest, operator })) {
        console.log(`      ${who}: ${await callers.account(page).catch((e) => e.message)}`);
        for (const fault of page.faults) console.log(`      ${who} says: ${fault}`);
        await page.shot(`${out}/whole-failure-${who}.png`).catch(() => {});
      }
      break;
    }
  }
  console.log(`facts: ${JSON.stringify(facts)}`);
} finally {
  lines.return();
  process.stdin.destroy();
  await chromium.close();
  await firefox.close();
}
process.exitCode = failed ? 1 : 0;

// cue asks whoever runs this to do something, and waits until it is done.
async function cue(what) {
  console.log(`cue: ${what}`);
  await lines.next();
}

// until waits for what has to be awaited in a page.
async function until(page, what, fn, arg) {
  const end = performance.now() + patience;
  while (!(await page.evaluate(fn, arg))) {
    assert(performance.now() < end, `${what}: did not come`);
    await pause(100);
  }
}

function pause(ms) {
  return new Promise((next) => setTimeout(next, ms));
}

async function meet() {
  for (const [page, url] of [
    [guest, guestURL],
    [operator, operatorURL],
  ]) {
    await page.size(1280, 720);
    await page.before(`(${marks})(${JSON.stringify(camera)})`);
    if (page === guest) await page.before(`(${display})(${JSON.stringify(shown)})`);
    await callers.open(page, url);
    await callers.join(page);
  }
  await together();
  facts.together = Date.now();
}

// together waits until pictures and sound go both ways.
async function together() {
  await callers.sees(operator, 'guest');
  await callers.sees(guest, 'operator');
  await callers.hears(operator, 'guest');
  await callers.hears(guest, 'operator');
}

async function chat() {
  await callers.says(guest, 'Good morning, it is about the roof.');
  await callers.reads(operator, 'Good morning, it is about the roof.');
  await callers.says(operator, 'Show me, please.');
  await callers.reads(guest, 'Show me, please.');
}

async function screen() {
  await guest.click('[data-action=screen]');
  await callers.sees(operator, 'guest', 'screen');
  await callers.hears(operator, 'guest', true, 'screen');
  await pause(10_000);
  await callers.sees(operator, 'guest', 'screen');
  await callers.hears(operator, 'guest', true, 'screen');
  await guest.click('[data-action=screen]');
  await operator.wait('no screen', () => !document.querySelector('.call-screen'));
}

async function reload() {
  const from = Date.now();
  await callers.goesBack(operator);
  facts.reload = [from, Date.now()];
  await together();
  await callers.reads(operator, 'Good morning, it is about the roof.');
}

async function cut() {
  const protocol = await guest.raw.context().newCDPSession(guest.raw);
  const limits = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: uploadRate };
  await protocol.send('Network.enable');
  await protocol.send('Network.emulateNetworkConditions', limits);
  const bytes = noise(Number(size));
  facts.shared = { name, sha256: createHash('sha256').update(bytes).digest('hex') };
  await guest.evaluate(`window.noise = ${noise}`);
  await guest.evaluate(watchMedia);
  await callers.panel(guest, 'files');
  await guest.evaluate(dropFile, { name, size: Number(size) });
  await until(guest, 'some of the file is there', (least) => uploaded() >= least, Number(size) / 4);
  const before = await guest.evaluate(connections);
  await cue('cut');
  const sent = await guest.evaluate(() => uploaded());
  assert(sent > 0 && sent < Number(size), `the cut came when ${sent} of ${size} bytes of the file were sent`);
  await protocol.send('Network.emulateNetworkConditions', { ...limits, uploadThroughput: -1 });
  await until(guest, 'media after the cut', () => window.quiet().length > 4000);
  facts.connected = await guest.evaluate(() => window.quiet().to);
  await together();
  restarted(before, await guest.evaluate(connections));
}

// connections runs in the page. It gives [which, location, etag] of each.
function connections() {
  const { room } = document.querySelector('rv-call-room');
  const all = [['own camera', room.camera], ...room.peers.all.map((p) => [p.key, p])];
  return all.map(([which, { connection }]) => [which, connection?.location, connection?.etag]);
}

// restarted wants the same connections with new ICE sessions (RFC 9725, section
// 4.3.1): each has an entity tag of its own.
function restarted(before, after) {
  console.log(`      before the cut: ${before.join(', ')}; after it: ${after.join(', ')}`);
  assert(before.length === 2 && after.length === before.length, `connections: ${before.length}, then ${after.length}, want 2`);
  for (const [i, [which, location, etag]] of before.entries()) {
    const [, now, tag] = after[i];
    assert(location && now === location, `${which}: the connection ${location} became ${now}, want an ICE restart of it`);
    assert(etag && tag && tag !== etag, `${which}: the ICE session ${etag} became ${tag}, want another one`);
  }
}

// noise gives bytes that no store could make smaller, the same each time. It
// runs here and in a page.
function noise(size) {
  const words = new Uint32Array(size / 4);
  for (let i = 0, x = 2463534242; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer);
}

// dropFile runs in the page, as if a person had dragged a file there.
function dropFile({ name, size }) {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([window.noise(size)], name));
  const place = document.querySelector('rv-call-room');
  document.querySelector('.call-bar').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
  const [upload] = place.room.shelf.uploads;
  window.uploaded = () => upload.sent;
}

// watchMedia runs in the page. It notes when something comes over the connection
// of its camera, or over one that takes its place: reports on what it sends do,
// all the time. quiet gives the longest time that nothing came, once it is over.
function watchMedia() {
  const { camera } = document.querySelector('rv-call-room').room;
  let before = '';
  let last = Date.now();
  let longest = { from: 0, to: 0, length: 0 };
  const look = async () => {
    const stats = [...((await camera.connection?.pc.getStats().catch(() => null))?.values() ?? [])];
    const now = Date.now();
    const transport = stats.find((s) => s.type === 'transport');
    const came = `${camera.connection?.location} ${transport?.bytesReceived}`;
    if (transport?.bytesReceived > 0 && came !== before) {
      if (now - last > longest.length) longest = { from: last, to: now, length: now - last };
      before = came;
      last = now;
    }
    setTimeout(look, 50);
  };
  look();
  window.quiet = () => longest;
}

async function file() {
  await callers.offered(operator, name);
  const path = `${out}/whole-download`;
  await operator.save('.call-files li:last-child .call-file', path);
  const got = createHash('sha256').update(await readFile(path)).digest('hex');
  assert(got === facts.shared.sha256, `the operator got a file with ${got}, want ${facts.shared.sha256}`);
}

async function chatAgain() {
  await callers.says(operator, 'I have it.');
  await callers.reads(guest, 'I have it.');
  await callers.says(guest, 'Thank you.');
  await callers.reads(operator, 'Thank you.');
}

async function linger() {
  await pause(Math.max(0, facts.together + Number(seconds) * 1000 - Date.now()));
}

async function end() {
  facts.marks = { guest: await made(guest, key), operator: await made(operator, key) };
  facts.over = Date.now();
  await operator.click('[data-action=end]');
  await operator.wait('the question', () => document.querySelector('[data-action=confirm]'));
  await operator.click('[data-action=confirm]');
  await callers.isOver(operator, 'ended');
  await callers.isOver(guest, 'ended');
}
