package webrtc

import (
	"encoding/binary"
	"io"

	"github.com/reelvault/reelvault/media"
)

// RTCP packet types (RFC 3550, section 12.1; RFC 4585, section 6.1).
const (
	typeSenderReport      = 200
	typeTransportFeedback = 205
	typePayloadFeedback   = 206
)

// senderReportBytes is a sender report without reception reports.
const senderReportBytes = 28

// A reportStream takes the RTCP that concerns one SSRC of a publisher. pion
// writes one RTCP packet at a time, from the RTCP goroutine.
type reportStream struct {
	in   *ingest
	ssrc uint32
}

// Read tells pion that there is nothing to read: Write has taken it.
func (r *reportStream) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (r *reportStream) Close() error { return nil }

// Write takes sender reports of this SSRC; all else is of no use here.
func (r *reportStream) Write(b []byte) (int, error) {
	if len(b) < senderReportBytes || b[1] != typeSenderReport || binary.BigEndian.Uint32(b[4:]) != r.ssrc {
		return len(b), nil
	}
	report := media.Report{
		SSRC: r.ssrc, NTP: binary.BigEndian.Uint64(b[8:]), RTP: binary.BigEndian.Uint32(b[16:]),
		Arrival: r.in.conn.server.config.Now(),
	}
	r.in.report(report)
	return len(b), nil
}

func (in *ingest) report(report media.Report) {
	in.mu.Lock()
	l := in.bySSRC[report.SSRC]
	var track media.Track
	if l != nil {
		l.stats.lastSR, l.stats.srAt = uint32(report.NTP>>16), report.Arrival
		track = l.track
	}
	in.mu.Unlock()
	if l == nil {
		return
	}
	if track != nil {
		track.WriteReport(report)
	}
	for _, w := range l.watching() {
		w.report(report)
	}
}
