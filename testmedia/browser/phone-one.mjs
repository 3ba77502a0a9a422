// Plays telephone calls in which one side alone is heard, in the pages of a
// running server: what is on one side of the file comes to both ears.
//
//   BROWSER=chromium|firefox node phone-one.mjs SIGNIN_LINK SESSION HERTZ ...
//
// SESSION is the id of an ended session with one call of some seconds, in which
// one side says a tone of so many HERTZ and the other nothing. There may be more.

import { launch } from './browser.mjs';
import { assert } from './checks.mjs';

const [link, ...calls] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER, { 'media.cubeb.force_mock_context': true });
try {
  const page = await browser.page();
  await page.size(1440, 900);
  await page.before(tap);
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  for (let i = 0; i < calls.length; i += 2) {
    await page.go(new URL(`/sessions/${calls[i]}?view=history`, link).href);
    await page.wait('the call', () => document.querySelector('[data-kind=phone][data-state=ready]'));
    await page.click('.player [data-action=play]');
    await heard(page, Number(calls[i + 1]));
  }
  assert(page.faults.length === 0, `the page says ${page.faults.join('; ')}`);
} finally {
  await browser.close();
}

// tap runs in the page before its own script: it listens at each loudspeaker.
function tap() {
  const { connect } = AudioNode.prototype;
  window.ears = [[], []]; // left, right
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode) {
      const splitter = this.context.createChannelSplitter(2);
      connect.call(this, splitter);
      for (const [side, ear] of window.ears.entries()) {
        const analyser = this.context.createAnalyser();
        connect.call(splitter, analyser, side);
        ear.push(analyser);
      }
    }
    return connect.call(this, to, ...more);
  };
}

// heard waits until a tone is as loud in one ear as in the other.
async function heard(page, hertz) {
  await page.wait(
    `${hertz} Hz in both ears`,
    (hertz) => {
      const player = document.querySelector('rv-player');
      if (player.position > player.total - 3) player.seek(0.5);
      if (!player.playing) player.toggle();
      const level = (analyser) => {
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const at = Math.round((hertz * analyser.fftSize) / analyser.context.sampleRate);
        return Math.max(...bins.slice(at - 2, at + 3)); // dB
      };
      const [left, right] = window.ears.map((ear) => Math.max(...ear.map(level)));
      return left > -50 && Math.abs(left - right) < 1;
    },
    hertz,
  );
}
