package rtp_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip/rtp"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	anywhere = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
)

// track keeps what it is given.
type track struct {
	mu      sync.Mutex
	packets []*media.Packet
	reports []media.Report
	came    chan struct{} // holds one
}

func newTrack() *track { return &track{came: make(chan struct{}, 1)} }

func (t *track) WritePacket(p *media.Packet) bool {
	t.mu.Lock()
	t.packets = append(t.packets, p)
	t.mu.Unlock()
	t.ring()
	return true
}

func (t *track) WriteReport(r media.Report) {
	t.mu.Lock()
	t.reports = append(t.reports, r)
	t.mu.Unlock()
	t.ring()
}

func (t *track) Close() {}

func (t *track) ring() {
	select {
	case t.came <- struct{}{}:
	default:
	}
}

// await waits until done says so of what has come.
func (t *track) await(tb testing.TB, done func([]*media.Packet, []media.Report) bool) {
	tb.Helper()
	timeout := time.After(patience)
	for {
		t.mu.Lock()
		enough := done(t.packets, t.reports)
		n, m := len(t.packets), len(t.reports)
		t.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-t.came:
		case <-timeout:
			tb.Fatalf("waited in vain; got %d packets and %d reports", n, m)
		}
	}
}

func (t *track) numbers() []uint16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []uint16
	for _, p := range t.packets {
		all = append(all, p.SequenceNumber)
	}
	return all
}

func packets(n int) func([]*media.Packet, []media.Report) bool {
	return func(p []*media.Packet, _ []media.Report) bool { return len(p) >= n }
}

// receiver starts one on a range of ports that is free.
func receiver(tb testing.TB, pairs int) *rtp.Receiver {
	tb.Helper()
	return patient(tb, pairs, 0)
}

// patient starts one that waits so long before it hears another source.
func patient(tb testing.TB, pairs int, wait time.Duration) *rtp.Receiver {
	tb.Helper()
	for first := 20000; first < 60000; first += 100 {
		l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: first})
		if err != nil {
			continue
		}
		if err = l.Close(); err != nil {
			tb.Fatal(err)
		}
		r, err := rtp.New(rtp.Config{Address: loopback, FirstPort: first, LastPort: first + 2*pairs - 1, SourceWait: wait})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(r.Close)
		return r
	}
	tb.Fatal("no free ports")
	return nil
}

// sender is a socket on an address of loopback.
type sender struct {
	tb   testing.TB
	conn *net.UDPConn
}

func newSender(tb testing.TB, address string) *sender {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &sender{tb, conn}
}

func (s *sender) addr() netip.AddrPort {
	return netip.MustParseAddrPort(s.conn.LocalAddr().String())
}

func (s *sender) raw(port uint16, data []byte) {
	s.tb.Helper()
	if _, err := s.conn.WriteToUDPAddrPort(data, netip.AddrPortFrom(loopback, port)); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *sender) rtp(port uint16, payloadType uint8, number uint16) {
	s.tb.Helper()
	p := pionrtp.Packet{
		Header:  pionrtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: number, Timestamp: uint32(number) * 160, SSRC: 7},
		Payload: []byte{byte(number), 1, 2, 3},
	}
	data, err := p.Marshal()
	if err != nil {
		s.tb.Fatal(err)
	}
	s.raw(port, data)
}

// open opens a stream, of reserved ports if there are any.
func open(tb testing.TB, r *rtp.Receiver, s rtp.Settings, reserved ...*rtp.Reservation) *rtp.Stream {
	tb.Helper()
	open := r.Open
	for _, places := range reserved {
		open = places.Open
	}
	stream, err := open(s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(stream.Close)
	return stream
}

// Packets come through whole, in order, with the time at which they arrived
// rather than the time at which somebody looked.
func TestPackets(t *testing.T) {
	r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
	stream := open(t, r, rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}})
	var sent []time.Time
	for n := range 300 {
		sent = append(sent, time.Now())
		from.rtp(stream.Port(), 0, uint16(n))
		if n%100 == 99 {
			tr.await(t, packets(n+1))
		}
	}
	for i, p := range tr.packets {
		if int(p.SequenceNumber) != i || p.Timestamp != uint32(i)*160 || p.SSRC != 7 || !slices.Equal(p.Payload, []byte{byte(i), 1, 2, 3}) {
			t.Fatalf("packet %d: got %+v", i, p)
		}
		if p.Arrival.Before(sent[i].Add(-time.Millisecond)) || i > 0 && p.Arrival.Before(tr.packets[i-1].Arrival.Add(-time.Millisecond)) {
			t.Fatalf("packet %d: arrived %v after it was sent", i, p.Arrival.Sub(sent[i]))
		}
	}
	if s := r.Stats(); s.Packets != 300 || s.Streams != 1 || s.Overflows != 0 {
		t.Errorf("got %+v", s)
	}
}

// Comfort noise and pressed keys keep their places in the numbering and bring
// no sound; a payload type without a track is told of once.
func TestOtherPayloadTypes(t *testing.T) {
	r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
	var mu sync.Mutex
	var told []uint8
	stream := open(t, r, rtp.Settings{
		Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}},
		Unknown: func(pt uint8) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, pt)
		},
	})
	for n, pt := range []uint8{0, 13, 101, 101, 0} {
		from.rtp(stream.Port(), pt, uint16(n))
	}
	tr.await(t, packets(5))
	for i, want := range []int{4, 0, 0, 0, 4} {
		if got := len(tr.packets[i].Payload); got != want {
			t.Errorf("packet %d: got %d bytes, want %d", i, got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(told, []uint8{13, 101}) {
		t.Errorf("told of %v, want 13 and 101 once", told)
	}
}

// RTCP on the port behind it, or on the same port where that was agreed, gives
// reports with the sender's name; a goodbye is noted until more comes.
func TestRTCP(t *testing.T) {
	for _, mux := range []bool{false, true} {
		r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
		stream := open(t, r, rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}, Mux: mux})
		port := stream.Port() + 1
		if mux {
			port--
		}
		compound, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.SenderReport{SSRC: 7, NTPTime: 1 << 40, RTPTime: 99},
			&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 7, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a@b"}}}}},
			&rtcp.Goodbye{Sources: []uint32{7}},
		})
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		from.raw(port, compound)
		tr.await(t, func(_ []*media.Packet, reports []media.Report) bool { return len(reports) == 1 })
		got := tr.reports[0]
		if got.SSRC != 7 || got.NTP != 1<<40 || got.RTP != 99 || got.CNAME != "a@b" || got.Arrival.Before(before.Add(-time.Millisecond)) {
			t.Errorf("mux %v: got %+v", mux, got)
		}
		if _, left := stream.Heard(); !left {
			t.Errorf("mux %v: the goodbye was not noted", mux)
		}
		from.rtp(stream.Port(), 0, 1)
		tr.await(t, packets(1))
		if _, left := stream.Heard(); left {
			t.Errorf("mux %v: the goodbye still holds", mux)
		}
	}
}

// What is no RTP is counted and harms nothing.
func TestMalformed(t *testing.T) {
	r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
	stream := open(t, r, rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}})
	bad := [][]byte{
		{},
		{0x80},
		[]byte("INVITE sip:x SIP/2.0\r\n\r\n"), make([]byte, 12), make([]byte, 3000),
		{0x8f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},         // more sources than bytes
		{0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},         // an extension that is not there
		{0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255}, // more padding than payload
	}
	for _, b := range bad {
		from.raw(stream.Port(), b)
	}
	from.rtp(stream.Port(), 0, 9)
	tr.await(t, packets(1))
	if got := tr.numbers(); !slices.Equal(got, []uint16{9}) {
		t.Errorf("got packets %v, want 9 alone", got)
	}
	if got := r.Stats().Malformed; got != uint64(len(bad)) {
		t.Errorf("counted %d malformed packets, want %d", got, len(bad))
	}
	from.raw(stream.Port()+1, []byte{0x81, 200, 0, 99})
	for deadline := time.Now().Add(patience); r.Stats().Malformed != uint64(len(bad))+1; {
		if time.Now().After(deadline) {
			t.Fatal("malformed RTCP was not counted")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Nothing is handed on while a stream is on hold, and all again after it.
func TestHold(t *testing.T) {
	r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
	s := rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}, Held: true}
	stream := open(t, r, s)
	from.rtp(stream.Port(), 0, 1)
	for deadline := time.Now().Add(patience); r.Stats().Unwanted != 1; {
		if time.Now().After(deadline) {
			t.Fatal("the packet on hold was not counted")
		}
		<-time.After(10 * time.Millisecond)
	}
	s.Held = false
	stream.Set(s)
	from.rtp(stream.Port(), 0, 2)
	tr.await(t, packets(1))
	if got := tr.numbers(); !slices.Equal(got, []uint16{2}) {
		t.Errorf("got packets %v, want 2 alone", got)
	}
}

// A flood on one port costs another one nothing.
func TestFlood(t *testing.T) {
	r, flooded, other := receiver(t, 2), newTrack(), newTrack()
	from, flooder := newSender(t, "127.0.0.1"), newSender(t, "127.0.0.1")
	a := open(t, r, rtp.Settings{Source: rtp.Source{Told: flooder.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: flooded}}})
	b := open(t, r, rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: other}}})
	for n := range 200 {
		for range 100 {
			flooder.rtp(a.Port(), 0, 1)
		}
		from.rtp(b.Port(), 0, uint16(n))
	}
	other.await(t, packets(200))
	if got := len(other.packets); got != 200 {
		t.Errorf("got %d packets beside the flood, want 200", got)
	}
}

// The last packets before Close are taken, and the port rests before another
// stream gets it.
func TestClose(t *testing.T) {
	r, tr, from := receiver(t, 2), newTrack(), newSender(t, "127.0.0.1")
	settings := rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}}
	first, err := r.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	from.rtp(first.Port(), 0, 1)
	first.Close()
	first.Close()
	if got := tr.numbers(); !slices.Equal(got, []uint16{1}) {
		t.Errorf("got packets %v, want 1", got)
	}
	second := open(t, r, settings)
	if second.Port() == first.Port() {
		t.Errorf("port %d was given again at once", second.Port())
	}
	_, err = r.Open(settings)
	if reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("with no rested port: got %v, want an error of kind unavailable", err)
	}
}

// Everything that the socket holds at Close is taken, however much more that
// is than one look takes.
func TestCloseTakesAll(t *testing.T) {
	r, tr, from := receiver(t, 1), newTrack(), newSender(t, "127.0.0.1")
	stream, err := r.Open(rtp.Settings{Source: rtp.Source{Told: from.addr(), Allowed: anywhere}, Tracks: []rtp.Track{{PayloadType: 0, Track: tr}}})
	if err != nil {
		t.Fatal(err)
	}
	const sent = 300 // what the buffer has room for
	for n := range sent {
		from.rtp(stream.Port(), 0, uint16(n))
	}
	stream.Close()
	if got, lost := len(tr.numbers()), r.Stats().Overflows; got+int(lost) != sent || got < sent/2 {
		t.Errorf("got %d packets and lost %d in the kernel, want %d together", got, lost, sent)
	}
}

// Ports that are reserved are nobody else's, whether they are used or given
// back, and all or none are.
func TestReserve(t *testing.T) {
	r := receiver(t, 3)
	two, err := r.Reserve(2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Reserve(2); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("two more of one: got %v, want an error of kind unavailable", err)
	}
	one, err := r.Reserve(1)
	if err != nil {
		t.Fatalf("a reservation that failed kept ports: %v", err)
	}
	first, err := two.Open(rtp.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, r, rtp.Settings{}, two)
	if _, err = two.Open(rtp.Settings{}); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("a third of two: got %v, want an error of kind unavailable", err)
	}
	first.Close()
	if first.Port() == second.Port() {
		t.Errorf("both have port %d", first.Port())
	}
	one.Release()
	if n := r.Stats().Streams; n != 1 {
		t.Errorf("%d streams are open, want 1", n)
	}
}

// A port that another program has is passed over, and both its neighbours' use
// is refused as a pair.
func TestTakenPort(t *testing.T) {
	r := receiver(t, 2)
	probe := open(t, r, rtp.Settings{Source: rtp.Source{Allowed: anywhere}})
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: int(probe.Port()) + 3})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // only holds the port
	if _, err := r.Open(rtp.Settings{}); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("got %v, want an error of kind unavailable", err)
	}
}

// A range without an even port and the next one, or an address that nobody can
// send to, is refused.
func TestValidate(t *testing.T) {
	tests := []struct {
		c  rtp.Config
		ok bool
	}{
		{rtp.Config{Address: loopback, FirstPort: 10000, LastPort: 10001}, true},
		{rtp.Config{Address: loopback, FirstPort: 10001, LastPort: 10002}, false},
		{rtp.Config{Address: loopback, FirstPort: 0, LastPort: 10}, false},
		{rtp.Config{Address: loopback, FirstPort: 65534, LastPort: 65536}, false},
		{rtp.Config{Address: netip.IPv4Unspecified(), FirstPort: 10000, LastPort: 10001}, false},
		{rtp.Config{FirstPort: 10000, LastPort: 10001}, false},
	}
	for _, tt := range tests {
		if err := tt.c.Validate(); (err == nil) != tt.ok {
			t.Errorf("%+v: got %v", tt.c, err)
		}
	}
}
