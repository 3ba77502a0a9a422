// A call of two people: an operator in Chromium and a guest in Firefox, on the
// call page of a running server.
//
//   node call.mjs OPERATOR_URL GUEST_URL OTHER_URL
//
//   OUT_DIR   where screenshots and downloads go
//
// OTHER_URL is the invitation of a third person, which is withdrawn. The script
// asks for what a page can't do by a line "cue: NAME", and goes on when it is
// answered by a line. It prints a line a test; the first failure ends the run.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { accessible, assert } from './checks.mjs';

const [operatorURL, guestURL, otherURL] = process.argv.slice(2);
const out = process.env.OUT_DIR;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// cue asks whoever runs this to do something, and waits until it is done.
async function cue(name) {
  console.log(`cue: ${name}`);
  await lines.next();
}

const [chromium, firefox] = [await launch('chromium'), await launch('firefox')];
const shot = (page, name) => page.shot(`${out}/call-${name.replaceAll(' ', '-')}.png`);
const fileName = 'Offer <i> & terms 2026.txt';
const fileSize = 1 << 20;

let operator;
let guest;

const tests = [
  ['the lobby says which device is refused, and lets people in without', refused],
  ['the lobby shows a preview and the level of the microphone', lobby],
  ['whoever comes first waits', alone],
  ['they see and hear each other', meet],
  ['messages go both ways, as text', chat],
  ['a file goes from one to the other, whole', file],
  ['a file goes on where it broke off', resume],
  ['who is muted is not heard, whose camera is off not seen', mute],
  ['devices are changed during the call', devices],
  ['a shared screen is large', screen],
  ['keys do what buttons do', keys],
  ['a reload leads back into the call', reload],
  ['the pages come back by themselves when the server was killed', restart],
  ['a withdrawn invitation ends the call of its owner alone', withdrawn],
  ['somebody who leaves can come back', leave],
  ['the end is for everybody', end],
];

let failed = false;
try {
  operator = await chromium.page();
  guest = await firefox.page();
  await operator.size(1280, 800);
  await guest.size(1280, 800);
  for (const [name, test] of tests) {
    const start = performance.now();
    await test().then(
      () => console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`),
      async (err) => {
        failed = true;
        console.log(`FAIL  ${name}: ${err.message}`);
        for (const page of [operator, guest]) {
          console.log(`      ${await callers.account(page).catch((e) => e.message)}`);
          for (const fault of page.faults) console.log(`      a page says: ${fault}`);
        }
        await shot(operator, 'failure-operator').catch(() => {});
        await shot(guest, 'failure-guest').catch(() => {});
      },
    );
    if (failed) break;
  }
} finally {
  lines.return();
  process.stdin.destroy();
  await chromium.close();
  await firefox.close();
}
process.exitCode = failed ? 1 : 0;

async function refused() {
  for (const [error, kinds, words, button] of [
    ['NotAllowedError', ['camera', 'microphone'], 'not allowed', 'watch and write'],
    ['NotFoundError', ['camera'], 'No camera', 'microphone only'],
    ['NotReadableError', ['microphone'], 'in use', 'camera only'],
    ['OverconstrainedError', ['camera', 'microphone'], 'not there any more', 'watch and write'],
  ]) {
    const page = await chromium.page();
    await page.before(`(${lack})(${JSON.stringify({ error, kinds })})`);
    await callers.open(page, operatorURL); // Chromium is set to give devices without asking
    await page.wait(
      `words for ${error}`,
      ({ kinds, words, button }) =>
        kinds.every((k) => document.querySelector(`[data-trouble=${k}]`)?.textContent.includes(words)) &&
        document.querySelector('[data-action=join]').textContent.includes(button),
      { kinds, words, button },
    );
    await accessible(page, `a lobby with ${error}`);
    await shot(page, `lobby ${error}`);
    await page.close();
  }
}

// lack runs before the page does, and takes devices away.
function lack({ error, kinds }) {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const names = { video: 'camera', audio: 'microphone' };
  navigator.mediaDevices.getUserMedia = (wanted) =>
    Object.keys(names).some((kind) => wanted[kind] && kinds.includes(names[kind]))
      ? Promise.reject(new DOMException('', error))
      : real(wanted);
}

async function lobby() {
  await callers.open(operator, operatorURL);
  await operator.wait('a picture', () => document.querySelector('.call-preview video')?.videoWidth > 0);
  await operator.wait('a level', () => document.querySelector('.call-level meter')?.value > 0.05);
  await callers.looks(operator, 'lobby', shot);
}

async function alone() {
  await callers.join(operator);
  await operator.wait('nobody', () => document.querySelector('.call-alone'));
  await callers.looks(operator, 'alone', shot);
}

async function meet() {
  await callers.open(guest, guestURL);
  await callers.join(guest);
  await callers.sees(operator, 'guest');
  await callers.sees(guest, 'operator');
  await callers.hears(operator, 'guest');
  await callers.hears(guest, 'operator');
  await recordingIs(operator, 'recording');
  await recordingIs(guest, 'recording');
  await shot(guest, 'guest');
}

async function recordingIs(page, state) {
  await page.wait(
    `the state ${state}`,
    (state) => document.querySelector('.call-recording')?.dataset.recordingState === state,
    state,
  );
}

async function chat() {
  const hostile = '<script>document.title = "taken"</script> <img src=x onerror=alert(1)> https://example.org';
  await callers.says(operator, 'Can you hear me?');
  await callers.reads(guest, 'Can you hear me?');
  await callers.says(guest, hostile, 'a second line');
  await callers.reads(operator, `${hostile}\na second line`);
  const { markup, title } = await operator.evaluate(() => ({
    markup: document.querySelectorAll('.call-text > *').length,
    title: document.title,
  }));
  assert(markup === 0 && !title.includes('taken'), `a message became ${markup} elements, the title ${title}`);
  await callers.looks(operator, 'room', shot);
}

async function file() {
  await callers.shares(guest, fileName, fileSize);
  await callers.offered(guest, fileName);
  await arrives(fileName, fileSize);
  await accessible(operator, 'the list of files');
  await shot(operator, 'files');
}

// arrives downloads the newest file as the operator.
async function arrives(name, size) {
  await callers.offered(operator, name);
  const path = `${out}/call-download`;
  await operator.save('.call-files li:last-child .call-file', path);
  const want = Buffer.from(new Uint8Array(size).map((_, i) => i % 251));
  const got = await readFile(path);
  const sum = (bytes) => createHash('sha256').update(bytes).digest('hex');
  assert(sum(got) === sum(want), `${got.length} bytes of ${name} arrived, want the ${size} that were sent`);
}

async function resume() {
  const [name, size] = ['Plan.bin', 20 << 20];
  await guest.evaluate(breakOff);
  await callers.shares(guest, name, size);
  await arrives(name, size);
  const requests = await guest.evaluate(() => window.uploadRequests);
  const broken = requests.indexOf('broken');
  assert(broken >= 0 && requests[broken + 1] === 'HEAD', `the requests were ${requests.join(', ')}`);
}

// breakOff runs in the page: it breaks the first request with bytes of a file.
function breakOff() {
  window.uploadRequests = [];
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, ...more) {
    window.uploadRequests.push(method);
    this.sendsBytes = method === 'PATCH';
    open.call(this, method, ...more);
  };
  XMLHttpRequest.prototype.send = function (body) {
    send.call(this, body);
    if (!this.sendsBytes || window.uploadRequests.includes('broken')) return;
    this.upload.addEventListener('progress', () => {
      if (window.uploadRequests.includes('broken')) return;
      window.uploadRequests.push('broken');
      this.abort();
    });
  };
}

async function mute() {
  await guest.click('[data-action=audio]');
  await callers.hears(operator, 'guest', false);
  await guest.click('[data-action=video]');
  await operator.wait('no picture', () => document.querySelector('[data-participant=guest][data-moves=false]'));
  await shot(operator, 'camera off');
  await accessible(guest, 'a muted guest');
  await guest.click('[data-action=audio]');
  await guest.click('[data-action=video]');
  await callers.hears(operator, 'guest');
  await callers.sees(operator, 'guest');
}

// Another device, or the same anew, is sent over the connection that stands.
async function devices() {
  const before = await callers.received(guest, 'operator');
  await operator.click('[data-action=devices]');
  await operator.wait('the dialog', () => document.querySelector('dialog.call-settings[open] [data-device=camera]'));
  await accessible(operator, 'the choice of devices');
  await shot(operator, 'devices');
  await operator.evaluate(() => {
    const choice = document.querySelector('dialog.call-settings [data-device=camera]');
    choice.value = choice.options[1].value;
    choice.dispatchEvent(new Event('change'));
  });
  await operator.click('[data-action=close-devices]');
  await callers.sees(guest, 'operator');
  await callers.hears(guest, 'operator');
  const after = await callers.received(guest, 'operator');
  assert(after.connection === before.connection, 'another camera took another connection');
}

async function screen() {
  await operator.click('[data-action=screen]');
  await callers.sees(guest, 'operator', 'screen');
  const [large, small] = await guest.evaluate(() =>
    ['.call-screen', '[data-participant=operator]'].map(
      (s) => document.querySelector(s).getBoundingClientRect().height,
    ),
  );
  assert(large > 2 * small, `the screen is ${large} px high, the person ${small}`);
  await callers.looks(guest, 'screen', shot);
  await operator.click('[data-action=screen]');
  await guest.wait('no screen', () => !document.querySelector('.call-screen'));
}

async function keys() {
  for (const [key, action] of [
    ['Alt+KeyM', 'audio'],
    ['Alt+KeyV', 'video'],
    ['Alt+KeyC', 'chat'],
  ]) {
    const pressed = (want) =>
      operator.wait(
        `${action} ${want}`,
        ({ action, want }) => document.querySelector(`[data-action=${action}]`).ariaPressed === want,
        { action, want },
      );
    const before = await operator.evaluate((a) => document.querySelector(`[data-action=${a}]`).ariaPressed, action);
    await operator.press(key);
    await pressed(before === 'true' ? 'false' : 'true');
    await operator.press(key);
    await pressed(before);
  }
}

async function reload() {
  await callers.goesBack(guest);
  await callers.sees(guest, 'operator');
  await callers.sees(operator, 'guest');
  await callers.hears(operator, 'guest');
  await callers.reads(guest, 'Can you hear me?');
  await callers.offered(guest, fileName);
}

// What is said and shared while the server is away arrives when it is back.
async function restart() {
  const before = await callers.received(guest, 'operator');
  await cue('kill');
  await callers.says(guest, 'Are you still there?');
  await callers.shares(guest, 'Sent meanwhile.bin', fileSize);
  await guest.wait('the words for it', () => document.querySelector('.call-lost')?.textContent.includes('lost'));
  await accessible(guest, 'a call without its server');
  await shot(guest, 'lost');
  await cue('restart');
  await guest.wait(
    'another connection',
    (before) => {
      const peer = document.querySelector('rv-call-room').room.peers.all.find((p) => p.source === 'camera');
      return peer?.state === 'connected' && peer.connection?.location && peer.connection.location !== before;
    },
    before.connection,
  );
  await callers.sees(guest, 'operator');
  await callers.sees(operator, 'guest');
  await callers.reads(operator, 'Are you still there?');
  await arrives('Sent meanwhile.bin', fileSize);
}

async function withdrawn() {
  const other = await chromium.page();
  await callers.open(other, otherURL);
  await callers.join(other);
  await operator.wait('a third person', () => document.querySelector('[data-participant=other]'));
  await shot(operator, 'three');
  await cue('withdraw');
  await callers.isOver(other, 'invitation');
  await callers.looks(other, 'withdrawn', shot);
  await other.close();
  await operator.wait('two pictures', () => !document.querySelector('[data-participant=other] video'));
  await callers.sees(operator, 'guest');
}

async function leave() {
  await guest.click('[data-action=leave]');
  await callers.isOver(guest, 'left');
  await accessible(guest, 'a page that was left');
  await operator.wait('no picture', () => !document.querySelector('[data-participant=guest][data-moves=true]'));
  await guest.click('[data-action=again]');
  await guest.wait('the lobby', () => document.querySelector('[data-action=join]'));
  await callers.join(guest);
  await callers.sees(operator, 'guest');
}

async function end() {
  await operator.click('[data-action=end]');
  await operator.wait('the question', () => document.querySelector('[data-action=confirm]'));
  await accessible(operator, 'the question before the end');
  await operator.click('[data-action=confirm]');
  await callers.isOver(operator, 'ended');
  await callers.isOver(guest, 'ended');
  await accessible(guest, 'a call that has ended');
  const faults = [...operator.faults, ...guest.faults];
  assert(faults.length === 0, `the pages say ${faults.join('; ')}`);
}
