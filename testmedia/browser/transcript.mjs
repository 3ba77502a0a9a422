// What is said and done in a session is listed beside its recordings, as it
// happens and afterwards, and each of it is a place to play from.

import { readFile } from 'node:fs/promises';
import { accessible, assert } from './checks.mjs';

// How far from a message's moment a click on it may lead, in s.
const exact = 0.5;

// How much longer the recording is than the last message, in s.
const longer = 6;

// What is said while the session goes on: see publishing.mjs.
export const saying = {
  before: ['what is written before anything is recorded is in the transcript', before],
  during: ['what is written appears in the transcript at once', during],
  beside: ['what is written beside a shared screen is not lost', beside],
  file: ['a shared file appears in the transcript and among the recordings', file],
};

export const transcript = [
  ['the transcript lists what was said and what happened', lists],
  ['a click on a message plays its moment', clicks],
  ['the message of the moment is marked and in view', marks],
  ['a shared file is an attachment, and the same bytes', attached],
  ['a message of which nothing was recorded says so and plays what comes next', unrecorded],
  ['player and transcript stand side by side, in every size', sizes],
  ['a stream of events goes on where it broke off', resumes],
];

// A file that a browser would run if it ever opened it in the page.
const shared = { name: 'Offer <2026> – Novák.html', bytes: '<!doctype html><script>document.title = "run"</script>' };

const words = {
  before: 'Good morning! I am with you in a moment.',
  during: 'Yes, I can see and hear you.',
  beside: '<b>The table on your screen</b> is the offer?',
};

async function before({ page, session }) {
  await page.click('#tab-transcript');
  await page.wait('the empty transcript', () => document.querySelector('rv-transcript .nothing'));
  await accessible(page, 'an empty transcript');
  await say(page, session, { text: words.before, actor: 'User' });
  await listed(page, words.before);
  await page.click('#tab-recordings');
  await page.wait('its recordings', () => document.querySelector('rv-recordings .nothing'));
}

async function during({ page, session, shot }) {
  await page.click('#tab-transcript');
  await page.wait('the live transcript', () => document.querySelector('.transcript-head .connection-connected'));
  await say(page, session, { text: words.during, actor: 'Guest' });
  await listed(page, words.during);
  await accessible(page, 'a live transcript');
  await shot(page, 'transcript-live');
  await page.click('#tab-recordings');
}

// What comes next comes later, so that this can be told from it and be played.
async function beside({ page, session }) {
  const before = await page.evaluate(() => document.querySelector('rv-player').total);
  await say(page, session, { text: words.beside, actor: 'Guest' });
  await page.wait('more of a recording', (s) => document.querySelector('rv-player').total > s, before + longer);
}

async function file({ page, session }) {
  const status = await page.evaluate(
    async ([id, { name, bytes }]) => {
      const { csrfToken } = await (await fetch('/api/v1/me')).json();
      const letters = new TextEncoder().encode(name);
      const answer = await fetch(`/api/v1/sessions/${id}/files?participant=guest-1`, {
        method: 'POST',
        headers: {
          'X-CSRF-Token': csrfToken,
          'Content-Type': 'application/offset+octet-stream',
          'Tus-Resumable': '1.0.0',
          'Upload-Length': String(bytes.length),
          'Upload-Metadata': `filename ${btoa(String.fromCharCode(...letters))}`,
        },
        body: bytes,
      });
      return answer.status;
    },
    [session, shared],
  );
  assert(status === 201, `the file was answered with ${status}`);
  await page.wait('its row', () => document.querySelector('[data-kind=file][data-state=ready] a[data-file]'));
  await page.wait(
    'what is known of the file',
    (wanted) => wanted.every((want) => document.querySelector('[data-kind=file]').textContent.includes(want)),
    [shared.name, 'guest-1', 'text/html'],
  );
  await page.click('#tab-transcript');
  await page.wait(
    'the file in the transcript',
    (name) => document.querySelector('.moment.file a[download]')?.textContent === name,
    shared.name,
  );
  await accessible(page, 'a transcript with a file');
  await page.click('#tab-recordings');
  await accessible(page, 'recordings with a file');
}

// say adds a message as the owning platform would.
async function say(page, session, message) {
  const status = await page.evaluate(
    async ([id, body]) => {
      const { csrfToken } = await (await fetch('/api/v1/me')).json();
      const answer = await fetch(`/api/v1/sessions/${id}/activities`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrfToken },
        body: JSON.stringify(body),
      });
      return answer.status;
    },
    [session, { type: 'ChatMessage', ...message }],
  );
  assert(status === 201, `the message was answered with ${status}`);
}

const listed = (page, text) =>
  page.wait(
    `the message “${text}”`,
    (want) => [...document.querySelectorAll('.moment.message p')].some((p) => p.textContent === want),
    text,
  );

async function lists({ page }) {
  await page.click('#tab-transcript');
  for (const text of Object.values(words)) await listed(page, text);
  const events = await page.evaluate(() => [...document.querySelectorAll('.moment.event')].map((e) => e.textContent));
  for (const want of ['joined', 'Recording started', 'Recording paused', 'The session ended'])
    assert(
      events.some((text) => text.includes(want)),
      `no “${want}” in ${events.join(' | ').replace(/\s+/g, ' ')}`,
    );
  const at = await page.evaluate(() => [...document.querySelectorAll('.moment')].map((m) => Number(m.dataset.at)));
  assert(
    at.every((ms, i) => i === 0 || ms >= at[i - 1]),
    `the times are ${at}`,
  );
  await page.wait('the marks on the bar', () => document.querySelector('.marks .mark-message'));
}

// target gives the message's moment on the player's clock, in s, and a selector.
const target = (page, text) =>
  page.evaluate((want) => {
    const item = [...document.querySelectorAll('.moment.message')].find(
      (m) => m.querySelector('p').textContent === want,
    );
    const { start } = document.querySelector('rv-player').material;
    return { moment: (Number(item.dataset.at) - start) / 1000, item: `.moment[data-seq="${item.dataset.seq}"]` };
  }, text);

// Where the player comes by is kept from the click on, since it goes on.
async function clicks({ browser, page, shot }) {
  await page.evaluate(() => {
    window.cameBy = [];
    const player = document.querySelector('rv-player');
    player.addEventListener('rv-at', (e) => window.cameBy.push((e.detail - player.material.start) / 1000));
  });
  const { moment, item } = await target(page, words.during);
  await page.click(`${item} p`);
  await arrives(page, moment, 'av ');
  await page.evaluate((sel) => document.querySelector(`${sel} .when`).focus(), (await target(page, words.beside)).item);
  await page.press('ArrowUp');
  await page.press('ArrowDown');
  await page.evaluate(() => (window.cameBy.length = 0));
  await page.press('Enter');
  const other = (await target(page, words.beside)).moment;
  await arrives(page, other, browser.name === 'chromium' ? 'screen ' : 'av ');
  await shot(page, 'transcript');
}

// arrives waits until the player was at a moment and all that was recorded then
// is in step, a tile of some kind among it.
async function arrives(page, moment, kind) {
  await page.wait(
    `the moment ${moment}`,
    ([want, most]) => window.cameBy.some((s) => Math.abs(s - want) < most),
    [moment, exact],
  );
  await page.wait(
    `pictures in step after ${moment}`,
    ([from, tile]) => {
      const player = document.querySelector('rv-player');
      const { timeline } = player;
      if (!timeline.playing) player.playAt(player.material.start + from * 1000); // it came to the end meanwhile
      const here = timeline.lanes.filter((l) => timeline.covers(l));
      return (
        timeline.position > from + 0.1 &&
        here.some((l) => l.tile.startsWith(tile) && l.media.videoWidth > 0 && !l.media.closest('[hidden]')) &&
        here.every((l) => !l.media.seeking && Math.abs(l.media.currentTime + l.offset - timeline.position) < 0.12)
      );
    },
    [moment, kind],
  );
}

// All of this happens in one turn of the page, so that playing on changes nothing.
async function marks({ page }) {
  for (const text of [words.during, words.beside]) {
    const { item, moment } = await target(page, text);
    const found = await page.evaluate((sel) => {
      const element = document.querySelector(sel);
      element.click();
      const box = element.getBoundingClientRect();
      const frame = document.querySelector('.moments').getBoundingClientRect();
      return {
        position: document.querySelector('rv-player').position,
        current: [...document.querySelectorAll('.moment[aria-current=true]')].map((m) => m.textContent),
        seen: box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1,
      };
    }, item);
    assert(Math.abs(found.position - moment) < exact, `a click on ${moment} s leads to ${found.position} s`);
    assert(found.current.length === 1 && found.current[0].includes(text), `marked is ${found.current}, want ${text}`);
    assert(found.seen, `the marked message “${text}” is out of view`);
  }
  await page.evaluate(() => document.querySelector('.moments').dispatchEvent(new WheelEvent('wheel')));
  await page.click('[data-action=follow]');
  await page.wait('no offer to follow', () => !document.querySelector('[data-action=follow]'));
}

// The browser saves it under a name of its choice; what counts are the bytes.
async function attached({ page, browser, out }) {
  const path = `${out}/${browser.name}-shared`;
  await page.save('.moment.file a[download]', path);
  const got = await readFile(path, 'utf8');
  assert(got === shared.bytes, `the file holds ${got}`);
  const title = await page.evaluate(() => document.title);
  assert(title !== 'run', 'the file was opened');
}

async function unrecorded({ page }) {
  const { item, moment } = await target(page, words.before);
  assert(moment < 0, `the message is at ${moment} s, want it before the recording`);
  await page.evaluate(() => (window.cameBy.length = 0));
  await page.click(`${item} .when`);
  await page.wait('the words', () => document.querySelector('.notice')?.textContent.includes('Nothing was recorded'));
  await page.wait('the beginning', (most) => window.cameBy.some((s) => s < most), exact);
}

async function sizes({ page, shot }) {
  await page.evaluate(() => document.querySelector('.notice button')?.click());
  await accessible(page, 'a transcript');
  await page.click('[data-action=widen]');
  const [player, list] = await page.evaluate(() =>
    ['rv-player', 'rv-transcript'].map((name) => document.querySelector(name).getBoundingClientRect().toJSON()),
  );
  assert(list.left >= player.right && list.top < player.bottom, 'the transcript is not beside the player');
  await accessible(page, 'a transcript beside the player');
  await shot(page, 'transcript-wide');
  await page.dark(true);
  await accessible(page, 'a transcript beside the player, dark');
  await shot(page, 'transcript-dark');
  await page.dark(false);
  await page.click('[data-action=widen]');
  await page.size(390, 844);
  await accessible(page, 'a transcript on a phone');
  await shot(page, 'transcript-phone');
  await page.size(1440, 900);
  await page.click('#tab-recordings');
}

// The page's reader of events, with answers that break off in the middle.
async function resumes({ page }) {
  const { heard, states, asked } = await page.evaluate(async () => {
    const main = document.querySelector('script[type=module]').src;
    const { events } = await import(new URL('lib/events.js', main).href);
    const answers = [
      new Response(': hello\n\nid: 5\ndata: one\n\nid: 6\ndata: tw'),
      new Response('', { status: 503 }),
      new Response('id: 6\r\ndata: two\r\ndata: lines\r\n\r\n'),
      new Response('', { status: 401 }),
      new Response('', { status: 403 }),
    ];
    const asked = [];
    const heard = [];
    const states = [];
    const real = window.fetch;
    const url = '/api/v1/a-stream-of-a-test';
    window.fetch = (at, init) => {
      if (at !== url) return real(at, init);
      asked.push(init.headers['Last-Event-ID'] ?? '');
      return Promise.resolve(answers.shift());
    };
    await new Promise((done) => {
      events({
        url,
        heard: (e) => heard.push(`${e.id} ${e.data}`),
        state: (s) => {
          states.push(s);
          if (s === 'refused') done();
        },
      });
    });
    window.fetch = real;
    return { heard, states, asked };
  });
  const same = (got, want) => assert(JSON.stringify(got) === JSON.stringify(want), `got ${JSON.stringify(got)}`);
  same(heard, ['5 one', '6 two\nlines']);
  same(asked, ['', '5', '5', '6', '6']);
  same(states, ['connected', 'lost', 'lost', 'connected', 'lost', 'refused']);
}
