// What two people do on the call page, and what each can see, hear and read of
// the other. Tests put calls together from it.

import { patience } from './browser.mjs';
import { accessible, assert } from './checks.mjs';

// until waits as page.wait does, for what has to be awaited in the page.
async function until(page, what, fn, arg) {
  const end = performance.now() + patience;
  while (!(await page.evaluate(fn, arg))) {
    assert(performance.now() < end, `${what}: did not come`);
    await new Promise((next) => setTimeout(next, 100));
  }
}

// open opens an invitation and waits for the lobby.
export async function open(page, url) {
  await page.go(url);
  await page.wait('the lobby', () => document.querySelector('.call-lobby [data-action=join]'));
}

// join goes from the lobby into the call, with a camera and a microphone.
export async function join(page) {
  await page.click('[data-action=join]');
  await inCall(page);
}

// inCall waits until this side is in the call and its media arrive there.
export async function inCall(page) {
  await page.wait('a connection of its own', () => document.querySelector('.call-self[data-state=connected]'));
}

// sees waits until pictures of somebody are decoded, one after the other.
export async function sees(page, participant, source = 'camera') {
  const before = await received(page, participant, source);
  const what = { participant, source, frames: before.frames + 10 };
  await until(
    page,
    `pictures of ${participant} (${source})`,
    async ({ participant, source, frames }) => {
      const peer = document
        .querySelector('rv-call-room')
        ?.room.peers.all.find((p) => p.participant === participant && p.source === source);
      const video = [...document.querySelectorAll('video[data-peer]')].find((v) => v.dataset.peer === peer?.key);
      if (!peer?.connection || !(video?.videoWidth > 0) || video.paused) return false;
      const stats = [...(await peer.connection.pc.getStats()).values()];
      return stats.some((s) => s.type === 'inbound-rtp' && s.kind === 'video' && s.framesDecoded >= frames);
    },
    what,
  );
}

// received gives how many pictures of somebody have been decoded so far.
export function received(page, participant, source = 'camera') {
  return page.evaluate(
    async ({ participant, source }) => {
      const peer = document
        .querySelector('rv-call-room')
        ?.room.peers.all.find((p) => p.participant === participant && p.source === source);
      const stats = peer?.connection ? [...(await peer.connection.pc.getStats()).values()] : [];
      return {
        connection: peer?.connection?.location ?? '',
        frames: stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'video')?.framesDecoded ?? 0,
      };
    },
    { participant, source },
  );
}

// hears waits until sound of somebody is decoded and played, or with loud false
// until there is none for a while.
export async function hears(page, participant, loud = true, source = 'camera') {
  await until(
    page,
    `${loud ? 'sound' : 'silence'} of ${participant} (${source})`,
    async ({ participant, loud, source }) => {
      const peer = document
        .querySelector('rv-call-room')
        ?.room.peers.all.find((p) => p.participant === participant && p.source === source);
      const video = [...document.querySelectorAll('video[data-peer]')].find((v) => v.dataset.peer === peer?.key);
      if (!peer?.connection || !video || video.muted || video.paused) return false;
      const energy = async () => {
        const stats = [...(await peer.connection.pc.getStats()).values()];
        return stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio')?.totalAudioEnergy;
      };
      const before = await energy();
      await new Promise((next) => setTimeout(next, 1500)); // the microphone of Chromium beeps once a second
      const more = (await energy()) - before;
      return loud ? more > 1e-4 : more < 1e-6;
    },
    { participant, loud, source },
  );
}

// says writes a message of some lines and sends it by the keyboard.
export async function says(page, ...lines) {
  await panel(page, 'chat');
  await page.click('#call-message');
  for (const [i, line] of lines.entries()) {
    if (i > 0) await page.press('Shift+Enter');
    await page.type(line);
  }
  await page.press('Enter');
}

// reads waits for a message, in the words of the page, that is no more on its way.
export async function reads(page, text) {
  await panel(page, 'chat');
  await page.wait(
    `the message ${text}`,
    (text) =>
      [...document.querySelectorAll('.call-said:not(.pending) .call-text')].some((p) => p.textContent.trim() === text),
    text,
  );
}

// panel shows a tab beside the pictures.
export async function panel(page, tab) {
  if (!(await page.evaluate(() => Boolean(document.querySelector('.call-panel'))))) {
    await page.click('[data-action=chat]');
  }
  await page.click(`#call-tab-${tab}`);
}

// shares picks a file of some bytes that count up, as the picker would give it.
export async function shares(page, name, size) {
  await panel(page, 'files');
  await page.evaluate(
    ({ name, size }) => {
      const bytes = new Uint8Array(size).map((_, i) => i % 251);
      const given = new DataTransfer();
      given.items.add(new File([bytes], name));
      const picker = document.querySelector('#call-pick');
      picker.files = given.files;
      picker.dispatchEvent(new Event('change'));
    },
    { name, size },
  );
}

// offered waits for a file that can be downloaded.
export async function offered(page, name) {
  await panel(page, 'files');
  await page.wait(
    `the file ${name}`,
    (name) => [...document.querySelectorAll('.call-file')].some((f) => f.textContent.includes(name)),
    name,
  );
}

// goesBack reloads the page, which is in the call again with one tap at most.
export async function goesBack(page) {
  await page.reload();
  await page.wait('the lobby or the call', () => document.querySelector('.call-lobby [data-action=join], .call-bar'));
  if (await page.evaluate(() => Boolean(document.querySelector('[data-action=join]')))) {
    await page.click('[data-action=join]');
  }
  await inCall(page);
}

// isOver waits for the last page, which says why.
export async function isOver(page, why) {
  await page.wait(`the end: ${why}`, (why) => document.querySelector('.call-end')?.dataset.why === why, why);
}

// looks checks a state of the page as people with and without a mouse, on a
// desk and on a phone, by day and by night have it, and takes pictures of it.
export async function looks(page, state, shot) {
  await accessible(page, state);
  await shot(page, state);
  await page.dark(true);
  await accessible(page, `${state}, dark`);
  await shot(page, `${state}-dark`);
  await page.dark(false);
  await page.size(390, 844);
  await accessible(page, `${state} on a phone`);
  await shot(page, `${state}-phone`);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(beyond <= 0, `${state} on a phone is ${beyond} px too wide`);
  await page.size(1280, 800);
}

// account gives what a page knows of its connections, for messages.
export function account(page) {
  return page.evaluate(async () => {
    const room = document.querySelector('rv-call-room')?.room;
    if (!room) return 'not in the call';
    const lines = [`sends: ${room.camera.state}, screen ${room.share.state}; events: ${room.online}`];
    for (const { key, state, connection, moves } of room.peers.all) {
      const stats = connection ? [...(await connection.pc.getStats()).values()] : [];
      const inbound = stats
        .filter((s) => s.type === 'inbound-rtp')
        .map((s) => `${s.kind} ${s.packetsReceived} packets ${s.framesDecoded ?? ''}`);
      const video = [...document.querySelectorAll('video[data-peer]')].find((v) => v.dataset.peer === key);
      lines.push(
        `${key}: ${state}, ${connection?.pc.connectionState}, moves ${moves}, ${inbound}, paused ${video?.paused}, ${video?.videoWidth} px`,
      );
    }
    return lines.join('; ');
  });
}
