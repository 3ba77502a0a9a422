// A camera and a microphone whose pictures and sound can be found again in
// recordings: a beep of 1 kHz and a white frame begin together each second, but
// not each tenth, so that nothing can be a second off unseen.

// marks runs in a page before the page does, and takes the place of the devices.
// It keeps when it made each mark, [beep, flash] in ms of the wall clock, in the
// session storage, which outlives a reload. A flash that came too late for its
// beep is none: 0.
//
// The beeps are those of a sound that is played, and the flashes follow its clock.
// It is played by an audio graph, or by an element where graphs stand still:
// Firefox has none on a machine without a sound card.
//
// Browsers date sound later than pictures, for their reports count from when a
// packet of 20 ms is complete and sent. By the reports a beep comes 10 to 40 ms
// after a picture that was made with it (measured: Chromium 11 and 42 ms, Firefox
// 38). So flashes are made later, by soundDelay in ms, and a mark is then.
export function marks({ width, height, fps, key, soundDelay }) {
  if (!location.protocol.startsWith('http')) return; // the empty page has no storage

  const round = 10; // s, after which the sound repeats itself
  const rounds = 60;
  const rate = 8000;
  const patience = 2000; // ms for an audio graph to begin
  const beepLength = 0.06; // s
  const flashFrames = 2;
  const latest = 200; // ms that a flash may be late
  const span = 1000; // ms over which clocks are compared

  const made = JSON.parse(sessionStorage.getItem(key) ?? '[]');
  const wall = () => performance.timeOrigin + performance.now();
  const pictures = []; // what hands on frames of the canvas
  let canvas;
  let sound; // {track, now}: now gives the place in the sound, in s
  let lags = []; // {at, lag}: of the sound behind the wall clock
  let last = 0; // second of the sound that has begun
  let frames = 0;
  let due = 0; // when the next frame is, on the wall clock
  let white = 0;

  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await begin();
    const stream = new MediaStream();
    if (wanted.video) stream.addTrack(picture());
    if (wanted.audio) stream.addTrack(sound.track.clone()); // what is handed out may be stopped
    return stream;
  };

  async function begin() {
    if (canvas) return;
    canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.pen = canvas.getContext('2d');
    sound = (await graph()) ?? (await element());
    tick();
  }

  async function graph() {
    const audio = new AudioContext();
    await Promise.race([audio.resume(), new Promise((next) => setTimeout(next, patience))]);
    if (audio.state !== 'running') return null;
    const buffer = await audio.decodeAudioData(await beeps(1).arrayBuffer());
    const source = new AudioBufferSourceNode(audio, { buffer, loop: true });
    const out = audio.createMediaStreamDestination();
    source.connect(out);
    const start = audio.currentTime + 0.1;
    source.start(start);
    return { track: out.stream.getAudioTracks()[0], now: () => audio.currentTime - start };
  }

  async function element() {
    const player = new Audio(URL.createObjectURL(beeps(rounds)));
    await player.play();
    return { track: player.mozCaptureStream().getAudioTracks()[0], now: () => player.currentTime };
  }

  // beeps gives a WAV file of 8 bits a sample.
  function beeps(times) {
    const samples = new Uint8Array(times * round * rate).fill(128);
    for (let second = 0; second < times * round; second++) {
      if (second % round === 0) continue;
      for (let i = 0; i < beepLength * rate; i++)
        samples[second * rate + i] += Math.round(80 * Math.sin((2 * Math.PI * 1000 * i) / rate));
    }
    const head = new DataView(new ArrayBuffer(44));
    const words = (at, text) => [...text].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
    words(0, 'RIFF');
    head.setUint32(4, 36 + samples.length, true);
    words(8, 'WAVEfmt ');
    head.setUint32(16, 16, true);
    head.setUint16(20, 1, true); // PCM
    head.setUint16(22, 1, true); // channel
    head.setUint32(24, rate, true);
    head.setUint32(28, rate, true);
    head.setUint16(32, 1, true);
    head.setUint16(34, 8, true);
    words(36, 'data');
    head.setUint32(40, samples.length, true);
    return new Blob([head, samples], { type: 'audio/wav' });
  }

  function picture() {
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    pictures.push(track.requestFrame ? track : stream); // Firefox has it there
    return track;
  }

  // tick comes with each refresh of the page, when a canvas hands on its picture.
  function tick() {
    requestAnimationFrame(tick);
    const now = wall();
    lags = [...lags.filter(({ at }) => at > now - span), { at: now, lag: now - sound.now() * 1000 }];
    const lag = Math.min(...lags.map((l) => l.lag)) + soundDelay; // the sound goes on in steps
    const before = last;
    while ((last + 1) * 1000 <= now - lag) mark(++last, lag, now);
    if (last === before && now < due) return;
    due = now + 1000 / fps - 5; // refreshes come every 17 ms
    draw();
  }

  function mark(second, lag, now) {
    if (second % round === 0) return;
    const beep = second * 1000 + lag;
    const inTime = now - beep < latest;
    if (inTime) white = flashFrames;
    made.push([beep, inTime ? now : 0]);
    sessionStorage.setItem(key, JSON.stringify(made));
  }

  // draw draws no two pictures in a row that are the same.
  function draw() {
    const { pen } = canvas;
    pen.fillStyle = white-- > 0 ? '#fff' : '#123';
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = '#678';
    pen.fillRect((frames++ * 8) % width, height / 2, 8, 8);
    for (const picture of pictures) picture.requestFrame();
  }
}

// made gives the marks that a page has made, over its reloads.
export function made(page, key) {
  return page.evaluate((key) => JSON.parse(sessionStorage.getItem(key) ?? '[]'), key);
}
