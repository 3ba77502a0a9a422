package webrtc_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reelvault/reelvault/media/webrtc"
)

// packetsOf reads packets that are framed by their length in two bytes, as the
// captures are. What is too short for a fixed header never comes from pion.
func packetsOf(b []byte) [][]byte {
	const fixedHeader = 12
	var packets [][]byte
	for len(b) >= 2 {
		size := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		if size >= fixedHeader {
			packets = append(packets, b[2:2+size])
		}
		b = b[2+size:]
	}
	return packets
}

// Whatever a publisher sends under its keys, each payload that is delivered is
// of a packet that came, and no packet is delivered twice or counted twice.
// Retransmissions come out as what they repeat.
func FuzzIngest(f *testing.F) {
	sent := captured(f, "chromium-vp8")
	format, repair := sent[0].PayloadType, sent[0].PayloadType+1
	offer := offerOf(section("video", "1", fmt.Sprint(format, " ", repair),
		fmt.Sprintf("a=rtpmap:%d VP8/90000", format), fmt.Sprintf("a=rtcp-fb:%d nack", format),
		fmt.Sprintf("a=rtpmap:%d rtx/90000", repair), fmt.Sprintf("a=fmtp:%d apt=%d", repair, format),
		fmt.Sprintf("a=ssrc-group:FID %d %d", sent[0].SSRC, sent[0].SSRC+1),
		fmt.Sprintf("a=ssrc:%d cname:x", sent[0].SSRC), fmt.Sprintf("a=ssrc:%d cname:x", sent[0].SSRC+1),
		"a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid"))
	// Of a browser's packets every second one comes as its retransmission.
	var stream []byte
	for i, p := range sent[:20] {
		if i%2 == 1 {
			p.Payload = append(binary.BigEndian.AppendUint16(nil, p.SequenceNumber), p.Payload...)
			p.SSRC, p.PayloadType, p.SequenceNumber = p.SSRC+1, repair, uint16(i)
		}
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(b))), b...)
	}
	sink := newSink()
	if _, err := webrtc.Receive(sink, offer, packetsOf(stream), time.Now); err != nil {
		f.Fatal(err)
	}
	arrived := sink.captures[0].tracks[0].packets
	if len(arrived) != 20 {
		f.Errorf("%d packets arrived, want 20", len(arrived))
	}
	for i, got := range arrived {
		if want := sent[i]; got.SequenceNumber != want.SequenceNumber || got.SSRC != want.SSRC || !bytes.Equal(got.Payload, want.Payload) {
			f.Errorf("packet %d arrived as %+v", i, got)
		}
	}
	f.Add(stream)
	f.Add(slices.Concat(stream, stream))
	for _, payload := range [][]byte{nil, {7}} {
		probe := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: repair, SSRC: sent[0].SSRC + 1}, Payload: payload}
		b, err := probe.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Concat(stream, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		packets, sink := packetsOf(b), newSink()
		stats, err := webrtc.Receive(sink, offer, packets, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		delivered := uint64(0)
		for _, track := range sink.captures[0].tracks {
			for _, got := range track.packets {
				delivered++
				if !holds(packets, got.Payload) {
					t.Errorf("packet %+v was never sent", got)
				}
			}
		}
		if all := uint64(len(packets)); stats.Packets != all || delivered+stats.Malformed+stats.Unwanted+stats.Duplicates > all {
			t.Errorf("of %d packets %d were delivered: %+v", all, delivered, stats)
		}
	})
}

// holds says that one of the packets holds the payload.
func holds(packets [][]byte, payload []byte) bool {
	for _, p := range packets {
		var h rtp.Header
		if n, err := h.Unmarshal(p); err == nil && bytes.Contains(p[n:], payload) {
			return true
		}
	}
	return false
}
