package recorder_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/testmedia"
)

const (
	wavHead    = 58
	voiceFrame = 20 * time.Millisecond

	quietSample = 0xf8 // of mu-law, what a quiet party sends

	caller testmedia.Stream = 0
	callee testmedia.Stream = 1
	third  testmedia.Stream = 2
)

var phone = media.Publisher{TenantID: "t", SessionID: "s", Kind: reelvault.RecordingPhone}

// voiceFormat gives the format of a party of a call.
func voiceFormat(s testmedia.Stream, c reelvault.Codec) media.Format {
	party := media.Party{Channel: int(s), ParticipantID: "caller", Role: reelvault.RoleGuest}
	switch s {
	case callee:
		party.ParticipantID, party.Role = "callee", reelvault.RoleOperator
	case third:
		party.ParticipantID, party.Role = "third", reelvault.RoleOperator
	default:
	}
	return media.Format{Media: reelvault.Audio, Codec: c, ClockRate: 8000, Channels: 1, Party: party}
}

// parties are the formats of a plain call.
func parties(c reelvault.Codec) map[testmedia.Stream]media.Format {
	return map[testmedia.Stream]media.Format{
		caller: voiceFormat(caller, c), callee: voiceFormat(callee, c), third: voiceFormat(third, c),
	}
}

// voice is what one party sends, on a clock of its own.
type voice struct {
	stream   testmedia.Stream
	from, to time.Duration // on the wall
	frame    time.Duration // zero: voiceFrame
	ppm      float64       // how much faster the clock runs
	first    uint32        // timestamp at from
	sequence uint16        // of the first packet
	quiet    func(at time.Duration) bool
}

// spoken gives sample n of a voice: never silence, and seldom what a neighbour is.
func (v voice) spoken(n int) byte { return byte(n*7+int(v.stream)*3)&0x3f | 0x80 }

// packets gives them in order, each at the instant it is sent.
func (v voice) packets() []testmedia.Sent {
	frame := cmp.Or(v.frame, voiceFrame)
	size := int(frame / (time.Second / 8000))
	step := time.Duration(float64(frame) / (1 + v.ppm*1e-6))
	var all []testmedia.Sent
	for i, at := 0, v.from; at < v.to; i, at = i+1, v.from+time.Duration(i+1)*step {
		payload := make([]byte, size)
		for j := range payload {
			payload[j] = v.spoken(i*size + j)
			if v.quiet != nil && v.quiet(at) {
				payload[j] = quietSample
			}
		}
		all = append(all, testmedia.Sent{Stream: v.stream, At: at, Packet: media.Packet{
			SSRC: uint32(v.stream) + 100, SequenceNumber: v.sequence + uint16(i), Timestamp: v.first + uint32(i*size),
			Marker: i == 0, Payload: payload,
		}})
	}
	return all
}

// together puts what several parties send into one order.
func together(voices ...[]testmedia.Sent) []testmedia.Sent {
	all := slices.Concat(voices...)
	slices.SortStableFunc(all, func(a, b testmedia.Sent) int { return cmp.Compare(a.At, b.At) })
	return all
}

// dial begins a call with these packets to be sent by until.
func (r *rig) dial(c reelvault.Codec, pending []testmedia.Sent) *publisher {
	r.t.Helper()
	p := r.publish(phone, parties(c))
	p.pending = pending
	return p
}

// call records a call from its first to its last packet.
func call(t *testing.T, c reelvault.Codec, voices ...[]testmedia.Sent) (reelvault.Recording, string) {
	t.Helper()
	return record(t, parties(c), together(voices...), phone)
}

// side is one channel of a file.
type side struct {
	samples []byte
	silence byte
}

// cut gives the samples between two places.
func (s side) cut(from, to int) side { return side{s.samples[from:to], s.silence} }

// silent says whether nothing stands between two places.
func (s side) silent(from, to int) bool {
	return bytes.Equal(s.samples[from:to], bytes.Repeat([]byte{s.silence}, to-from))
}

// sides reads a WAVE file and gives its channels.
func sides(t *testing.T, path string, f reelvault.File) []side {
	t.Helper()
	b, err := os.ReadFile(spoolPath(t, path, f.ID))
	if err != nil {
		t.Fatal(err)
	}
	if f.Container != reelvault.WAV || int64(len(b)) != f.Bytes || len(b) < wavHead {
		t.Fatalf("%s file of %d bytes, want WAVE of %d", f.Container, len(b), f.Bytes)
	}
	le := binary.LittleEndian
	channels := int(le.Uint16(b[22:]))
	riff, samples, data := int(le.Uint32(b[4:])), int(le.Uint32(b[46:])), int(le.Uint32(b[54:]))
	if riff != len(b)-8 || data != len(b)-wavHead || samples*channels != data || string(b[:4])+string(b[8:12]) != "RIFFWAVE" {
		t.Errorf("the head tells of %d, %d and %d samples in %d bytes", riff, data, samples, len(b))
	}
	found := make([]side, channels)
	for i, sample := range b[wavHead:] {
		found[i%channels].samples = append(found[i%channels].samples, sample)
		found[i%channels].silence = map[uint16]byte{6: 0xd5, 7: 0xff}[le.Uint16(b[20:])]
	}
	return found
}

// wantSpoken fails unless a side holds a voice's packets from a place on, bit
// by bit, and silence where one is missing, before and behind.
func wantSpoken(t *testing.T, s side, from time.Duration, sent []testmedia.Sent, missing func(i int) bool) {
	t.Helper()
	start := int(from / (time.Second / 8000))
	if start > len(s.samples) || !s.silent(0, start) {
		t.Errorf("before %v there is something else than silence", from)
		return
	}
	first, end := sent[0].Packet.Timestamp, start
	for i, p := range sent {
		want := p.Packet.Payload
		if missing != nil && missing(i) {
			want = bytes.Repeat([]byte{s.silence}, len(want))
		}
		place := start + int(int32(p.Packet.Timestamp-first))
		end = place + len(want)
		if end > len(s.samples) {
			t.Errorf("packet %d at %v lies behind the end", i, p.At)
			return
		}
		if got := s.samples[place:end]; !bytes.Equal(got, want) {
			t.Errorf("packet %d at %v: got % x..., want % x...", i, p.At, got[:4], want[:4])
			return
		}
	}
	if !s.silent(end, len(s.samples)) {
		t.Errorf("behind %v there is something else than silence", time.Duration(end)*time.Second/8000)
	}
}

// tracksOf gives the rows of a participant, by offset.
func tracksOf(rec reelvault.Recording, participant string) (found []reelvault.Track) {
	for _, track := range rec.Tracks {
		if track.ParticipantID == participant {
			found = append(found, track)
		}
	}
	return found
}
