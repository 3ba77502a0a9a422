// Package timeline gives every frame of a file its time: for one sender, with
// a sound and a picture whose clocks know nothing of each other.
//
// # Four clocks
//
// An RTP timestamp counts the ticks of a track's own quartz from a random
// number. Divided by the nominal rate and counted on past 2^32 it is the
// track's media time, mu. It is precise from frame to frame, and says nothing
// about when, nor about the other track. A second clock is the sender's wall
// clock, NTP: now and then a sender report says of an instant what both show,
//
//	s = ntp - mu
//
// The third is ours, on which packets arrive, early or late as the network
// pleases. The fourth is the file's, and it is made of the first:
//
//	t = mu + off - zero
//
// One number per track, off, is all there is to find. The time of a frame is
// never the sum of durations before it, so that nothing adds up over hours.
//
// # Arrival places, reports relate
//
// A packet takes at least as long as the path is, and often longer. Of the
// differences between arrival and mu, only the smallest is therefore worth
// anything: delay = min(arrival - mu). Over the packets that the jitter
// buffer holds at the start it comes within a few milliseconds of the path,
// even if each is 50 ms late at random. If the sender empties a backlog first,
// the smallest belongs to the end of the burst, which is where we want to be:
// the beginning of the burst then lies before the first arrival, as it should.
// So a track's off is at first its delay, and two tracks lie beside each other
// as if their paths were the same.
//
// They aren't: a picture takes longer to encode than a sound. That, only the
// sender knows. Picture and sound of one instant have the same ntp, and so
//
//	mu_v + s_v = mu_a + s_a
//
// and for them to have the same t,
//
//	off_v = off_a + s_v - s_a
//
// Nothing of ours is in it: no arrival, no queue, no wall clock that somebody
// sets. Nor is any absolute ntp, for it falls out of the difference. When the
// sender's clock is set, both s change together; since a report is paired
// with one of the other track that is as fresh, and each is used once, at most
// one pair spans the change, and looks as wild as it is. The first pair is
// believed; from the fourth on each is measured against the line through the
// last twenty (the median of their slopes and of what is left over), must lie
// within 30 ms of it, and three in a row that agree with each other against
// it begin a new one. The slope is the difference of the two quartzes: 200 ppm
// are 1.4 s in a film of two hours, and 0.2 ms a second to be followed.
//
// # Who moves
//
// The sound never does. An ear hears 20 ms of missing sound, but no eye sees
// a picture that is shown half a percent faster. So audio keeps the off that
// it began with, and video is led to where the reports say, by at most 5 ms a
// second. What is known before its first frame applies at once. Without
// reports the smallest delays of both tracks are compared over 20 s instead,
// with less trust: errors below 20 ms are left alone. Without audio the video
// keeps its own clock.
//
// # Senders apart
//
// The parties of a telephone call have a clock each, and nothing ties these
// but our own. With Config.Apart file time is therefore the time of arrival: a
// track's off is its smallest delay, and stays so while its quartz drifts from
// ours. Drift tells how far it has come; the caller, who knows when somebody
// is silent, moves the track then, by Shift. At 100 ppm that is 20 ms every
// 200 s. Reports are believed between the first track and another if both
// bear the same CNAME, and then the other is where they say. Nobody sends
// telephony through a queue of 5 s: a silence of that length whose end is not
// in the timestamps is a clock that stood still, and what comes half a second
// earlier than anything before it is on a clock that has jumped.
//
// # When a clock breaks
//
// Senders restart their counters, count in the wrong unit, or stop them while
// muted. Media time survives that: the clock of a track is a row of eras, each
// with its own origin, and an era begins where the arrival of its first
// packets says (delay = arrival - mu, read backwards). All that was learnt
// stays true but for the few milliseconds of that guess, and the next reports
// mend these. What looks like a break, but is a network that held packets up,
// is told apart by what follows: a queue drains, a stopped clock stays late.
//
// # Use
//
// For each packet Arrive, for each report Report, as they come; then, for each
// frame that leaves the jitter buffer, Place, in decoding order, after Restart
// where the jitter buffer said so. Frame times of a track never fall. Memory
// is bounded whatever is sent. Times of arrival should have a monotonic
// reading; the host's wall clock is then never looked at. A Timeline has no
// lock, goroutine or clock of its own: it belongs to one capture goroutine.
package timeline
