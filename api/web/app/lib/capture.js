import { t } from './text.js';

// captureDevices takes the chosen camera and microphone: a device id, "" for
// the browser's default, "none" to go without.
export function captureDevices({ camera = '', microphone = '' }) {
  const of = (id, more) => id !== 'none' && { ...more, ...(id ? { deviceId: { exact: id } } : {}) };
  return media().getUserMedia({
    video: of(camera, { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }),
    audio: of(microphone, { echoCancellation: true, noiseSuppression: true }),
  });
}

// captureScreen lets the person choose a screen, window or tab.
export async function captureScreen() {
  return media().getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
}

// Outside of secure contexts browsers do not even have the interface.
function media() {
  if (!navigator.mediaDevices) throw new DOMException('', 'SecurityError');
  return navigator.mediaDevices;
}

// devices lists what there is. Labels are there once access was granted.
export async function devices() {
  const all = await media().enumerateDevices();
  return {
    cameras: all.filter((d) => d.kind === 'videoinput'),
    microphones: all.filter((d) => d.kind === 'audioinput'),
    speakers: all.filter((d) => d.kind === 'audiooutput'),
  };
}

// stopStream lets go of the devices.
export function stopStream(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

// troubleWith says in words why there is no picture. what is "devices" or
// "screen".
export function troubleWith(err, what) {
  const known = {
    NotAllowedError: what === 'screen' ? 'capture.screenRefused' : 'capture.devicesRefused',
    NotFoundError: 'capture.none',
    NotReadableError: 'capture.busy',
    OverconstrainedError: 'capture.gone',
    TypeError: 'capture.nothing',
    SecurityError: 'capture.insecure',
  }[err.name];
  return known ? t(known) : t('error', { message: err.message || err.name });
}
