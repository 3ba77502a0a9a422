// Opens the publish page of a running server over plain HTTP by a name that is
// not the machine's own, where browsers give a page no camera.
//
//   BROWSER=chromium|firefox node insecure.mjs SIGNIN_LINK SESSION
//
// It fails if the page does not say why, or has buttons that could not work.

import { insecureHost, launch } from './browser.mjs';
import { accessible, assert } from './checks.mjs';

const [link, session] = process.argv.slice(2);
const elsewhere = new URL(link);
elsewhere.hostname = insecureHost;
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(elsewhere.href);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  await page.go(new URL(`/publish?session=${session}`, elsewhere).href);
  await page.wait('the reason', () => document.querySelector('.publish [role=alert]'));
  const seen = await page.evaluate(() => ({
    secure: isSecureContext,
    words: document.querySelector('.publish [role=alert]').textContent,
    dead: [...document.querySelectorAll('.publish [data-action]')].every((b) => b.disabled),
    buttons: document.querySelectorAll('.publish [data-action]').length,
  }));
  assert(!seen.secure, `the browser takes ${elsewhere.host} for a secure context`);
  assert(
    seen.words.includes(elsewhere.host) && seen.words.includes('secure context') && seen.words.includes('https'),
    `the page says: ${seen.words}`,
  );
  assert(seen.dead && seen.buttons === 3, `of ${seen.buttons} buttons, want 3, all are disabled: ${seen.dead}`);
  await accessible(page, 'a publish page outside of a secure context');
  await page.shot(`${process.env.OUT_DIR}/${browser.name}-insecure.png`);
} finally {
  await browser.close();
}
