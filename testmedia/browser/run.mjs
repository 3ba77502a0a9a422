// Drives the pages of a running server in a real browser: sign in, publish,
// record, watch, pause, end, play, seek, download, delete.
//
//   BASE_URL     http://127.0.0.1:8080
//   SIGNIN_LINK  a one-time link that has not been used
//   OUT_DIR      where screenshots and downloads go
//   BROWSER      chromium or firefox
//
// It prints a line a test and closes with "N passed, M failed"; the exit code
// is 1 if any failed. Tests build on those before them, so the first failure
// ends the run.

import { mkdir } from 'node:fs/promises';
import { launch } from './browser.mjs';
import { playing } from './playing.mjs';
import { publishing } from './publishing.mjs';
import { settling } from './settling.mjs';
import { transcript } from './transcript.mjs';

const need = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return process.env[name];
};

const world = {
  base: need('BASE_URL').replace(/\/$/, ''),
  link: need('SIGNIN_LINK'),
  out: need('OUT_DIR'),
};
await mkdir(world.out, { recursive: true });
world.browser = await launch(need('BROWSER'));
world.shot = (page, name) => page.shot(`${world.out}/${world.browser.name}-${name}.png`);

let passed = 0;
let failed = 0;
try {
  world.page = await world.browser.page();
  await world.page.size(1440, 900);
  for (const [name, test] of [...publishing, ...playing, ...transcript, ...settling]) {
    const start = performance.now();
    try {
      await test(world);
      passed++;
      console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (err) {
      failed++;
      console.log(`FAIL  ${name}: ${err.message}`);
      for (const page of [world.page, world.studio])
        for (const fault of page?.faults ?? []) console.log(`      the page says: ${fault}`);
      await world.shot(world.page, 'failure').catch(() => {});
      if (world.studio) await world.shot(world.studio, 'failure-studio').catch(() => {});
      break;
    }
  }
} finally {
  await world.browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
