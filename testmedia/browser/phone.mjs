// Plays a telephone call in the player, without a server behind it: one stereo
// file, in which each side can be silenced and heard alone.
//
//   BROWSER=chromium|firefox node phone.mjs SIGNIN_LINK
//
// What reaches the loudspeakers is measured: the caller is a tone of 500 Hz on
// the left, the callee one of 1500 Hz on the right.

import { launch } from './browser.mjs';
import { accessible, assert } from './checks.mjs';

const [link] = process.argv.slice(2);
// Firefox keeps the sound of a page without a sound card from running, unless it
// is given one that is not there.
const browser = await launch(process.env.BROWSER, { 'media.cubeb.force_mock_context': true });
try {
  const page = await browser.page();
  await page.before(tap);
  await page.go(link);
  await page.wait('the Sessions page', () => document.querySelector('main.sessions [data-action=new]'));
  await page.evaluate(ring);
  await page.click('.player [data-action=play]');
  await heard(page, 'both sides', [true, true]);
  await accessible(page, 'a player of a call');
  await page.click('[data-mute="phone caller"]');
  await heard(page, 'the callee alone, with the caller muted', [false, true]);
  await page.click('[data-mute="phone caller"]');
  await page.click('.lane-row:has([data-mute="phone caller"]) .solo');
  await heard(page, 'the caller alone', [true, false]);
  await page.evaluate(() => document.querySelector('rv-player').setSpeed(2));
  await heard(page, 'the caller alone, at twice the speed', [true, false]);
  await page.evaluate(() => document.querySelector('rv-player').alone('phone caller'));
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

// ring runs in the page: it puts a player with a call of 60 s into it.
function ring() {
  const [rate, seconds] = [8000, 60];
  const samples = new Int16Array(rate * seconds * 2);
  for (let i = 0; i < rate * seconds; i++) {
    samples[2 * i] = 12_000 * Math.sin((2 * Math.PI * 500 * i) / rate);
    samples[2 * i + 1] = 12_000 * Math.sin((2 * Math.PI * 1500 * i) / rate);
  }
  const head = new DataView(new ArrayBuffer(44));
  const words = (at, text) => [...text].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
  words(0, 'RIFF');
  head.setUint32(4, 36 + samples.byteLength, true);
  words(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 2, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * 4, true);
  head.setUint16(32, 4, true);
  head.setUint16(34, 16, true);
  words(36, 'data');
  head.setUint32(40, samples.byteLength, true);
  const url = URL.createObjectURL(new Blob([head, samples], { type: 'audio/wav' }));

  const player = document.createElement('rv-player');
  const track = (participantId, lane) => ({ id: participantId, fileId: 'call', participantId, lane, media: 'audio', codec: 'pcmu', offsetMs: 0, durationMs: 60_000, gaps: [] });
  const call = {
    id: 'one',
    kind: 'phone',
    state: 'ready',
    startedAt: '2026-05-04T08:00:00.000Z',
    durationMs: 60_000,
    files: [{ id: 'call', offsetMs: 0, durationMs: 60_000, playbackUrl: url }],
    tracks: [track('caller', 1), track('callee', 2)],
  };
  const main = document.querySelector('script[type=module]').src;
  return import(new URL('lib/material.js', main).href).then(({ material }) => {
    Object.assign(player, { session: { id: 'one', live: false }, material: material([call]), activities: [] });
    document.querySelector('main').prepend(player);
  });
}

// heard waits until of the two sides just those can be heard that should be.
async function heard(page, what, sides) {
  await page.wait(
    what,
    (want) => {
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
