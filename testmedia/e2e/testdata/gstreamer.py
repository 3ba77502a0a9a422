#!/usr/bin/python3
"""Publishes a test picture and a test tone by WHIP (RFC 9725) with GStreamer's
WebRTC: libnice, and GStreamer's own DTLS, SRTP and RTP. Debian 12 has no WHIP
client that starts: simple-whip-client links libsoup 2 where libnice's libraries
bring libsoup 3, and whipsink is not packaged.

    gstreamer.py URL TOKEN vp8|h264

It publishes until its standard input is closed, and then says goodbye.
"""

import sys
import threading
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SOUND = (
    "audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc "
    "! rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer. "
)
CAMERA = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 ! videoconvert "
PICTURE = {
    "vp8": "! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay pt=96 "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.",
    "h264": "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 ! video/x-h264,profile=constrained-baseline "
    "! rtph264pay pt=96 config-interval=-1 "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer.",
}


def request(method, url, token, body=None):
    """Gives the answer's Location and text."""
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/sdp"}
    asked = urllib.request.Request(url, data=body and body.encode(), headers=headers, method=method)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return answer.headers.get("Location"), answer.read().decode()


class Publisher:
    """One WHIP session, from its offer to its goodbye."""

    def __init__(self, url, token, codec):
        self.url, self.token, self.resource, self.failure = url, token, None, None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch("webrtcbin name=peer bundle-policy=max-bundle " + SOUND + CAMERA + PICTURE[codec])
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.offer)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(message.parse_error()[0].message))

    def fail(self, why):
        self.failure = why
        self.loop.quit()

    def offer(self, _):
        promise = Gst.Promise.new_with_change_func(self.offered)
        self.peer.emit("create-offer", None, promise)

    def offered(self, promise):
        reply = promise.get_reply()  # owns the offer
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())

    def gathered(self, *_):
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self):
        try:
            offer = self.peer.get_property("local-description").sdp.as_text()
            location, text = request("POST", self.url, self.token, offer)
        except OSError as err:
            self.fail(str(err))
            return GLib.SOURCE_REMOVE
        self.resource = urllib.parse.urljoin(self.url, location)
        _, sdp = GstSdp.SDPMessage.new_from_text(text)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())
        return GLib.SOURCE_REMOVE

    def run(self):
        threading.Thread(target=self.until_told, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.resource:
            request("DELETE", self.resource, self.token)
        self.pipeline.set_state(Gst.State.NULL)
        if self.failure:
            sys.exit(self.failure)

    def until_told(self):
        sys.stdin.read()
        GLib.idle_add(self.loop.quit)


if __name__ == "__main__":
    Gst.init(None)
    Publisher(*sys.argv[1:]).run()
