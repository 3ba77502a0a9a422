// One small interface over playwright-core with Chromium and puppeteer-core
// with Firefox over WebDriver BiDi, so that every test runs in both.

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

// How long a condition may take to come true.
export const patience = 30_000;

const chromiumArgs = [
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
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9/',
};

// launch starts "chromium" or "firefox".
export async function launch(name) {
  if (name === 'firefox') {
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      headless: true,
      extraPrefsFirefox: firefoxPrefs,
    });
    return { name, page: async () => firefoxPage(await browser.newPage()), close: () => browser.close() };
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
    wait: (what, fn, arg) => told(what, page.waitForFunction(fn, arg, { timeout: patience, polling: 100 })),
    size: (width, height) => page.setViewportSize({ width, height }),
    dark: (on) => page.emulateMedia({ colorScheme: on ? 'dark' : 'light' }),
    raw: page,
  };
}

function firefoxPage(page) {
  page.setDefaultTimeout(patience);
  return {
    ...common(page),
    wait: (what, fn, arg) => told(what, page.waitForFunction(fn, { timeout: patience, polling: 100 }, arg)),
    size: (width, height) => page.setViewport({ width, height }),
    dark: async () => {}, // BiDi has no such command here; Chromium looks at both schemes
    raw: page,
  };
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
    evaluate: (fn, arg) => page.evaluate(fn, arg),
    click: (selector) => told(`click on ${selector}`, page.locator(selector).click()),
    fill: (selector, text) => told(`fill ${selector}`, page.locator(selector).fill(text)),
    press: (key) => page.keyboard.press(key),
    shot: (path) => page.screenshot({ path }),
    close: () => page.close(),
  };
}

// told says what was waited for when it does not come.
async function told(what, promise) {
  try {
    return await promise;
  } catch (err) {
    throw new Error(`${what}: ${err.message}`, { cause: err });
  }
}
