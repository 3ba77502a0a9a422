// What is recorded plays, can be sought, and is whole.

import { writeFile } from 'node:fs/promises';
import { patience } from './browser.mjs';
import { accessible, assert, decodes, probe } from './checks.mjs';

// How far a picture may be from the timeline once the player has settled, in s.
const together = 0.12;

// How far the picture that is decoded may be from the timeline, in s: a camera
// in bad light, on a busy machine. A picture from before the seek is seconds off.
const decoded = 0.4;

// How far the length of a file may be from what the catalog says: a frame at
// 15 per second, since cameras slow down in bad light.
const oneFrame = 67; // ms

export const playing = [
  ['the history lists the ended session, and its link opens it', history],
  ['the gap of the pause is listed', gaps],
  ['a recording plays all its files together', plays],
  ['seeking to 25, 50 and 75 % works', seeks],
  ['what is out of step is corrected by the rules', rules],
  ['of a long session only what is near is loaded', near],
  ['files that fell behind are brought back', stalls],
  ['muting one participant leaves all where they are', mutes],
  ['the player obeys the keyboard', keyboard],
  ['downloads are whole', downloads],
];

const av = '[data-kind=av]';

async function history({ page, base, session, shot }) {
  await page.go(`${base}/?view=history`);
  await page.wait('the row', (id) => document.querySelector(`a[data-session="${id}"]`), session);
  await accessible(page, 'the history');
  await shot(page, 'history');
  await page.go(`${base}/sessions/${session}?view=history&tab=general`);
  await page.wait('the general information', () => document.querySelector('#tabpanel .facts'));
  await accessible(page, 'the general information');
  await shot(page, 'general');
  await page.click('#tab-recordings');
  await page.wait('the recordings', () => document.querySelector('[data-kind=av][data-state=ready]'));
}

async function gaps({ page }) {
  await page.click(`${av} .gaps summary`);
  const text = await page.evaluate((sel) => document.querySelector(`${sel} .gaps`).textContent, av);
  assert(text.includes('card number read aloud'), `the gaps are: ${text.replace(/\s+/g, ' ')}`);
  await accessible(page, 'the list of gaps');
}

async function plays({ page, shot }) {
  await page.click('.player [data-action=play]');
  await page.wait('two pictures that move', () => {
    const player = document.querySelector('.player');
    const videos = [...player.querySelectorAll('.tile:not([hidden]) video')];
    return Number(player.dataset.position) > 1 && videos.length === 2 && videos.every((v) => v.videoWidth > 0);
  });
  await accessible(page, 'a player that plays');
  await shot(page, 'playing');
  const lengths = await page.evaluate(() =>
    [...document.querySelectorAll('.tile[data-kind=av] video')].map((v) => v.duration),
  );
  assert(lengths.every(Number.isFinite), `the lengths are ${lengths}`);
  await page.size(390, 844);
  await accessible(page, 'a player on a phone');
  await shot(page, 'playing-phone');
  await page.size(1440, 900);
}

async function seeks({ page }) {
  for (const share of [0.25, 0.5, 0.75]) {
    const target = await page.evaluate((part) => {
      const bar = document.querySelector('.seek input');
      bar.value = String(Number(bar.max) * part);
      bar.dispatchEvent(new Event('input', { bubbles: true }));
      return Number(bar.value) / 1000;
    }, share);
    const at = await page.evaluate(() => Number(document.querySelector('.player').dataset.position));
    assert(Math.abs(at - target) < 0.2, `after a seek to ${target} s the player is at ${at} s`);
    await page.wait(
      `all pictures in step after a seek to ${share * 100} %`,
      ([to, most]) => {
        const player = document.querySelector('rv-player');
        const lanes = player.timeline.lanes.filter((l) => player.timeline.covers(l));
        const moved = player.timeline.position;
        return (
          lanes.length > 0 &&
          moved > to + 0.3 &&
          moved < to + 20 &&
          lanes.every((l) => !l.media.seeking && Math.abs(l.media.currentTime + l.offset - moved) < most)
        );
      },
      [target, together],
    );
    await caughtUp(page, target);
  }
}

// caughtUp waits until the pictures that are shown are those of the timeline. A
// starved machine shows late ones for a while; an element that kept its picture
// from before the seek stays seconds off.
async function caughtUp(page, target) {
  const deadline = performance.now() + patience;
  for (;;) {
    const off = await page.evaluate(behind);
    if (off.length > 0 && off.every((s) => Math.abs(s) < decoded)) return;
    assert(
      performance.now() < deadline,
      `after a seek to ${target} s the pictures shown stay ${off} s from the timeline`,
    );
  }
}

// behind runs in the page: it says how far the next picture of each element is
// from the timeline at the moment that it is shown, in s.
function behind() {
  const { timeline } = document.querySelector('rv-player');
  const lanes = timeline.lanes.filter((l) => timeline.covers(l) && l.tile.startsWith('av '));
  return Promise.all(
    lanes.map(
      (l) =>
        new Promise((done, fail) => {
          l.media.requestVideoFrameCallback((_, { mediaTime }) => done(mediaTime + l.offset - timeline.position));
          setTimeout(() => fail(new Error(`no picture came at ${timeline.position} s`)), 10_000);
        }),
    ),
  );
}

// What the controller does with an element that is d seconds ahead, at the
// speed that was chosen, if it can be heard or not.
async function rules({ page }) {
  const wrong = await page.evaluate(async () => {
    const main = document.querySelector('script[type=module]').src;
    const { correct } = await import(new URL('lib/sync.js', main).href);
    const table = [
      [0, 1, false, { seek: false, rate: 1 }],
      [0.03, 1, false, { seek: false, rate: 1 }],
      [0.05, 1, false, { seek: false, rate: 0.95 }],
      [-0.05, 2, false, { seek: false, rate: 2.1 }],
      [0.4, 1, false, { seek: false, rate: 0.9 }],
      [-0.5, 1, false, { seek: false, rate: 1.1 }],
      [0.51, 1.5, false, { seek: true, rate: 1.5 }],
      [-3, 1, true, { seek: true, rate: 1 }],
      [0.08, 1, true, { seek: false, rate: 1 }],
      [0.2, 1, true, { seek: false, rate: 0.95 }],
      [0.31, 1, true, { seek: true, rate: 1 }],
    ];
    return table
      .map(([d, speed, heard, want]) => ({ d, speed, heard, want, got: correct(d, speed, heard) }))
      .filter(({ want, got }) => want.seek !== got.seek || Math.abs(want.rate - got.rate) > 1e-9);
  });
  assert(wrong.length === 0, JSON.stringify(wrong));
}

// A session of four hours: a file an hour, and a minute's pause after the second.
async function near({ page }) {
  const found = await page.evaluate(async () => {
    const main = document.querySelector('script[type=module]').src;
    const { nextIn, Timeline } = await import(new URL('lib/sync.js', main).href);
    const timeline = new Timeline({ changed: () => {} });
    const empty = URL.createObjectURL(new Blob());
    for (const offset of [0, 3600, 7260, 10_860]) {
      const media = document.createElement('video');
      timeline.add({ media, offset, duration: 3600, audio: true, muted: false, url: () => empty });
    }
    const loaded = (at) => {
      timeline.seek(at);
      return timeline.lanes.map((l) => Number(l.media.hasAttribute('src'))).join('');
    };
    const result = {
      loaded: [0, 3590, 3610, 5000, 7230, 14_400, 0].map(loaded),
      next: [-5, 0, 7200, 7259, 7260, 14_460].map((at) => nextIn(timeline.lanes, at) ?? 'none'),
    };
    const played = (at) => {
      timeline.seek(at);
      timeline.play();
      timeline.pause();
      return timeline.position;
    };
    result.played = [7230, 14_460].map(played);
    timeline.close();
    return result;
  });
  const want = {
    loaded: ['1000', '1100', '1100', '0100', '0000', '0001', '1000'],
    next: [0, 0, 7260, 7260, 7260, 'none'],
    played: [7260, 0], // over the pause, and anew from the end
  };
  assert(JSON.stringify(found) === JSON.stringify(want), JSON.stringify(found));
}

// What a busy machine does to an element: it falls a little behind, or far.
async function stalls({ page }) {
  for (const behind of [0.2, 2]) {
    await seekTo(page, 0.4);
    await page.wait('the pictures in step', inStep, together);
    await page.evaluate((s) => {
      const { timeline } = document.querySelector('rv-player');
      timeline.lanes.findLast((l) => timeline.covers(l)).media.currentTime -= s;
    }, behind);
    await page.wait(`the pictures in step after one fell ${behind} s behind`, inStep, together);
  }
}

// Whoever can be heard leads the timeline, so muting hands over the lead.
async function mutes({ page }) {
  await seekTo(page, 0.4);
  await page.wait('the pictures in step', inStep, together);
  const before = await page.evaluate(() => document.querySelector('rv-player').position);
  // Not every lane has sound, and a picture may come first.
  const voice = await page.evaluate(() => document.querySelector('[data-mute]').dataset.mute);
  await page.click(`[data-mute="${voice}"]`);
  const state = await page.evaluate(() => [...document.querySelectorAll('.tile[data-kind=av] video')].map((v) => v.muted));
  assert(state.filter(Boolean).length === 1, `muted are ${state}, want one`);
  await page.wait(
    'the player going on',
    (from) => document.querySelector('rv-player').position > from + 0.5,
    before,
  );
  await page.wait('the pictures in step after one was muted', inStep, together);
}

// inStep runs in the page: it says whether all elements that have something to
// show are where the timeline is, at the speed that was chosen.
function inStep(most) {
  const { timeline } = document.querySelector('rv-player');
  const lanes = timeline.lanes.filter((l) => timeline.covers(l) && l.tile.startsWith('av '));
  return (
    timeline.playing &&
    !timeline.waiting &&
    lanes.length === 2 &&
    lanes.every(
      (l) =>
        !l.media.seeking &&
        l.media.playbackRate === 1 &&
        Math.abs(l.media.currentTime + l.offset - timeline.position) < most,
    )
  );
}

const seekTo = (page, share) =>
  page.evaluate((part) => {
    const player = document.querySelector('rv-player');
    player.seek(player.total * part);
  }, share);

async function keyboard({ page, session }) {
  await page.evaluate(() => document.querySelector('[data-action=toggle]').focus());
  await page.press('k');
  await page.wait('the pause', () => document.querySelector('.player').dataset.playing === 'false');
  await page.press('5');
  const half = await page.evaluate(() => {
    const player = document.querySelector('rv-player');
    return Math.abs(player.position - player.total / 2);
  });
  assert(half < 0.1, `the key 5 is ${half} s from the middle`);
  await page.press('>');
  const speed = await page.evaluate(() => document.querySelector('.speed select').value);
  assert(speed === '1.25', `the key > gives speed ${speed}`);
  await page.press('<');
  await page.press('Escape');
  await page.wait('the closed panel', () => !document.querySelector('rv-detail'));
  const focus = await page.evaluate(() => document.activeElement?.dataset.session);
  assert(focus === session, `the focus is on ${focus}, want the row`);
  await page.press('Enter');
  await page.wait('the open panel', () => document.querySelector('[data-kind=av][data-state=ready]'));
}

async function downloads({ page, out, browser, session }) {
  const recordings = await page.evaluate(async (id) => {
    const answer = await fetch(`/api/v1/sessions/${id}/recordings`);
    return (await answer.json()).items.filter((r) => r.kind !== 'file');
  }, session);
  await writeFile(`${out}/${browser.name}-recordings.json`, JSON.stringify(recordings));
  const files = recordings.flatMap((r) => r.files);
  const links = await page.evaluate(
    () => document.querySelectorAll('.recording:not([data-kind=file]) a[data-file]').length,
  );
  assert(links === files.length && links > 0, `${links} links for ${files.length} files`);
  for (const file of files) {
    const path = `${out}/${browser.name}-${file.id}.${file.container}`;
    await page.save(`a[data-file="${file.id}"]`, path);
    const { durationMs } = await probe(path);
    assert(
      Math.abs(durationMs - file.durationMs) <= oneFrame,
      `${path} lasts ${durationMs} ms, the catalog says ${file.durationMs}`,
    );
    await decodes(path);
  }
}
