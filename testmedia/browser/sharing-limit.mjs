// Joins a call and picks a file that is too large, and prints a JSON object of
// what the page says: limit, beside the picker, and refused, of the file.
//
//   BROWSER=chromium|firefox node sharing-limit.mjs INVITATION BYTES

import { launch } from './browser.mjs';
import { join, open, panel, shares } from './callers.mjs';

const [invitation, size] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await open(page, invitation);
  await join(page);
  await panel(page, 'files');
  const limit = await page.evaluate(() => document.querySelector('.call-files').textContent);
  await shares(page, 'large.bin', Number(size));
  await page.wait('the refusal', () => document.querySelector('[data-upload=failed]'));
  const refused = await page.evaluate(() => document.querySelector('[data-upload=failed]').textContent);
  console.log(JSON.stringify({ limit, refused }));
} finally {
  await browser.close();
}
