package rtp_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip/rtp"
)

// A packet from elsewhere than the client's host is dropped and counted. The
// port that was told wins over another port of its host, whoever comes first.
func TestForeignSource(t *testing.T) {
	r, tr := patient(t, 1, time.Hour), newTrack()
	told, sibling, foreign, outside := newSender(t, "127.0.0.1"), newSender(t, "127.0.0.1"), newSender(t, "127.0.0.9"), newSender(t, "127.1.0.1")
	stream := open(t, r, rtp.Settings{
		Source: rtp.Source{Told: told.addr(), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}},
		Tracks: []rtp.Track{{PayloadType: 0, Track: tr}},
	})
	foreign.rtp(stream.Port(), 0, 1)
	outside.rtp(stream.Port(), 0, 2)
	sibling.rtp(stream.Port(), 0, 3)
	told.rtp(stream.Port(), 0, 4)
	sibling.rtp(stream.Port(), 0, 5)
	foreign.rtp(stream.Port(), 0, 6)
	told.rtp(stream.Port(), 0, 7)
	tr.await(t, packets(3))
	if got := tr.numbers(); !slices.Equal(got, []uint16{3, 4, 7}) {
		t.Errorf("got packets %v, want 3, 4 and 7", got)
	}
	if got := r.Stats().Foreign; got != 4 {
		t.Errorf("counted %d foreign packets, want 4", got)
	}
}

// A source that was found stays it when something else changes, and is looked
// for anew when the client names another one.
func TestSourceStays(t *testing.T) {
	r, tr := patient(t, 1, time.Hour), newTrack()
	first, second := newSender(t, "127.0.0.1"), newSender(t, "127.0.0.1")
	told := netip.AddrPortFrom(loopback, 9) // neither sends from the port that was told
	s := rtp.Settings{Source: rtp.Source{Told: told, Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}}
	stream := open(t, r, s)
	first.rtp(stream.Port(), 0, 1)
	tr.await(t, packets(1))
	s.Source.Allowed = slices.Clone(anywhere)
	s.Mux = true
	stream.Set(s)
	second.rtp(stream.Port(), 0, 2)
	first.rtp(stream.Port(), 0, 3)
	tr.await(t, packets(2))
	s.Source.Told = netip.AddrPortFrom(loopback, 11)
	stream.Set(s)
	second.rtp(stream.Port(), 0, 4)
	first.rtp(stream.Port(), 0, 5)
	second.rtp(stream.Port(), 0, 6)
	tr.await(t, packets(4))
	if got := tr.numbers(); !slices.Equal(got, []uint16{1, 3, 4, 6}) {
		t.Errorf("got packets %v, want 1, 3, 4 and 6", got)
	}
}

// Somebody else within the allowed networks is heard where nobody likelier is,
// and gives way at once to the host that was told.
func TestStranger(t *testing.T) {
	r, tr := receiver(t, 1), newTrack()
	told, stranger, outside := newSender(t, "127.0.0.1"), newSender(t, "127.0.0.9"), newSender(t, "127.1.0.1")
	near := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}
	stream := open(t, r, rtp.Settings{Source: rtp.Source{Told: told.addr(), Allowed: near}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}})
	for n, deadline := uint16(0), time.Now().Add(patience); len(tr.numbers()) == 0; n++ {
		if time.Now().After(deadline) {
			t.Fatal("the stranger was never heard")
		}
		outside.rtp(stream.Port(), 0, 50000)
		stranger.rtp(stream.Port(), 0, n)
		<-time.After(50 * time.Millisecond)
	}
	if got := tr.numbers()[0]; got == 0 || got == 50000 {
		t.Errorf("packet %d was heard", got)
	}
	told.rtp(stream.Port(), 0, 60000)
	stranger.rtp(stream.Port(), 0, 60001)
	told.rtp(stream.Port(), 0, 60002)
	tr.await(t, func(p []*media.Packet, _ []media.Report) bool { return p[len(p)-1].SequenceNumber == 60002 })
	var last time.Time // of the host that was told
	for _, p := range tr.packets {
		if p.SequenceNumber == 60001 && p.Arrival.Sub(last) < rtp.DefaultSourceWait {
			t.Errorf("the stranger was heard %v behind the host that was told", p.Arrival.Sub(last))
		}
		last = p.Arrival
	}
}
