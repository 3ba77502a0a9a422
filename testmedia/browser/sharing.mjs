// Shares a file, and with a reload shares it again after the page was reloaded
// in the middle, as somebody does who is asked for it once more.
//
//   BROWSER=chromium|firefox node sharing.mjs CLIENT PAGE_URL ENDPOINT TICKET BYTES [reload]
//
// CLIENT is foreign: tus-js-client on a page of another origin, which has
// /tus.js, as an integrator's page does; or own: what the call page uses, on
// that page. It prints a JSON object: sha256 of what was shared, url of the
// upload, requests as [method, status] in their order (status 0: none came;
// of the foreign client only, and after the reload only), and the error that
// ended it, or an empty string.

import { launch } from './browser.mjs';

const [client, place, endpoint, ticket, size, reload] = process.argv.slice(2);
const share = { foreign: shareForeign, own: shareOwn }[client];
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(place);
  const file = { endpoint, ticket, size: Number(size), seed: Date.now() };
  await page.evaluate(share, { ...file, pieces: Boolean(reload) });
  if (reload) {
    // Some of it is there, and most of it not.
    await page.wait('the first pieces', () => window.sent >= 8 << 20 || window.shared);
    await page.reload();
    await page.evaluate(share, { ...file, pieces: true, again: true });
  }
  await page.wait('the end of the upload', () => window.shared);
  console.log(JSON.stringify(await page.evaluate(() => window.shared)));
} finally {
  await browser.close();
}

// shareForeign runs in the page. The bytes follow from the seed: a page can't
// keep them over a reload, and has to be given the same again.
async function shareForeign({ endpoint, ticket, size, seed, pieces, again }) {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0, x = seed >>> 0 || 1; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  const bytes = new Uint8Array(words.buffer, 0, size);
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const sha256 = Array.from(sum, (b) => b.toString(16).padStart(2, '0')).join('');
  const requests = [];
  const done = (error) => {
    window.shared = { sha256, url: upload.url, requests, error };
  };
  await new Promise((loaded, failed) => {
    const script = Object.assign(document.createElement('script'), { src: '/tus.js', onload: loaded, onerror: failed });
    document.head.append(script);
  });
  const file = new File([bytes], '../\u202eminutes.pdf', { type: 'text/html', lastModified: seed });
  const upload = new window.tus.Upload(file, {
    endpoint,
    headers: { Authorization: `Bearer ${ticket}` },
    metadata: { filename: '../\u202eminutes č. 7.pdf', filetype: 'text/html' },
    retryDelays: [0, 500, 1000, 2000, 4000, 8000],
    ...(pieces ? { chunkSize: 4 << 20 } : {}),
    // So that a page that is to be reloaded is not through before.
    onBeforeRequest: () => (pieces && !again && window.sent >= 24 << 20 ? new Promise(() => {}) : undefined),
    onAfterResponse: (request, answer) => {
      requests.push([request.getMethod(), answer.getStatus()]);
    },
    onShouldRetry: (err) => {
      if (!err.originalResponse) requests.push([err.originalRequest.getMethod(), 0]);
      return true;
    },
    onChunkComplete: (_, sent) => {
      window.sent = sent;
    },
    onError: (err) => done(err.message),
    onSuccess: () => done(''),
  });
  if (again) upload.resumeFromPreviousUpload((await upload.findPreviousUploads())[0]);
  upload.start();
}

// shareOwn runs in a page of ours.
async function shareOwn({ endpoint, ticket, size, seed, pieces, again }) {
  const bytes = new Uint8Array(size).map((_, i) => (i * i + seed) % 251);
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const sha256 = Array.from(sum, (b) => b.toString(16).padStart(2, '0')).join('');
  const main = document.querySelector('script[type=module]').src;
  const { Upload } = await import(new URL('lib/tus.js', main));
  const upload = new Upload({
    url: endpoint,
    file: new File([bytes], '../\u202eminutes č. 7.pdf', { type: 'text/html', lastModified: seed }),
    authorize: async () => {
      if (pieces && !again && window.sent >= 24 << 20) await new Promise(() => {});
      return ticket;
    },
    onChange: () => {
      window.sent = upload.location ? upload.sent : 0;
    },
  });
  upload.run().then(() => {
    const error = upload.state === 'done' ? '' : String(upload.problem);
    window.shared = { sha256, url: upload.location, requests: [], error };
  });
}
