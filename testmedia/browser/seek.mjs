// Seeks in a media file in a real browser, and tells which picture is shown.
//
//   BROWSER=chromium|firefox node seek.mjs PAGE_URL MEDIA_URL TIMES
//
// The page has a video element and is of the media's origin; TIMES is a JSON
// array, in s. It prints a JSON array of {at, currentTime, mediaTime, level}:
// the time sought, the element's, the one of the picture that came with the
// seek, and how bright that is, 0 to 255.

import { launch } from './browser.mjs';

const [place, media, times] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(place);
  await page.evaluate((url) => {
    document.querySelector('video').src = url;
  }, media);
  await page.wait('a picture', () => {
    const video = document.querySelector('video');
    return video.readyState >= 2 && video.videoWidth > 0; // without a decoder there is sound alone
  });
  console.log(JSON.stringify(await page.evaluate(seekAll, JSON.parse(times))));
} finally {
  await browser.close();
}

// seekAll runs in the page.
async function seekAll(all) {
  const video = document.querySelector('video');
  const pen = new OffscreenCanvas(16, 16).getContext('2d', { willReadFrequently: true });
  const found = [];
  for (const at of all) {
    const picture = new Promise((done) => video.requestVideoFrameCallback((_, frame) => done(frame.mediaTime)));
    const sought = new Promise((done) => video.addEventListener('seeked', done, { once: true }));
    video.currentTime = at;
    const [mediaTime] = await Promise.all([picture, sought]);
    pen.drawImage(video, 0, 0, 16, 16);
    const { data } = pen.getImageData(0, 0, 16, 16);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
    found.push({ at, currentTime: video.currentTime, mediaTime, level: sum / (16 * 16 * 3) });
  }
  return found;
}
