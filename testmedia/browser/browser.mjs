// One small interface over playwright-core with Chromium and puppeteer-core
// with Firefox over WebDriver BiDi, so that every test runs in both.

import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

// How long a condition may take to come true.
export const patience = 30_000;

// insecureHost leads to this machine as 127.0.0.1 does, but browsers take it for
// any host of the network: over plain HTTP it is no secure context.
export const insecureHost = 'reelvault.test';

const chromiumArgs = [
  `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`,
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

const firefoxPrefs = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'network.dns.disabled': false,
  'network.dns.localDomains': insecureHost,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9/',
  'browser.download.folderList': 2, // the folder of browser.download.dir
  'browser.download.always_ask_before_handling_new_types': false,
  'browser.download.alwaysOpenPanel': false,
};

// launch starts "chromium" or "firefox", that with more preferences.
export async function launch(name, morePrefs = {}) {
  if (name === 'firefox') {
    const folder = await mkdtemp(join(tmpdir(), 'reelvault-downloads-'));
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      headless: true,
      extraPrefsFirefox: { ...firefoxPrefs, ...morePrefs, 'browser.download.dir': folder },
    });
    const close = async () => {
      await browser.close();
      await rm(folder, { recursive: true });
    };
    return { name, page: async () => firefoxPage(await browser.newPage(), folder), close };
  }
  if (name !== 'chromium') throw new Error(`BROWSER is ${name}, want chromium or firefox`);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: false, // the flag below chooses the new headless mode
    args: chromiumArgs,
  });
  const context = await browser.newContext();
  return { name, page: async () => chromiumPage(await context.newPage()), close: () => browser.close() };
}

function chromiumPage(page) {
  page.setDefaultTimeout(patience);
  return {
    ...common(page),
    wait: (what, fn, arg) => told(what, page, () => page.waitForFunction(fn, arg, { timeout: patience, polling: 100 })),
    size: (width, height) => page.setViewportSize({ width, height }),
    before: (fn) => page.addInitScript(fn),
    press: (key) => told(`press ${key}`, page, () => page.keyboard.press(key)),
    save: async (selector, path) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.locator(selector).click()]);
      await file.saveAs(path);
    },
    dark: (on) => page.emulateMedia({ colorScheme: on ? 'dark' : 'light' }),
    raw: page,
  };
}

function firefoxPage(page, folder) {
  page.setDefaultTimeout(patience);
  return {
    ...common(page),
    wait: (what, fn, arg) => told(what, page, () => page.waitForFunction(fn, { timeout: patience, polling: 100 }, arg)),
    size: (width, height) => page.setViewport({ width, height }),
    before: (fn) => page.evaluateOnNewDocument(fn),
    press: (key) => told(`press ${key}`, page, () => chord(page, key)),
    save: async (selector, path) => {
      const [file] = await Promise.all([arrival(folder), page.locator(selector).click()]);
      await rename(file, path);
    },
    dark: async () => {}, // BiDi has no such command here; Chromium looks at both schemes
    raw: page,
  };
}

// chord presses keys as in Shift+ArrowRight.
async function chord(page, keys) {
  const held = keys.split('+');
  const last = held.pop();
  for (const key of held) await page.keyboard.down(key);
  await page.keyboard.press(last);
  for (const key of held.reverse()) await page.keyboard.up(key);
}

// arrival gives the path of the one file that Firefox puts into its folder. A
// download goes through other names and sizes on its way, so it is there when
// two looks in a row find the same.
async function arrival(folder) {
  const deadline = performance.now() + patience;
  for (let before = ''; performance.now() < deadline; ) {
    const names = await readdir(folder);
    const path = join(folder, names[0] ?? '');
    const size = names.length === 1 && !path.endsWith('.part') ? await stat(path).then((s) => s.size, () => 0) : 0;
    const found = `${path} ${size}`;
    if (size > 0 && found === before) return path;
    before = found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('no file arrived');
}

// A browser shows one page at a time and slows down the others, so whoever is
// looked at or acted on comes to the front first.
let front;

async function toFront(page) {
  if (front === page) return;
  await page.bringToFront();
  front = page;
}

function common(page) {
  const faults = [];
  page.on('pageerror', (err) => faults.push(err.message));
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of 401|Failed to load resource/.test(m.text())) faults.push(m.text());
  });
  return {
    faults, // what the page said went wrong
    go: (url) => page.goto(url),
    reload: () => page.reload(),
    type: (text) => told('type', page, () => page.keyboard.type(text)),
    evaluate: (fn, arg) => page.evaluate(fn, arg),
    click: (selector) => told(`click on ${selector}`, page, () => page.locator(selector).click()),
    fill: (selector, text) => told(`fill ${selector}`, page, () => page.locator(selector).fill(text)),
    shot: (path) => told('screenshot', page, () => page.screenshot({ path })),
    close: () => page.close(),
  };
}

// told acts on a page in front, and says what was tried when it fails.
async function told(what, page, act) {
  try {
    await toFront(page);
    return await act();
  } catch (err) {
    throw new Error(`${what}: ${err.message}`, { cause: err });
  }
}
