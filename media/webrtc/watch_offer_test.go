package webrtc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

// Who asks for what is not there is told so, by kind and in words.
func TestWatchRefused(t *testing.T) {
	server := serve(t, newSink(), func(c *webrtc.Config) { c.MaxWatchers = 1 })
	h264 := func(fmtp string) string {
		return section("video", "v", "100", "a=rtpmap:100 H264/90000", "a=fmtp:100 "+fmtp)
	}
	publishAs := func(participant string, kind reelvault.RecordingKind, offer string) {
		who := guest
		who.ParticipantID, who.Kind = participant, kind
		if _, err := server.Publish(t.Context(), who, offer); err != nil {
			t.Fatal(err)
		}
	}
	publishAs("ada", reelvault.RecordingAV, offerOf(opusSection("a"), h264("packetization-mode=1;profile-level-id=64001f")))
	publishAs("bob", reelvault.RecordingAV, offerOf(opusSection("a")))
	publishAs("ada", reelvault.RecordingScreen, offerOf(vp8Section("v")))
	receive := func(s string) string { return strings.ReplaceAll(s, "a=sendonly", "a=recvonly") }
	any := receive(offerOf(opusSection("0"), vp8Section("1")))
	for _, c := range []struct {
		name, tenant, session, participant string
		screen                             bool
		offer                              string
		kind                               reelvault.Kind
		says                               string
	}{
		{name: "no SDP", offer: "{}", kind: reelvault.Invalid, says: "line 1"},
		{name: "another tenant", tenant: "t2", offer: any, kind: reelvault.NotFound, says: "nobody"},
		{name: "another session", session: "s2", offer: any, kind: reelvault.NotFound, says: "nobody"},
		{name: "nobody of that name", participant: "eve", offer: any, kind: reelvault.NotFound, says: "nobody"},
		{name: "no screen", participant: "bob", screen: true, offer: any, kind: reelvault.NotFound, says: "nobody"},
		{name: "several", offer: any, kind: reelvault.Conflict, says: "ada, bob"},
		{name: "other codec", participant: "ada", offer: any, kind: reelvault.NotAcceptable, says: "h264"},
		{name: "other profile", participant: "ada", offer: receive(offerOf(h264("packetization-mode=1;profile-level-id=42e01f"))), kind: reelvault.NotAcceptable, says: "h264"},
		{name: "other mode", participant: "ada", offer: receive(offerOf(h264("profile-level-id=64001f"))), kind: reelvault.NotAcceptable, says: "h264"},
		{name: "other medium", participant: "bob", offer: receive(offerOf(vp8Section("1"))), kind: reelvault.NotAcceptable, says: "opus"},
		{name: "nothing received", participant: "bob", offer: offerOf(opusSection("0")), kind: reelvault.NotAcceptable, says: "opus"},
		{name: "the only screen", screen: true, offer: any},
		{name: "one too many", screen: true, offer: any, kind: reelvault.Limited, says: "1 watchers"},
	} {
		who := media.Publisher{TenantID: guest.TenantID, SessionID: guest.SessionID, ParticipantID: c.participant, Kind: reelvault.RecordingAV}
		if c.screen {
			who.Kind = reelvault.RecordingScreen
		}
		if c.tenant != "" {
			who.TenantID = c.tenant
		}
		if c.session != "" {
			who.SessionID = c.session
		}
		answer, err := server.Watch(t.Context(), who, c.offer)
		if c.says == "" {
			if err != nil || !strings.Contains(answer.SDP, "m=audio 0 ") || !strings.Contains(answer.SDP, "a=msid:ada.screen ") {
				t.Errorf("%s: %v\n%s", c.name, err, answer.SDP)
			}
			continue
		}
		if err == nil || reelvault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%v), want %v saying %q", c.name, err, reelvault.KindOf(err), c.kind, c.says)
		}
	}
	if got := server.Stats(); got.Publishers != 3 || got.Watchers != 1 {
		t.Errorf("left behind: %+v", got)
	}
}

// What browsers offer to watch with fits what they publish, codec by codec.
func TestWatchByBrowsers(t *testing.T) {
	const h264 = "a=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=1;profile-level-id=42e01f"
	published := map[reelvault.Codec]string{
		reelvault.VP8: "a=rtpmap:100 VP8/90000", reelvault.VP9: "a=rtpmap:100 VP9/90000", reelvault.AV1: "a=rtpmap:100 AV1/90000",
		reelvault.H264: h264, reelvault.H265: "a=rtpmap:100 H265/90000",
	}
	lacks := map[string][]reelvault.Codec{
		"chromium-156.sdp": {reelvault.H265},
		"firefox-153.sdp":  {reelvault.H264, reelvault.H265}, // of a system without OpenH264
	}
	for name, offer := range recorded(t, "watch") {
		for codec, lines := range published {
			t.Run(fmt.Sprint(name, " ", codec), func(t *testing.T) {
				server := serve(t, newSink())
				if _, err := server.Publish(t.Context(), guest, offerOf(opusSection("0"), section("video", "1", "100", lines))); err != nil {
					t.Fatal(err)
				}
				answer, err := server.Watch(t.Context(), administrator, offer)
				if slices.Contains(lacks[name], codec) {
					if reelvault.KindOf(err) != reelvault.NotAcceptable {
						t.Errorf("error %v, want not acceptable", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(answer.SDP, "\r\n")
				if got := linesWith(lines, "a=rtpmap:"); len(got) != 2 || !strings.Contains(strings.ToLower(got[1]), string(codec)+"/90000") {
					t.Errorf("codecs answered: %q", got)
				}
			})
		}
	}
}
