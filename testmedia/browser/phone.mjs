// Plays a telephone call in the pages of a running server: one stereo file, in
// which each side can be silenced and heard alone.
//
//   BROWSER=chromium|firefox OUT_DIR=... node phone.mjs SIGNIN_LINK SESSION
//
// SESSION is the id of an ended session with one call of some seconds: the
// caller, on the left, is a tone of 500 Hz, the callee one of 1500 Hz. What
// reaches the loudspeakers is measured.

import { launch } from './browser.mjs';
import { accessible, assert } from './checks.mjs';

const [link, session] = process.argv.slice(2);
// Firefox keeps the sound of a page without a sound card from running, unless it
// is given one that is not there.
const browser = await launch(process.env.BROWSER, { 'media.cubeb.force_mock_context': true });
try {
  const page = await browser.page();
  await page.size(1440, 900);
  await page.before(tap);
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  await page.go(new URL(`/sessions/${session}?view=history`, link).href);
  await page.wait('the call', () => document.querySelector('[data-kind=phone][data-state=ready]'));
  await page.click('.player [data-action=play]');
  await heard(page, 'both sides', [true, true]);
  await accessible(page, 'a player of a call');
  await page.shot(`${process.env.OUT_DIR}/${browser.name}-phone.png`);

  const [caller, callee] = await page.evaluate(() =>
    [1, 2].map((lane) => document.querySelector('rv-player').material.files[0].voices.find((v) => v.lane === lane).key),
  );
  const row = (voice) => `.lane-row:has([data-mute="${voice}"])`;
  const names = await page.evaluate((rows) => rows.map((r) => document.querySelector(`${r} b`).textContent), [
    row(caller),
    row(callee),
  ]);
  assert(names[0] === 'Caller' && names[1] === 'Callee', `the sides are ${names}`);
  await page.click(`[data-mute="${caller}"]`);
  await heard(page, 'the callee alone, with the caller muted', [false, true]);
  await page.click(`[data-mute="${caller}"]`);
  await page.click(`${row(caller)} .solo`);
  await heard(page, 'the caller alone', [true, false]);
  await page.evaluate(() => document.querySelector('rv-player').setSpeed(2));
  await heard(page, 'the caller alone, at twice the speed', [true, false]);
  await page.click(`${row(caller)} .solo`);
  await heard(page, 'both sides again', [true, true]);
  assert(page.faults.length === 0, `the page says ${page.faults.join('; ')}`);
} finally {
  await browser.close();
}

// tap runs in the page before its own script: it listens at the loudspeakers.
function tap() {
  const { connect } = AudioNode.prototype;
  window.taps = [];
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) {
      const analyser = this.context.createAnalyser();
      connect.call(this, analyser);
      window.taps.push(analyser);
    }
    return connect.call(this, to, ...more);
  };
}

// heard waits until of the two sides just those can be heard that should be. A
// short call is played over and over.
async function heard(page, what, sides) {
  await page.wait(
    what,
    (want) => {
      const player = document.querySelector('rv-player');
      if (player.position > player.total - 3) player.seek(0.5);
      if (!player.playing) player.toggle();
      if (window.taps.length !== 2) return false;
      const level = (analyser, hertz) => {
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const at = Math.round((hertz * analyser.fftSize) / analyser.context.sampleRate);
        return Math.max(...bins.slice(at - 2, at + 3)); // dB
      };
      // In each tap its own tone or nothing, and never that of the other.
      return [500, 1500].every((hertz, i) => {
        const own = level(window.taps[i], hertz);
        const other = level(window.taps[i], 2000 - hertz);
        return want[i] ? own > -50 && other < own - 30 : own < -80;
      });
    },
    sides,
  );
}
