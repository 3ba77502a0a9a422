// Invites somebody from the page of a session, opens the link, and withdraws it.
//
//   node call-invite.mjs SIGNIN_LINK SESSION
//
//   OUT_DIR   where screenshots go
//   BROWSER   chromium or firefox

import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { accessible, assert } from './checks.mjs';

const [link, session] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
const shot = (page, name) => page.shot(`${process.env.OUT_DIR}/${browser.name}-invite-${name}.png`);
try {
  const page = await browser.page();
  await page.size(1440, 900);
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions'));
  await page.go(new URL(`/sessions/${session}`, link).href);
  await page.click('[data-action=invite]');
  await page.wait('the dialog', () => document.querySelector('dialog.invite[open]'));
  await page.click('.invite input[value=operator]');
  await page.fill('.invite [name=name]', 'Jana Novak');
  await page.click('[data-action=make-invitation]');
  await page.wait('a link', () => document.querySelector('.invite li .copyable'));
  await accessible(page, 'an invitation');
  await shot(page, 'made');
  const url = await page.evaluate(() => document.querySelector('.invite li code').textContent);
  assert(url.startsWith(new URL('/call/#', link).href), `the link is ${url}`);

  const invited = await browser.page();
  await callers.open(invited, url);
  const words = await invited.evaluate(() => document.querySelector('.call-lobby .lead').textContent);
  assert(words.includes('Jana Novak'), `the lobby says: ${words}`);

  await page.click('.invite [data-action=withdraw]');
  await page.wait('no invitation', () => !document.querySelector('.invite li'));
  await page.press('Escape');
  await page.wait('the session behind', () => !document.querySelector('dialog[open]'));
  const stays = await page.evaluate(() => Boolean(document.querySelector('#detail-title')));
  assert(stays, 'Esc closed the session, too');
  await invited.reload();
  await callers.isOver(invited, 'invitation');
  await invited.go(new URL('/call/', link).href);
  await callers.isOver(invited, 'noInvitation');
  await accessible(invited, 'a call without an invitation');
} finally {
  await browser.close();
}
