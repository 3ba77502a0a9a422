// Opens files in all ways in which a page can, and prints a JSON list of those
// that ran as a page or a program.
//
//   BROWSER=chromium|firefox node sharing-open.mjs PAGE_URL saved|shown LINK...
//
// The page is of the same origin as the links and has no policy. saved: a link
// that somebody follows has to be saved; shown: nobody follows them. A file
// that runs sets ran in the window that it is in and in the one around it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from './browser.mjs';

const [place, wanted, ...links] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'reelvault-opening-'));
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(place);
  for (const link of wanted === 'saved' ? links : []) {
    await page.evaluate((href) => {
      document.body.replaceChildren(Object.assign(document.createElement('a'), { id: 'link', href, textContent: 'file' }));
    }, link);
    await page.save('#link', join(folder, 'saved'));
  }
  const ran = [];
  for (const link of links) {
    const other = await browser.page();
    await other.go(place);
    await other.evaluate(embed, link);
    // A frame whose answer is saved never loads, so there is nothing to wait for
    // but what comes after it.
    await other.wait(`an end of the script ${link}`, () => window.ended);
    await other.evaluate(() => fetch(location.href).then((answer) => answer.text()));
    if (await other.evaluate(() => Boolean(window.ran))) ran.push(link);
  }
  console.log(JSON.stringify(ran));
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}

// embed runs in the page.
function embed(link) {
  for (const [tag, where] of Object.entries({ iframe: 'src', embed: 'src', object: 'data', img: 'src' })) {
    document.body.append(Object.assign(document.createElement(tag), { [where]: link }));
  }
  const end = () => {
    window.ended = true;
  };
  document.body.append(Object.assign(document.createElement('script'), { src: link, onload: end, onerror: end }));
}
