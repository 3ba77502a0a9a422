// The ways of the media of a call break and are restored: an operator in
// Chromium and a guest in Firefox, on the call page of a running server.
//
//   node call-path.mjs OPERATOR_URL GUEST_URL
//
// That a way broke, which nothing on one machine brings about, each page is
// told; what it then does is real.

import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { assert } from './checks.mjs';

const [operatorURL, guestURL] = process.argv.slice(2);
const [chromium, firefox] = [await launch('chromium'), await launch('firefox')];
const operator = await chromium.page();
const guest = await firefox.page();
const sides = [
  { page: operator, other: guest, me: 'operator', peer: 'guest' },
  { page: guest, other: operator, me: 'guest', peer: 'operator' },
];

let doing = '';
try {
  await callers.open(operator, operatorURL);
  await callers.join(operator);
  await callers.open(guest, guestURL);
  await callers.join(guest);
  for (const side of sides) await callers.sees(side.page, side.peer);
  for (const side of sides) {
    for (const whose of [side.me, side.peer]) {
      const what = (name) => (doing = `${side.me}, media of ${whose}: ${name}`);
      what('ICE failed');
      await restarts(side, whose, fail);
      what('the browser is in a network again');
      await restarts(side, whose, () => dispatchEvent(new Event('online')));
      what('the answer got lost');
      await restarts(side, whose, failAndLoseAnswer);
      what('the server forgot');
      await replaced(side, whose);
    }
  }
  const faults = [...operator.faults, ...guest.faults];
  assert(faults.length === 0, `the pages say ${faults.join('; ')}`);
} catch (err) {
  for (const { page } of sides) console.error(await callers.account(page).catch((e) => e.message));
  throw new Error(`${doing}: ${err.message}`, { cause: err });
} finally {
  await chromium.close();
  await firefox.close();
}

// restarts wants what breaks to lead to another ICE session of the connection
// that stands, with media over it.
async function restarts(side, whose, breaks) {
  const before = await side.page.evaluate(known, whose);
  await side.page.evaluate(breaks, whose);
  const after = await settled(side, whose, before.etag);
  assert(after.location === before.location, `the connection was replaced`);
  await flows(side, whose);
}

// replaced wants another connection in place of one that the server gave up.
async function replaced(side, whose) {
  const before = await side.page.evaluate(known, whose);
  await side.page.evaluate(forget, whose);
  await side.page.evaluate(fail, whose);
  const after = await settled(side, whose, before.etag);
  assert(after.location !== before.location, 'the connection was not replaced');
  await flows(side, whose);
}

async function settled(side, whose, etag) {
  await side.page.wait(
    'another ICE session',
    ({ whose, etag }) => {
      const { room } = document.querySelector('rv-call-room');
      const held = whose === room.me.id ? room.camera : room.peers.all.find((p) => p.participant === whose);
      return (
        held?.state === 'connected' &&
        held.connection.etag !== etag &&
        held.connection.pc.iceConnectionState === 'connected' &&
        !document.querySelector('.call-lost')?.textContent.trim()
      );
    },
    { whose, etag },
  );
  return side.page.evaluate(known, whose);
}

async function flows(side, whose) {
  if (whose === side.me) await callers.sees(side.other, whose);
  else await callers.sees(side.page, whose);
}

// The following run in the page.

function known(whose) {
  const { room } = document.querySelector('rv-call-room');
  const held = whose === room.me.id ? room.camera : room.peers.all.find((p) => p.participant === whose);
  // A test that goes by what it has found here finds the same afterwards.
  window.held = held;
  window.failNow = () => {
    const { pc } = held.connection;
    Object.defineProperty(pc, 'connectionState', { get: () => 'failed', configurable: true });
    pc.dispatchEvent(new Event('connectionstatechange'));
    delete pc.connectionState;
  };
  const { etag, location } = held.connection;
  return { etag, location };
}

function fail() {
  window.failNow();
}

function failAndLoseAnswer() {
  const { fetch } = window;
  window.fetch = async (url, init) => {
    const answer = await fetch(url, init);
    if (init?.method !== 'PATCH' || url !== window.held.connection.location) return answer;
    window.fetch = fetch;
    throw new TypeError('lost');
  };
  window.failNow();
}

async function forget() {
  const { location, ticket } = window.held.connection;
  const answer = await fetch(location, { method: 'DELETE', headers: { Authorization: `Bearer ${ticket}` } });
  if (!answer.ok) throw new Error(`DELETE: ${answer.status}`);
}
