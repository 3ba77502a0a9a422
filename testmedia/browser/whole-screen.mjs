// A screen with sound, where a machine has neither.

// screen runs in a page before the page does, and takes the place of the choice
// of a screen: what is chosen moves, and sounds of hertz all the time.
export function screen({ width, height, fps, hertz }) {
  if (!location.protocol.startsWith('http')) return;

  navigator.mediaDevices.getDisplayMedia = async () => {
    const audio = new AudioContext();
    await audio.resume();
    const tone = new OscillatorNode(audio, { frequency: hertz });
    const volume = new GainNode(audio, { gain: 0.5 });
    const out = audio.createMediaStreamDestination();
    tone.connect(volume).connect(out);
    tone.start();
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const pen = canvas.getContext('2d');
    const stream = canvas.captureStream(fps);
    const [picture] = stream.getVideoTracks();
    const [sound] = out.stream.getAudioTracks();
    stream.addTrack(sound);
    let frames = 0;
    const draw = () => {
      if (picture.readyState === 'ended') {
        audio.close();
        return;
      }
      requestAnimationFrame(draw);
      pen.fillStyle = '#124';
      pen.fillRect(0, 0, width, height);
      pen.fillStyle = '#fff';
      pen.fillRect((frames++ * 2) % width, height / 2, 16, 16);
    };
    draw();
    return stream;
  };
}
