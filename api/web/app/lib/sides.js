// Hearing the two sides of a stereo file apart: a call is one file with the
// caller on the left and the callee on the right.

// How far each side is from the middle, of 1, where there are two. One side alone
// is still heard in both ears.
export const apart = 0.5;

// sides takes the sound of a media element over and gives {gain, pan}, two
// AudioParams, a side, left first: how loud that side is, 0 to 1, and how far
// right, -1 to 1. What the element's own volume and mute say still holds. An
// element can be taken over once.
export function sides(context, media) {
  const splitter = context.createChannelSplitter(2);
  context.createMediaElementSource(media).connect(splitter);
  return [0, 1].map((side) => {
    const gain = context.createGain();
    const panner = context.createStereoPanner();
    splitter.connect(gain, side);
    gain.connect(panner).connect(context.destination);
    return { gain: gain.gain, pan: panner.pan };
  });
}
