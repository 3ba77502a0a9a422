// A call that is not recorded is a call all the same: an operator in Chromium
// and a guest in Firefox, on the call page of a running server.
//
//   node call-recording.mjs FULL_OPERATOR_URL FULL_GUEST_URL OPERATOR_URL GUEST_URL
//
//   OUT_DIR   where screenshots go
//
// The first two are in a call of a server that has no room, the others in
// another one. The script asks for what a page can't do by a line "cue: NAME",
// and goes on when it is answered by a line.

import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { accessible, assert } from './checks.mjs';

const [fullOperatorURL, fullGuestURL, operatorURL, guestURL] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function cue(name) {
  console.log(`cue: ${name}`);
  await lines.next();
}

const [chromium, firefox] = [await launch('chromium'), await launch('firefox')];
const operator = await chromium.page();
const guest = await firefox.page();
const pages = [operator, guest];
const shot = (page, name) => page.shot(`${process.env.OUT_DIR}/recording-${name.replaceAll(' ', '-')}.png`);

let doing = '';
try {
  for (const page of pages) await page.size(1280, 800);
  await cue('no room');
  await meet('no room', fullOperatorURL, fullGuestURL);
  await goesOn('no room', 'Not recorded');
  await cue('room');
  await meet('recording', operatorURL, guestURL);
  await goesOn('recording', 'Recording');
  await cue('pause');
  await goesOn('paused', 'Recording paused');
  await cue('resume');
  await goesOn('resumed', 'Recording');
  await cue('stop');
  await goesOn('stopped', 'Not recorded: the recording was stopped');
  const faults = pages.flatMap((page) => page.faults);
  assert(faults.length === 0, `the pages say ${faults.join('; ')}`);
  await cue('switch off');
  doing = 'switched off';
  for (const page of pages) await callers.isOver(page, 'off');
  await callers.looks(operator, 'switched off', shot);
} catch (err) {
  for (const page of pages) console.error(await callers.account(page).catch((e) => e.message));
  await shot(operator, 'failure operator');
  await shot(guest, 'failure guest');
  throw new Error(`${doing}: ${err.message}`, { cause: err });
} finally {
  lines.return();
  process.stdin.destroy();
  await chromium.close();
  await firefox.close();
}

async function meet(what, first, second) {
  doing = what;
  await callers.open(operator, first);
  await callers.join(operator);
  await callers.open(guest, second);
  await callers.join(guest);
}

// goesOn wants both to read these words and to see, hear and read each other.
async function goesOn(what, words) {
  doing = what;
  for (const page of pages) {
    await page.wait(
      `the words ${words}`,
      (words) => document.querySelector('.call-recording')?.textContent.trim() === words,
      words,
    );
  }
  await callers.sees(operator, 'guest');
  await callers.sees(guest, 'operator');
  await callers.hears(operator, 'guest');
  await callers.hears(guest, 'operator');
  await callers.says(guest, `while ${what}`);
  await callers.reads(operator, `while ${what}`);
  await accessible(operator, what);
  await shot(operator, what);
}
