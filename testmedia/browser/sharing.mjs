// Shares a file from a page of another origin with tus-js-client, as an
// integrator's page does.
//
//   BROWSER=chromium|firefox node sharing.mjs PAGE_URL ENDPOINT TICKET BYTES
//
// The page has /tus.js. It prints a JSON object: sha256 of what was shared, url
// of the upload, requests as [method, status] in their order (status 0: none
// came), and the error that ended it, or an empty string.

import { launch } from './browser.mjs';

const [place, endpoint, ticket, size] = process.argv.slice(2);
const browser = await launch(process.env.BROWSER);
try {
  const page = await browser.page();
  await page.go(place);
  await page.evaluate(share, { endpoint, ticket, size: Number(size) });
  await page.wait('the end of the upload', () => window.shared);
  console.log(JSON.stringify(await page.evaluate(() => window.shared)));
} finally {
  await browser.close();
}

// share runs in the page.
async function share({ endpoint, ticket, size }) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
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
  const upload = new window.tus.Upload(new File([bytes], '../\u202eminutes.pdf', { type: 'text/html' }), {
    endpoint,
    headers: { Authorization: `Bearer ${ticket}` },
    metadata: { filename: '../\u202eminutes č. 7.pdf', filetype: 'text/html' },
    retryDelays: [0, 500, 1000, 2000, 4000, 8000],
    onAfterResponse: (request, answer) => {
      requests.push([request.getMethod(), answer.getStatus()]);
    },
    onShouldRetry: (err) => {
      if (!err.originalResponse) requests.push([err.originalRequest.getMethod(), 0]);
      return true;
    },
    onError: (err) => done(err.message),
    onSuccess: () => done(''),
  });
  upload.start();
}
