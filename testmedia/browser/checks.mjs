// What the tests look at besides the page itself.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const run = promisify(execFile);
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// assert fails with a message.
export function assert(ok, message) {
  if (!ok) throw new Error(message);
}

// accessible fails if axe finds anything on the page as it is now.
export async function accessible(page, state) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run();
    return violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  });
  assert(found.length === 0, `axe on ${state}: ${found.join('; ')}`);
}

// probe gives the duration that a file claims, in ms, and the codecs in it.
export async function probe(path) {
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_format', '-show_streams', '-of', 'json', path]);
  const { format, streams } = JSON.parse(stdout);
  return { durationMs: Number(format.duration) * 1000, codecs: streams.map((s) => s.codec_name) };
}

// decodes fails if ffmpeg has anything to say while it decodes the whole file.
// Cameras have no fixed frame rate; vfr keeps ffmpeg from complaining that the
// one it guessed does not fit.
export async function decodes(path) {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', path, '-fps_mode', 'vfr', '-f', 'null', '-'], {
    maxBuffer: 1 << 24,
  });
  assert(stderr === '', `ffmpeg decodes ${path}: ${stderr.slice(0, 1000)}`);
}
