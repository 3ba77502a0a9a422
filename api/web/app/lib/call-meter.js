// A voice at normal distance is well below full scale.
const loud = 0.25; // RMS

// Meter measures how loud a microphone is, 0 to 1, for as long as it is open.
export class Meter {
  constructor(track, onLevel) {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    // A clone stays heard while the person is muted: whoever forgot it sees it.
    this.track = track.clone();
    this.track.enabled = true;
    this.context.createMediaStreamSource(new MediaStream([this.track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, v) => sum + v * v, 0) / samples.length;
      onLevel(Math.min(1, Math.sqrt(power) / loud));
    }, 100);
  }

  close() {
    clearInterval(this.timer);
    this.track.stop();
    this.context.close();
  }
}
