// From the sign-in link to an ended session with recordings.

import { accessible, assert } from './checks.mjs';
import { saying } from './transcript.mjs';

// How long the recording is before the session is ended, in s.
const enough = 12;

export const publishing = [
  ['the sign-in link signs in and leaves the address', signIn],
  ['an empty install explains the ways in', welcome],
  ['a new session opens in the panel', create],
  ['the keys lead from session to session', neighbours],
  saying.before,
  ['the publish page says why there is no camera', noCamera],
  ['the publish page shows a preview', preview],
  ['camera and microphone are published', publish],
  ['a second participant publishes into the same recording', second],
  ['the sender learns what the network can carry', estimates],
  ['the recording appears while it runs', appears],
  ['an administrator watches live', watch],
  saying.during,
  ['a pause keeps its reason', pause],
  ['a broken connection is restarted', restart],
  ['a screen is shared', screen],
  saying.beside,
  saying.file,
  ['the end of the session finishes its recordings', end],
];

async function signIn({ page, link, shot }) {
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  const address = await page.evaluate(() => location.href);
  assert(!address.includes('#') && !address.includes('signin'), `the address is ${address}`);
  await shot(page, 'signed-in');
}

async function welcome({ page, shot }) {
  await page.wait('the ways in', () => document.querySelector('.welcome .copyable'));
  await accessible(page, 'an empty install');
  await page.size(390, 844);
  await accessible(page, 'an empty install on a phone');
  await shot(page, 'welcome-phone');
  await page.size(1440, 900);
  await page.dark(true);
  await accessible(page, 'an empty install, dark');
  await shot(page, 'welcome-dark');
  await page.dark(false);
  await shot(page, 'welcome');
  await copies(page);
}

// What was copied is pasted, as a person would.
async function copies(page) {
  const way = '.welcome section:nth-child(2)';
  await page.click(`${way} .copyable button`);
  await page.wait('the notice', () => document.querySelector('.notice')?.textContent.includes('Copied.'));
  await page.evaluate(() => {
    const paper = document.createElement('textarea');
    paper.id = 'paper';
    document.body.append(paper);
    paper.focus();
  });
  await page.press('Control+v');
  await page.wait('what was pasted', () => document.querySelector('#paper').value !== '');
  const [got, want] = await page.evaluate((sel) => {
    const paper = document.querySelector('#paper');
    paper.remove();
    return [paper.value, document.querySelector(`${sel} code`).textContent];
  }, way);
  assert(got === want && got.startsWith('curl '), `copied was ${got}, want ${want}`);
}

async function create(world) {
  const { page, shot } = world;
  await named(page, 'Lost card');
  await page.click('[data-action=new]');
  await page.wait('the dialog', () => document.querySelector('dialog[open] input'));
  await accessible(page, 'the dialog for a new session');
  await shot(page, 'new-session');
  await page.press('Escape');
  await page.wait('no dialog', () => !document.querySelector('dialog[open]'));
  await named(page, 'Mortgage advice');
  world.session = await page.evaluate(() => /^\/sessions\/([^/]+)$/.exec(location.pathname)?.[1]);
  assert(world.session, 'the address does not name the session');
  await page.wait('its recordings', () => document.querySelector('rv-recordings .nothing'));
  await page.wait('its row', () => document.querySelector('tr.open'));
  await accessible(page, 'a session without recordings');
}

async function named(page, name) {
  await page.click('.bar [data-action=new]');
  await page.wait('the dialog', () => document.querySelector('dialog[open] input'));
  await page.fill('dialog[open] input', name);
  await page.click('dialog[open] [data-action=confirm]');
  await opened(page, name);
}

const opened = (page, name) =>
  page.wait(`the panel of ${name}`, (title) => document.querySelector('#detail-title')?.textContent === title, name);

async function neighbours({ page, session }) {
  await page.wait('two rows', () => document.querySelectorAll('a[data-session]').length === 2);
  await page.press('Shift+ArrowRight');
  await opened(page, 'Lost card');
  await page.press('Shift+ArrowLeft');
  await opened(page, 'Mortgage advice');
  const path = await page.evaluate(() => location.pathname);
  assert(path === `/sessions/${session}`, `the address is ${path}`);
}

async function noCamera({ browser, base, session }) {
  const other = await browser.page();
  await other.go(`${base}/publish?session=${session}`);
  await other.wait('the page', () => document.querySelector('[data-action=preview]'));
  for (const [name, words] of [
    ['NotAllowedError', 'not allowed'],
    ['NotFoundError', 'No camera'],
    ['NotReadableError', 'in use'],
  ]) {
    await other.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', error));
    }, name);
    await other.click('[data-action=preview]');
    await other.wait(
      `words for ${name}`,
      (text) => document.querySelector('[role=alert]')?.textContent.includes(text),
      words,
    );
  }
  await accessible(other, 'a publish page without a camera');
  await other.close();
}

async function preview(world) {
  const { browser, base, session, shot } = world;
  world.studio = await browser.page();
  await world.studio.size(1280, 800);
  await world.studio.go(`${base}/publish?session=${session}`);
  await world.studio.click('[data-action=preview]');
  await world.studio.wait('a picture', () => document.querySelector('[data-source=camera] video')?.videoWidth > 0);
  await accessible(world.studio, 'the publish page');
  await shot(world.studio, 'preview');
}

async function publish({ studio, shot }) {
  await studio.click('[data-action=start]');
  await sends(studio);
  await accessible(studio, 'the publish page while it publishes');
  await shot(studio, 'publishing');
}

// A sender starts at 300 kbit/s. Without feedback on how packets arrive Chromium
// dares 8 % more each second, and is below 1 Mbit/s after 15 s; with it, it knows
// of several Mbit/s after a few. Firefox shows nobody its estimate, and what it
// sends depends on the picture: there it's the agreement on feedback that counts.
async function estimates({ browser, studio }) {
  const least = 1_500_000; // bit/s
  const { agreed, best } = await studio.evaluate(estimate, { least, seconds: browser.name === 'firefox' ? 0 : 15 });
  assert(agreed, 'the answer agrees to no feedback on how packets of the picture arrive');
  if (browser.name === 'firefox') return;
  assert(best >= least, `the sender's estimate grew to ${best} bit/s, want ${least}`);
}

// estimate runs in the page: it looks until the estimate is large enough or the
// time is over, and gives the largest, in bit/s.
async function estimate({ least, seconds }) {
  const { pc } = document.querySelector('rv-publish').camera.connection;
  const picture = pc.currentRemoteDescription.sdp.split(/^m=/m).find((part) => part.startsWith('video'));
  const agreed = /^a=rtcp-fb:\S+ (transport-cc|goog-remb)/m.test(picture);
  const end = performance.now() + seconds * 1000;
  let best = 0;
  while (best < least && performance.now() < end) {
    const all = [...(await pc.getStats()).values()];
    const pair = all.find((stat) => stat.type === 'candidate-pair' && stat.nominated);
    best = Math.max(best, pair?.availableOutgoingBitrate ?? 0);
    await new Promise((next) => setTimeout(next, 200));
  }
  return { agreed, best };
}

async function second(world) {
  const { browser, base, session } = world;
  world.other = await browser.page();
  await world.other.go(`${base}/publish?session=${session}`);
  await world.other.click('input[value=operator]');
  await world.other.click('[data-action=start]');
  await sends(world.other);
}

const sends = (page) =>
  page.wait('a connection that sends', () => {
    const tile = document.querySelector('[data-source=camera]');
    return (
      tile?.dataset.state === 'connected' && Number.parseInt(tile.querySelector('.number')?.textContent ?? '0', 10) > 50
    );
  });

async function appears({ page, shot }) {
  await page.wait('a running recording with four tracks', () => {
    const running = document.querySelector('[data-kind=av][data-state=recording]');
    return running && document.querySelectorAll('.lane-row').length === 4;
  });
  await accessible(page, 'a running recording');
  await shot(page, 'recording');
}

async function watch({ page, shot }) {
  await page.click('[data-action=watch]');
  await page.wait('two live pictures that move', () => {
    const tiles = [...document.querySelectorAll('[data-watch-state=connected] video')];
    return tiles.length === 2 && tiles.every((v) => v.videoWidth > 0 && v.currentTime > 1);
  });
  await accessible(page, 'watching live');
  await shot(page, 'watching');
  await page.click('[data-action=unwatch]');
}

async function pause({ page, shot }) {
  await page.click('[data-action=pause]');
  await page.wait('the dialog', () => document.querySelector('dialog[open] input'));
  await page.fill('dialog[open] input', 'card number read aloud');
  await page.click('dialog[open] [data-action=confirm]');
  await page.wait('the pause', () => document.querySelector('[data-kind=av][data-state=paused]'));
  await accessible(page, 'a paused recording');
  await shot(page, 'paused');
  await page.click('[data-action=resume]');
  await page.wait('the resumption', () => document.querySelector('[data-kind=av][data-state=recording]'));
}

// The page is told that ICE failed, which nothing on one machine brings about.
async function restart({ studio }) {
  const before = await studio.evaluate(() => {
    const { connection } = document.querySelector('rv-publish').camera;
    Object.defineProperty(connection.pc, 'connectionState', { get: () => 'failed', configurable: true });
    connection.pc.dispatchEvent(new Event('connectionstatechange'));
    delete connection.pc.connectionState;
    return { etag: connection.etag, state: connection.state };
  });
  assert(before.state === 'reconnecting', `the state is ${before.state}, want reconnecting`);
  await studio.wait(
    'a new ICE session on the same connection',
    (etag) => {
      const { connection, kbps } = document.querySelector('rv-publish').camera;
      return (
        connection.etag !== etag &&
        connection.state === 'connected' &&
        connection.pc.iceConnectionState === 'connected' &&
        kbps > 50
      );
    },
    before.etag,
  );
}

// Firefox asks for a screen in a window of its own, which a test cannot answer.
async function screen({ browser, page, studio, shot }) {
  if (browser.name === 'firefox') {
    await studio.wait('the button', () => document.querySelector('[data-action=start-screen]:not(:disabled)'));
    return;
  }
  await studio.click('[data-action=start-screen]');
  await studio.wait(
    'the shared screen',
    () => document.querySelector('[data-source=screen]')?.dataset.state === 'connected',
  );
  await shot(studio, 'screen');
  await page.wait('its recording', () => document.querySelector('[data-kind=screen][data-state=recording]'));
}

async function end({ browser, page, studio, other, shot }) {
  await page.wait('enough of a recording', (s) => document.querySelector('rv-player').total > s, enough);
  await studio.click('[data-action=stop]');
  await studio.wait('the goodbye', () => document.querySelector('[data-source=camera]').dataset.state === 'idle');
  await page.click('[data-action=end]');
  await page.wait('the dialog', () => document.querySelector('dialog[open]'));
  await page.click('dialog[open] [data-action=confirm]');
  await page.wait(
    'recordings that are ready',
    (n) => {
      const all = [...document.querySelectorAll('[data-recording]:not([data-kind=file])')];
      return all.length === n && all.every((r) => r.dataset.state === 'ready');
    },
    browser.name === 'firefox' ? 1 : 2,
  );
  await shot(page, 'ended');
  assert(studio.faults.length === 0, `the publish page says ${studio.faults.join('; ')}`);
  await studio.close();
  await other.close();
}
