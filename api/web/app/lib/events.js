// Server-sent events by fetch: EventSource can send no Authorization header,
// and does not say why it was refused.

import { onNetwork, onNotice, retryAfter } from './network.js';

// A connection that was silent for so long is taken for dead, in ms. The server
// sends a comment more often.
const silence = 60_000;

// Waits between attempts double from the first to the longest, in ms.
const firstWait = 1_000;
const longestWait = 30_000;

// events reads the stream at url and goes on where it broke off, for ever or
// until the server refuses it for good. headers gives the headers of each
// attempt, and is told whether the last one was answered with 401, since a
// ticket may have to be renewed. since is the id after which to begin. heard is
// called with each {id, type, data}, and state with "connected", "lost" or
// "refused". The returned handle has stop().
export function events({ url, headers = async () => ({}), since = '', heard, state = () => {} }) {
  const over = new AbortController();
  let last = String(since);
  let wait = firstWait;

  async function read(refused) {
    const mine = new AbortController();
    const end = () => mine.abort();
    let timer = setTimeout(end, silence);
    over.signal.addEventListener('abort', end);
    const offNetwork = onNetwork(end); // what came by another network comes no more
    const offNotice = onNotice(end);
    try {
      const init = { signal: mine.signal, cache: 'no-store', headers: { Accept: 'text/event-stream', ...(await headers(refused)) } };
      if (last) init.headers['Last-Event-ID'] = last;
      const answer = await fetch(url, init);
      if (!answer.ok) return answer.status;
      wait = firstWait;
      state('connected');
      const parse = parser((event) => {
        last = event.id;
        heard(event);
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 0;
        clearTimeout(timer);
        timer = setTimeout(end, silence);
        parse(value);
      }
    } catch {
      return 0; // the network broke, or the server fell silent
    } finally {
      clearTimeout(timer);
      offNetwork();
      offNotice();
      over.signal.removeEventListener('abort', end);
      mine.abort(); // ends a body that is no more read
    }
  }

  async function run() {
    let status = 0;
    while (!over.signal.aborted) {
      const refused = status === 401;
      status = await read(refused);
      if (over.signal.aborted) return;
      if ([403, 404].includes(status) || (status === 401 && refused)) return state('refused');
      if (status === 401) continue;
      state('lost');
      await pause(wait * (0.5 + Math.random() / 2), over.signal);
      wait = Math.min(wait * 2, longestWait);
    }
  }
  run();
  return { stop: () => over.abort() };
}

// pause waits for ms, or until the browser is back in a network, or the signal.
function pause(ms, signal) {
  return new Promise((done) => {
    const prevent = retryAfter(ms, go);
    function go() {
      prevent();
      signal.removeEventListener('abort', go);
      done();
    }
    signal.addEventListener('abort', go);
  });
}

// parser gives a function that takes the text of a stream piece by piece and
// calls heard for each event in it (WHATWG HTML, section 9.2.6).
export function parser(heard) {
  let rest = '';
  let id = '';
  let type = 'message';
  let data = [];
  const field = (line) => {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === 'id') id = value;
    if (name === 'event') type = value;
    if (name === 'data') data.push(value);
  };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line !== '') {
        field(line);
        continue;
      }
      if (data.length > 0) heard({ id, type, data: data.join('\n') });
      type = 'message';
      data = [];
    }
  };
}
