package webrtc

// For tests of what a connection shows only in its timing.
var StartsKeyframe = startsKeyframe

// Overflow offers packets to a watcher whose writer stands still and gives how
// many were taken.
func Overflow(packets int) int {
	e := newEgress(&conn{server: &Server{}})
	taken := 0
	for range packets {
		e.mu.Lock()
		if e.push(outgoing{}) {
			taken++
		}
		e.mu.Unlock()
	}
	return taken
}
