package webrtc

// For tests of what a connection shows only in its timing.
var StartsKeyframe = startsKeyframe
