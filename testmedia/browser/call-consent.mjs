// A call of a tenant that asks before it records, on the call page of a running
// server, in one Chromium: an operator and a guest, who first agrees and then
// doesn't any more.
//
//   node call-consent.mjs OPERATOR_URL GUEST_URL NOTICE
//
//   OUT_DIR   where screenshots go
//
// NOTICE is what the guest has to be asked.

import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { accessible, assert } from './checks.mjs';

const [operatorURL, guestURL, notice] = process.argv.slice(2);
const chromium = await launch('chromium');
const shot = (page, name) => page.shot(`${process.env.OUT_DIR}/consent-${name.replaceAll(' ', '-')}.png`);

const says = (page, words) =>
  page.wait(
    `the words ${words}`,
    (words) => document.querySelector('.call-recording')?.textContent.trim() === words,
    words,
  );

try {
  const operator = await chromium.page();
  const guest = await chromium.page();
  await operator.size(1280, 800);
  await guest.size(1280, 800);

  await callers.open(operator, operatorURL);
  await callers.join(operator);
  await says(operator, 'Not recorded until everybody has agreed');
  await shot(operator, 'waiting');

  await callers.open(guest, guestURL);
  const asked = await guest.evaluate(() => document.querySelector('.call-notice')?.textContent.trim());
  assert(asked === notice, `the guest is asked ${asked}, want ${notice}`);
  await callers.looks(guest, 'lobby', shot);
  await guest.click('[data-action=join]');
  const stays = await guest.evaluate(() => document.querySelector('input[name=consent]')?.validity.valueMissing);
  assert(stays, 'the guest joined without an answer');
  await guest.click('input[value=given]');
  await callers.join(guest);
  await says(guest, 'Recording');
  await says(operator, 'Recording');

  await callers.goesBack(guest);
  await says(guest, 'Recording');

  await callers.panel(guest, 'people');
  await guest.click('[data-action=withdraw-consent]');
  await guest.wait('the question', () => document.querySelector('[data-action=confirm]'));
  await accessible(guest, 'the question before consent is withdrawn');
  await guest.click('[data-action=confirm]');
  for (const page of [guest, operator]) await says(page, 'Not recorded: not everybody agreed');
  for (const [page, other] of [
    [guest, 'operator'],
    [operator, 'guest'],
  ]) {
    await callers.sees(page, other);
    await callers.hears(page, other);
  }
  await callers.says(guest, 'We go on without');
  await callers.reads(operator, 'We go on without');
  await shot(guest, 'refused');
  const faults = [...operator.faults, ...guest.faults];
  assert(faults.length === 0, `the pages say ${faults.join('; ')}`);
} finally {
  await chromium.close();
}
