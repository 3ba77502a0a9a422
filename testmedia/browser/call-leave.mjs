// What is left of a call in a page that was left: nothing. Two operators in one
// browser, on the call page of a running server.
//
//   BROWSER=chromium|firefox node call-leave.mjs URL OTHER_URL

import { launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { assert } from './checks.mjs';

const [url, otherURL] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const other = await browser.page();
  await other.size(1280, 800);
  await callers.open(other, otherURL);
  await callers.join(other);

  const page = await browser.page();
  await page.before(watch);
  await callers.open(page, url);
  await callers.join(page);
  await callers.sees(page, 'other');
  // The browser still asks which screen to share when the call is left.
  await page.click('[data-action=screen]');
  await page.wait('the question', () => window.choose);
  await page.click('[data-action=leave]');
  await callers.isOver(page, 'left');
  await page.evaluate(() => window.choose());
  await page.wait('everything captured to be let go of', () => {
    const tracks = window.captured.flatMap((stream) => stream.getTracks());
    return window.captured.length > 1 && tracks.every((track) => track.readyState === 'ended');
  });
  const open = await page.evaluate(() => ({
    timers: [...window.timers.values()].filter((ms) => ms > 1000),
    connections: window.connections.filter((pc) => pc.connectionState !== 'closed').length,
  }));
  assert(open.timers.length === 0, `timers still run, of ${open.timers} ms`);
  assert(open.connections === 0, `${open.connections} connections are open`);

  // Nobody waits for the one who said goodbye, as for one whose page is loaded anew.
  await page.wait('the answer to the goodbye', () => window.goodbye === 204);
  await other.wait('that somebody left', () => document.querySelector('.call-event[data-type=Left]'));
  for (const { faults } of [page, other]) assert(faults.length === 0, `the page says ${faults.join('; ')}`);
} finally {
  await browser.close();
}

// watch runs in the page before its own script: it keeps what the page opens.
function watch() {
  window.captured = [];
  window.connections = [];
  window.timers = new Map();
  const { setTimeout, clearTimeout, fetch, RTCPeerConnection, navigator } = window;
  window.fetch = async (url, init) => {
    const answer = await fetch(url, init);
    if (String(url).endsWith('/leave')) window.goodbye = answer.status;
    return answer;
  };
  window.setTimeout = (act, ms, ...more) => {
    const timer = setTimeout(
      (...args) => {
        window.timers.delete(timer);
        act(...args);
      },
      ms,
      ...more,
    );
    window.timers.set(timer, ms);
    return timer;
  };
  window.clearTimeout = (timer) => {
    window.timers.delete(timer);
    clearTimeout(timer);
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      window.connections.push(this);
    }
  };
  const devices = navigator.mediaDevices;
  if (!devices) return; // the empty page before the first
  const take = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const stream = await take(wanted);
    window.captured.push(stream);
    return stream;
  };
  devices.getDisplayMedia = () =>
    new Promise((done) => {
      window.choose = () => {
        const stream = document.createElement('canvas').captureStream();
        window.captured.push(stream);
        done(stream);
      };
    });
}
