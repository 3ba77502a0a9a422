// The call page by keyboard alone, on a small phone, without the right to make
// a sound, and where the browser has no devices to give, on a running server.
//
//   BROWSER=chromium|firefox OUT_DIR=... node call-keys.mjs URL OTHER_URL
//
// URL is the invitation of an operator, OTHER_URL that of a guest.

import { insecureHost, launch } from './browser.mjs';
import * as callers from './callers.mjs';
import { accessible, assert } from './checks.mjs';

const [url, otherURL] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
const shot = (page, name) => page.shot(`${process.env.OUT_DIR}/${browser.name}-keys-${name.replaceAll(' ', '-')}.png`);
try {
  await insecure();
  const other = await browser.page();
  await other.size(1280, 800);
  await callers.open(other, otherURL);
  await callers.join(other);

  const page = await browser.page();
  await page.before(mute);
  await page.size(1280, 800);
  await callers.open(page, url);
  await reaches(page, ['[data-device=camera]', '[data-device=microphone]', '[data-action=join]']);
  await page.press('Enter');
  await callers.inCall(page);

  await page.wait('the words to tap', () => document.querySelector('[data-action=hear]'));
  await accessible(page, 'a call without the right to make a sound');
  await shot(page, 'hear');
  await reaches(page, ['[data-action=hear]']);
  await page.press('Enter');
  await callers.sees(page, 'other');
  await callers.hears(page, 'other');

  await controls(page);
  await phone(page);
  await small(page);
  await screenRefused(page);
  await reaches(page, ['[data-action=leave]']);
  await page.press(' ');
  await callers.isOver(page, 'left');
  await phoneSized(page, 'left');
  for (const { faults } of [page, other]) assert(faults.length === 0, `the page says ${faults.join('; ')}`);
} finally {
  await browser.close();
}

// mute runs in the page before its own script: nothing is played with its sound
// before somebody has asked for it, as browsers have it.
function mute() {
  let asked = false;
  addEventListener('click', (e) => (asked ||= Boolean(e.target.closest?.('[data-action=hear]'))), true);
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    if (!asked && !this.muted) return Promise.reject(new DOMException('', 'NotAllowedError'));
    return play.call(this);
  };
  addEventListener('play', (e) => asked || e.target.muted || e.target.pause(), true);
}

// reaches presses Tab until each of these has had the focus, in this order, and
// wants to see where it is on the way.
async function reaches(page, selectors) {
  const ways = [];
  for (const wanted of selectors) {
    for (let there = false; !there; ) {
      assert(ways.length < 60, `${wanted} is not reached by Tab, but ${ways.join(', ')}`);
      await page.press('Tab');
      const at = await page.evaluate((wanted) => {
        const { activeElement: now } = document;
        const style = getComputedStyle(now);
        const name = now.dataset.action ?? now.dataset.device ?? (now.id || now.className || now.tagName);
        const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
        return { there: now.matches(wanted), name, seen: seen || now === document.body };
      }, wanted);
      ways.push(at.name);
      assert(at.seen, `${at.name} has the focus, which can't be seen`);
      ({ there } = at);
    }
  }
}

function focused(page, selector) {
  return page.wait(`the focus on ${selector}`, (s) => document.activeElement?.matches(s), selector);
}

// controls goes over the bar, opens what opens and comes back.
async function controls(page) {
  await page.evaluate(() => document.querySelector('h1').focus());
  await reaches(page, ['audio', 'video', 'screen', 'chat', 'devices', 'leave', 'end'].map((a) => `[data-action=${a}]`));
  await reaches(page, ['#call-tab-chat', '#call-message']);

  await page.press('Shift+Tab'); // the log
  await page.press('Shift+Tab');
  await focused(page, '.call-close');
  await page.press('Shift+Tab');
  await focused(page, '#call-tab-chat');
  await page.press('ArrowRight');
  await focused(page, '#call-tab-files[aria-selected=true]');
  await reaches(page, ['#call-pick']);
  const marked = await page.evaluate(() => getComputedStyle(document.querySelector('label[for=call-pick]')).outlineStyle);
  assert(marked !== 'none', 'the choice of files has the focus, which can’t be seen');

  await page.evaluate(() => document.querySelector('[data-action=devices]').focus());
  await page.press('Enter');
  await page.wait('the devices', () => document.querySelector('dialog.call-settings[open]')?.contains(document.activeElement));
  await page.press('Escape');
  await focused(page, '[data-action=devices]');
  await page.evaluate(() => document.querySelector('[data-action=end]').focus());
  await page.press(' ');
  await page.wait('the question', () => document.querySelector('dialog[open] [data-action=confirm]'));
  await page.press('Escape');
  await focused(page, '[data-action=end]');
  await page.evaluate(() => document.querySelector('[data-action=chat]').focus());
  await page.press('Enter');
  await page.wait('no panel', () => !document.querySelector('.call-panel'));
  await focused(page, '[data-action=chat]');
  await page.press(' ');
  await focused(page, '#call-message');
}

// phone looks at the call on a small phone, with and without the panel, which
// Escape closes where it covers the pictures.
async function phone(page) {
  await page.size(360, 640);
  await page.wait('the pictures', () => !document.querySelector('.call-panel'));
  await phoneSized(page, 'call on a phone');
  await page.click('[data-action=chat]');
  await page.wait('the panel', () => document.querySelector('.call-panel'));
  await phoneSized(page, 'chat on a phone');
  await page.press('Escape');
  await page.wait('the pictures', () => !document.querySelector('.call-panel'));
  await focused(page, '[data-action=chat]');
  await page.size(1280, 800);
}

// small wants the panel of a small window to leave the buttons free.
async function small(page) {
  await page.size(800, 600);
  await page.wait('the pictures', () => !document.querySelector('.call-panel'));
  await page.click('[data-action=chat]');
  await page.wait('the panel', () => document.querySelector('.call-panel'));
  await shot(page, 'chat in a small window');
  const covered = await page.evaluate(() => {
    const buttons = [...document.querySelectorAll('.call-bar button')].filter((b) => b.offsetWidth > 0);
    const free = buttons.filter((b) => {
      const { left, top, width, height } = b.getBoundingClientRect();
      return b.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    });
    return buttons.length > 0 ? buttons.length - free.length : -1;
  });
  assert(covered === 0, `${covered} buttons of a call in a small window can't be clicked beside the panel`);
  await page.click('[data-action=chat]');
  await page.wait('no panel', () => !document.querySelector('.call-panel'));
  await page.size(1280, 800);
}

// phoneSized wants everything that can be pressed to be on the screen.
async function phoneSized(page, state) {
  await page.size(360, 640);
  await accessible(page, state);
  await shot(page, state);
  const beyond = await page.evaluate(() => {
    const wide = document.documentElement.scrollWidth > innerWidth ? ['the page'] : [];
    const out = [...document.querySelectorAll('button, textarea')].filter((b) => {
      const { left, right, top, bottom, width } = b.getBoundingClientRect();
      return width > 0 && !b.closest('dialog:not([open])') && (left < 0 || right > innerWidth || top < 0 || bottom > innerHeight);
    });
    return [...wide, ...out.map((b) => b.dataset.action ?? (b.id || b.className))];
  });
  assert(beyond.length === 0, `${state}: ${beyond.join(', ')} reach beyond the screen`);
}

// screenRefused wants words where no screen is given, and none for the next.
async function screenRefused(page) {
  await page.evaluate(() => {
    navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));
  });
  await page.press('Alt+s');
  await page.wait('the words', () => document.querySelector('.call-troubles [role=alert]')?.textContent.includes('No screen'));
  await accessible(page, 'a screen that is refused');
}

// insecure opens the invitation where browsers give no devices, and what is
// remembered is gone.
async function insecure() {
  const page = await browser.page();
  await page.size(360, 640);
  const at = new URL(url);
  at.hostname = insecureHost;
  await callers.open(page, at.href);
  await page.wait('why', () => document.querySelector('.call-lobby [role=alert]')?.textContent.includes('https'));
  await accessible(page, 'a lobby that is not secure');
  await shot(page, 'insecure');
  await page.click('[data-action=join]');
  await page.wait('the way in without', () => document.querySelector('[data-action=join]').textContent.includes('watch and write'));
  await page.click('[data-action=join]');
  await page.wait('the call', () => document.querySelector('.call-bar'));
  await page.close();
}
