// The end: deleting, signing out, a link that was used.

import { accessible, assert } from './checks.mjs';

export const settling = [
  ['a recording is deleted after a confirmation', remove],
  ['no page complained', quiet],
  ['signing out leads to the way back in', signOut],
  ['a link works once', once],
];

async function remove({ page, shot }) {
  const before = await page.evaluate(() => document.querySelectorAll('[data-recording]').length);
  await page.click('[data-kind=av] [data-action=delete]');
  await page.wait('the dialog', () => document.querySelector('dialog[open]'));
  await accessible(page, 'the confirmation of a deletion');
  await shot(page, 'delete');
  await page.click('dialog[open] [data-action=confirm]');
  await page.wait('one recording less', (n) => document.querySelectorAll('[data-recording]').length === n - 1, before);
}

async function quiet({ page }) {
  assert(page.faults.length === 0, `the page says ${page.faults.join('; ')}`);
}

async function signOut({ page, shot }) {
  await page.click('[data-action=sign-out]');
  await page.wait('the way back in', () => document.querySelector('rv-signin .copyable'));
  await accessible(page, 'the page of somebody who is not signed in');
  await shot(page, 'signed-out');
}

async function once({ page, link, shot }) {
  await page.go(link);
  await page.wait('the refusal', () => document.querySelector('rv-signin [role=alert]'));
  await accessible(page, 'a used sign-in link');
  await shot(page, 'used-link');
}
