// Looks at a running demo as somebody who has just started it: what goes on is
// watched, what is over is played. The picture in README.md is taken here.
//
//   BROWSER=chromium OUT_DIR=... node demo.mjs SIGNIN_LINK
//
// The demo was started for the first time, and all that it promises is there.

import { launch } from './browser.mjs';
import { accessible, assert } from './checks.mjs';

// When the picture is taken: the guest shows the screen and speaks, in s. Three
// more are left then for a busy machine to stop the player in.
const moment = 4.5;

const [link] = process.argv.slice(2);
const { origin } = new URL(link);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  const shot = (name) => page.shot(`${process.env.OUT_DIR}/${browser.name}-${name}.png`);
  await page.size(1440, 900);
  await page.go(link);
  await page.wait('what goes on', () => document.querySelectorAll('a[data-session]').length === 2);
  await accessible(page, 'the live sessions of the demo');
  await shot('live');
  await open(page, 'card declined');
  await page.wait('its recordings', () => document.querySelector('[data-kind=screen][data-state=recording]'));
  await page.click('[data-action=watch]');
  await page.wait('three live pictures that move', () => {
    const tiles = [...document.querySelectorAll('[data-watch-state=connected] video')];
    return tiles.length === 3 && tiles.every((v) => v.videoWidth > 0 && v.currentTime > 1);
  });
  await shot('watching');

  await page.go(`${origin}/?view=history`);
  await page.wait('what is over', () => document.querySelectorAll('a[data-session]').length === 2);
  await open(page, 'Novák');
  await page.wait('the call', () => document.querySelector('[data-kind=phone][data-state=ready]'));
  await plays(page, 2);
  await shot('call');
  await open(page, 'Malá');
  await page.wait('the screen', () => document.querySelector('[data-kind=screen][data-state=ready]'));
  await plays(page, moment);
  await page.click('.player [data-action=toggle]');
  await accessible(page, 'a session of the demo');
  await shot('picture');
  assert(page.faults.length === 0, `the page says ${page.faults.join('; ')}`);
} finally {
  await browser.close();
}

// open opens the first session with this in its name.
async function open(page, name) {
  await page.evaluate((some) => {
    [...document.querySelectorAll('a[data-session]')].find((a) => a.textContent.includes(some)).click();
  }, name);
  await page.wait(
    `the panel of ${name}`,
    (some) => document.querySelector('#detail-title')?.textContent.includes(some),
    name,
  );
}

// plays plays from some moment on, until all that is heard and seen moves.
async function plays(page, from) {
  await page.wait('the player', () => document.querySelector('.player [data-action=play]:not(:disabled)'));
  await page.click('.player [data-action=play]');
  await page.evaluate((at) => {
    const bar = document.querySelector('.seek input');
    bar.value = String(at * 1000);
    bar.dispatchEvent(new Event('input', { bubbles: true }));
  }, from);
  await page.wait(
    'what plays',
    (at) => {
      const { timeline } = document.querySelector('rv-player');
      const lanes = timeline.lanes.filter((l) => timeline.covers(l));
      const off = (l) => Math.abs(l.media.currentTime + l.offset - timeline.position);
      return (
        lanes.length > 0 && timeline.position > at + 0.5 && lanes.every((l) => !l.media.seeking && off(l) < 0.15)
      );
    },
    from,
  );
}
