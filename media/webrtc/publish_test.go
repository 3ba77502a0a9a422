package webrtc_test

import (
	"testing"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"
)

// What a client sends on each of its tracks arrives at the sink, whole and in
// the format it was negotiated in; DELETE closes the capture as a goodbye.
func TestPublishReachesTheSink(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	pc := newPeer(t)
	audio := addLocal(t, pc, pion.MimeTypeOpus, "a")
	video := addLocal(t, pc, pion.MimeTypeVP8, "v")
	answer, err := server.Publish(t.Context(), guest, offerOf(t, pc))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(answer.SDP)
	accept(t, pc, answer.SDP)
	for i := range 10 {
		send(t, audio, rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i) * 960}, []byte{0xf8, byte(i)})
		send(t, video, rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i) * 3000, Marker: true}, []byte{0x10, byte(i)})
	}
	sink.await(t, "ten packets on both tracks", func() bool {
		tracks := sink.captures[0].tracks
		return len(tracks) == 2 && len(tracks[0].packets) == 10 && len(tracks[1].packets) == 10
	})
	if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
		t.Fatal(err)
	}
	sink.await(t, "the capture's end", func() bool { return sink.captures[0].closed && sink.captures[0].cause == nil })
}

func addLocal(t *testing.T, pc *pion.PeerConnection, mime, id string) *pion.TrackLocalStaticRTP {
	t.Helper()
	track, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: mime}, id, "stream")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTransceiverFromTrack(track, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	return track
}

func send(t *testing.T, track *pion.TrackLocalStaticRTP, h rtp.Header, payload []byte) {
	t.Helper()
	h.Version = 2
	if err := track.WriteRTP(&rtp.Packet{Header: h, Payload: payload}); err != nil {
		t.Fatal(err)
	}
}
