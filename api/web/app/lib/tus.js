import { Problem } from './api.js';

// The version of the protocol, https://tus.io/protocols/resumable-upload 1.0.
const version = '1.0.0';

// One request carries at most this much, so that a ticket which is about to
// expire outlives it.
const pieceSize = 8 << 20; // bytes

// Between two tries, in ms: doubled each time.
const shortestWait = 500;
const longestWait = 10_000;

// A request whose bytes stopped flowing is broken, whatever the network says.
const patience = 30_000; // ms

// Where a tab keeps which uploads it has begun, so that they go on after a
// reload. The tab forgets them when it is closed: they tell names of files.
const kept = 'reelvault-upload:';

// Upload sends one file, and goes on where it was after whatever broke. A page
// that is reloaded loses the file, but knows it again when it is given once
// more, and goes on with it. Its
// state is waiting (for its turn or the network), sending, done, failed or
// cancelled; sent is how many bytes the server has, or is being given. Each
// change calls onChange.
//
// authorize gives the secret to show; it is told whether the last one was
// refused, and fails if there is none any more.
export class Upload {
  constructor({ url, file, authorize, onChange }) {
    Object.assign(this, { url: new URL(url, location.origin).href, file, authorize, onChange });
    this.state = 'waiting';
    this.sent = 0;
    this.location = '';
    this.problem = null;
    this.request = null;
    this.wake = () => {};
  }

  // run sends the file. It returns when that is done, failed or cancelled;
  // after a failure it may be called again and goes on.
  async run() {
    let wait = shortestWait;
    let refused = false;
    this.problem = null;
    this.#enter('waiting');
    while (!this.#over()) {
      const before = this.sent;
      try {
        this.secret = await this.authorize(refused);
        refused = false;
        if (await this.#step()) {
          this.#keep('');
          this.#enter('done');
        }
        wait = shortestWait;
      } catch (err) {
        if (this.#over()) return;
        if (final(err, refused)) {
          if (gone(err)) this.#forget();
          this.problem = err;
          this.#enter('failed');
          return;
        }
        refused = err.status === 401;
        this.stale = true;
        this.#enter('waiting');
        if (this.sent > before) wait = shortestWait;
        await this.#rest(wait);
        wait = Math.min(wait * 2, longestWait);
      }
    }
  }

  // pause stops without telling the server, which keeps what it has for a while.
  pause() {
    this.#enter('cancelled');
    this.request?.abort();
    this.wake();
  }

  // cancel gives the file up, here and on the server.
  cancel() {
    if (this.#over()) return;
    this.pause();
    this.#keep('');
    if (this.location) this.#send('DELETE', this.location).catch(() => {}); // else it expires
  }

  #over() {
    return this.state === 'done' || this.state === 'cancelled';
  }

  // #step makes one request. It says whether the file is whole.
  async #step() {
    if (this.location) {
      if (this.stale) await this.#look();
    } else if (!(await this.#resume())) {
      await this.#create();
    }
    if (this.#over() || this.sent >= this.file.size) return this.state !== 'cancelled';
    this.#enter('sending');
    const from = this.sent;
    const piece = this.file.slice(from, from + pieceSize);
    const headers = { 'Upload-Offset': from, 'Content-Type': 'application/offset+octet-stream' };
    this.#reached(await this.#send('PATCH', this.location, { headers, body: piece, from }));
    return this.sent >= this.file.size;
  }

  // #look asks how much the server has.
  async #look() {
    this.#reached(await this.#send('HEAD', this.location));
    this.stale = false;
  }

  // #resume goes on with what the page has begun before it was reloaded. It says
  // whether there is such an upload: the server may have given it up.
  async #resume() {
    this.location = this.#kept();
    if (!this.location) return false;
    try {
      await this.#look();
      return true;
    } catch (err) {
      if (err.status !== 403 && !gone(err)) {
        this.location = '';
        throw err;
      }
      this.#forget();
      return false;
    }
  }

  // #forget begins anew with the next step.
  #forget() {
    this.location = '';
    this.sent = 0;
    this.#keep('');
  }

  // #kept gives where the upload was, or an empty text.
  #kept() {
    try {
      return sessionStorage.getItem(this.#print()) ?? '';
    } catch {
      return '';
    }
  }

  // #keep notes where the upload is, or with an empty text that it is over.
  #keep(location) {
    try {
      if (location) sessionStorage.setItem(this.#print(), location);
      else sessionStorage.removeItem(this.#print());
    } catch {
      // a browser that keeps nothing sends the file from its beginning
    }
  }

  // #print is what tells this file from others, without reading it.
  #print() {
    const { name, size, type, lastModified } = this.file;
    return kept + JSON.stringify([this.url, name, size, type, lastModified]);
  }

  async #create() {
    const headers = {
      'Upload-Length': this.file.size,
      'Upload-Metadata': `filename ${base64(this.file.name)},filetype ${base64(this.file.type)}`,
    };
    const answer = await this.#send('POST', this.url, { headers });
    const location = answer.getResponseHeader('Location');
    if (!location) throw new Problem(502, 'no Location', '');
    this.location = new URL(location, this.url).href;
    this.#keep(this.location);
    if (this.state === 'cancelled') {
      this.#keep('');
      await this.#send('DELETE', this.location);
    }
  }

  // #reached reads how much the server has.
  #reached(answer) {
    const offset = Number.parseInt(answer.getResponseHeader('Upload-Offset') ?? '', 10);
    if (!(offset >= 0 && offset <= this.file.size)) throw new Problem(502, 'no Upload-Offset', '');
    this.#progress(offset);
  }

  #progress(sent) {
    this.sent = sent;
    this.onChange();
  }

  // #send makes a request by XMLHttpRequest, which tells how far the body is
  // gone. It fails with a Problem.
  #send(method, url, { headers = {}, body = null, from = 0 } = {}) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open(method, url);
      const all = { 'Tus-Resumable': version, Authorization: `Bearer ${this.secret}`, ...headers };
      for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
      let timer = 0;
      const flows = () => {
        clearTimeout(timer);
        timer = setTimeout(() => request.abort(), patience);
      };
      request.upload.onprogress = (e) => {
        flows();
        if (body) this.#progress(from + e.loaded);
      };
      request.onloadend = () => {
        clearTimeout(timer);
        if (request.status >= 200 && request.status < 300) done(request);
        else failed(problemIn(request));
      };
      flows();
      request.send(body);
    });
  }

  #rest(ms) {
    return new Promise((rested) => {
      this.wake = () => {
        clearTimeout(timer);
        removeEventListener('online', this.wake);
        rested();
      };
      const timer = setTimeout(this.wake, ms);
      addEventListener('online', this.wake);
    });
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.onChange();
  }
}

// final says whether asking again is pointless. A conflict is about where the
// file goes on, or that a request which broke is not over yet; a first 401 is
// an old ticket.
function final(err, refused) {
  if (err.status === 401) return refused;
  return err.status >= 400 && err.status < 500 && ![408, 409, 423, 429].includes(err.status);
}

// gone says that the server has given an upload up.
function gone(err) {
  return err.status === 404 || err.status === 410;
}

// base64 writes text as Upload-Metadata wants it.
function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

function problemIn(request) {
  let body = {};
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // no problem details; the status has to do
  }
  return new Problem(request.status, body.title ?? request.statusText ?? '', body.detail);
}
