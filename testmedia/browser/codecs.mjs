// Plays recordings in the pages of a running server, and tells what a person
// gets to see of each.
//
//   BROWSER=chromium|firefox node codecs.mjs SIGNIN_LINK SESSIONS
//
// SESSIONS is a JSON array of ids of ended sessions, each with one recording of
// one file. It prints a JSON array of {words, download, width}: what the page
// says is wrong, the SHA-256 of the file that it offers because of that, and how
// wide the picture is.

import { launch } from './browser.mjs';
import { accessible } from './checks.mjs';

const [link, sessions] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  const found = [];
  for (const id of JSON.parse(sessions)) found.push(await play(page, id));
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}

async function play(page, id) {
  await page.go(new URL(`/sessions/${id}?view=history`, link).href);
  await page.wait('the recording', () => document.querySelector('rv-detail:has([data-state=ready]) [data-action=play]'));
  await page.click('[data-action=play]');
  await page.wait('a second that was played, or words', () => {
    const player = document.querySelector('.player');
    return Number(player.dataset.position) > 1 || player.querySelector('figcaption .warn');
  });
  await accessible(page, `the player of session ${id}`);
  return page.evaluate(async () => {
    const tile = document.querySelector('.player .tile');
    const offered = tile.querySelector('figcaption a[download]');
    const sum = async (url) => {
      const bytes = await (await fetch(url)).arrayBuffer();
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return [...hash].map((b) => b.toString(16).padStart(2, '0')).join('');
    };
    return {
      words: tile.querySelector('figcaption .warn')?.textContent ?? '',
      download: offered ? await sum(offered.href) : '',
      width: tile.querySelector('video').videoWidth,
    };
  });
}
