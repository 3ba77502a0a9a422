// Plays a session with more files at a time than a browser opens connections to
// one host by HTTP/1.1, in the pages of a running server.
//
//   BROWSER=chromium|firefox OUT_DIR=... node many.mjs SIGNIN_LINK SESSION FILES
//
// SESSION is the id of a session that goes on, so that its events are listened to
// as well, with so many FILES side by side, of some MB each.

import { launch } from './browser.mjs';
import { assert } from './checks.mjs';

const [link, session, files] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.size(1440, 900);
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  await page.go(new URL(`/sessions/${session}`, link).href);
  await page.wait('the player', () => document.querySelector('.player [data-action=play]:not(:disabled)'));
  await page.click('.player [data-action=play]');
  for (const to of [2, 17, 9]) {
    await page.evaluate((s) => document.querySelector('rv-player').seek(s), to);
    await all(page, to);
  }
  await page.shot(`${process.env.OUT_DIR}/${browser.name}-many.png`);
  const heard = await page.evaluate(() => document.querySelector('rv-detail').connection);
  assert(heard === 'connected', `the stream of events is ${heard}`);
  assert(page.faults.length === 0, `the page says ${page.faults.join('; ')}`);
} finally {
  await browser.close();
}

// all waits until every file plays, at the same moment.
async function all(page, from) {
  await page.wait(
    `all files to play from ${from} s on`,
    ({ from, files }) => {
      const { timeline } = document.querySelector('rv-player');
      const lanes = timeline.lanes.filter((l) => timeline.covers(l));
      const off = (l) => Math.abs(l.media.currentTime + l.offset - timeline.position);
      return (
        lanes.length === files &&
        timeline.position > from + 0.5 &&
        lanes.every((l) => l.media.readyState > 2 && !l.media.seeking && off(l) < 0.3)
      );
    },
    { from, files: Number(files) },
  );
}
