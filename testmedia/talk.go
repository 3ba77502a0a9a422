package testmedia

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/reelvault/reelvault"
)

const (
	voiceRate   = 8000 // samples a second of G.711
	voicePacket = 20 * time.Millisecond
	voiceBytes  = voiceRate / 50

	// reportTime is how often a client sends RTCP.
	reportTime = 5 * time.Second
)

// Talk says how the voices of calls are sent.
type Talk struct {
	For     time.Duration
	Lose    func(line, packet int) bool // these packets are never sent
	Pause   func(line, packet int) bool // these are not sent, as by a sender without anything to say
	SSRC    int                         // with this packet each line becomes another source; 0: never
	Reports bool                        // sender reports, with names
	AtOnce  bool                        // nothing is waited for, as behind a jam of the network
}

// TalkReport says what was sent.
type TalkReport struct {
	Packets int
	Late    time.Duration // the latest packet
}

// Say sends the voices of calls in real time, spread over the packet time as
// senders that know nothing of each other would.
func Say(ctx context.Context, calls []*PhoneCall, t Talk) (TalkReport, error) {
	var lines []*voiceLine
	for _, c := range calls {
		lines = append(lines, c.lines...)
	}
	var report TalkReport
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for n := range int(t.For / voicePacket) {
		for i, l := range lines {
			due := start.Add(time.Duration(n)*voicePacket + voicePacket*time.Duration(i)/time.Duration(len(lines)))
			if wait := time.Until(due); wait > time.Millisecond && !t.AtOnce {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return report, fmt.Errorf("send voices: %w", ctx.Err())
				}
			} else {
				report.Late = max(report.Late, -wait)
			}
			sent, err := l.say(t, i, n)
			if err != nil {
				return report, err
			}
			if sent {
				report.Packets++
			}
		}
	}
	return report, nil
}

// Talk sends the voices of one call.
func (c *PhoneCall) Talk(ctx context.Context, t Talk) (TalkReport, error) {
	return Say(ctx, []*PhoneCall{c}, t)
}

// say sends the n-th packet of a line, if it is to be sent.
func (l *voiceLine) say(t Talk, line, n int) (bool, error) {
	if t.SSRC > 0 && n == t.SSRC {
		l.ssrc, l.number, l.at = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32() //nolint:gosec // no secret
	}
	if t.Reports && n%int(reportTime/voicePacket) == 0 {
		if err := l.report(); err != nil {
			return false, err
		}
	}
	payload := make([]byte, voiceBytes)
	for i := range payload {
		payload[i] = l.voice.Sound[(l.said+i)%len(l.voice.Sound)]
	}
	paused := t.Pause != nil && t.Pause(line, n)
	lost := paused || t.Lose != nil && t.Lose(line, n)
	payloadType, _ := l.format()
	packet := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: l.number, Timestamp: l.at, SSRC: l.ssrc, Marker: n == 0},
		Payload: payload,
	}
	l.said += voiceBytes
	l.at += voiceBytes
	if !paused {
		l.number++
	}
	if lost || l.target.Port() == 0 {
		return false, nil
	}
	data, err := packet.Marshal()
	if err != nil {
		return false, fmt.Errorf("write RTP packet: %w", err)
	}
	if _, err := l.conn.WriteToUDPAddrPort(data, l.target); err != nil {
		return false, fmt.Errorf("send RTP packet: %w", err)
	}
	return true, nil
}

func (l *voiceLine) report() error {
	now := time.Now()
	seconds := uint64(now.Unix()) + 2208988800 // from 1900 to 1970
	fraction := uint64(now.Nanosecond()) << 32 / uint64(time.Second)
	return l.control(
		&rtcp.SenderReport{SSRC: l.ssrc, NTPTime: seconds<<32 | fraction, RTPTime: l.at},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: l.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: l.local.String()}},
		}}},
	)
}

// control sends RTCP to the port behind that of RTP.
func (l *voiceLine) control(packets ...rtcp.Packet) error {
	data, err := rtcp.Marshal(packets)
	if err != nil {
		return fmt.Errorf("write RTCP: %w", err)
	}
	if l.target.Port() == 0 {
		return nil
	}
	if _, err := l.conn.WriteToUDPAddrPort(data, netip.AddrPortFrom(l.target.Addr(), l.target.Port()+1)); err != nil {
		return fmt.Errorf("send RTCP: %w", err)
	}
	return nil
}

// Tone is a sine in G.711, at half of full scale.
func Tone(law reelvault.Codec, hertz float64, length time.Duration) []byte {
	sound := make([]byte, int(length.Seconds()*voiceRate))
	for i := range sound {
		sample := math.Sin(2*math.Pi*hertz*float64(i)/voiceRate) * 16384
		sound[i] = EncodeG711(law, int16(sample))
	}
	return sound
}

// EncodeG711 gives the code of a sample of 16 bits (ITU-T G.711).
func EncodeG711(law reelvault.Codec, sample int16) byte {
	best, nearest := byte(0), math.MaxInt
	table := &muLaw
	if law == reelvault.PCMA {
		table = &aLaw
	}
	low, high := 0, 255
	for low < high { // the table is sorted by level
		if mid := (low + high) / 2; int(table[mid].level) < int(sample) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for _, at := range []int{low - 1, low} {
		if at < 0 {
			continue
		}
		if d := int(sample) - int(table[at].level); max(d, -d) < nearest {
			nearest, best = max(d, -d), table[at].code
		}
	}
	return best
}

// DecodeG711 gives the sample of 16 bits that a code stands for.
func DecodeG711(law reelvault.Codec, code byte) int16 {
	if law == reelvault.PCMA {
		return aLevel(code)
	}
	return muLevel(code)
}

// level is a code of G.711 with what it stands for.
type level struct {
	level int16
	code  byte
}

var muLaw, aLaw = levels(muLevel), levels(aLevel)

func levels(decode func(byte) int16) (table [256]level) {
	for code := range table {
		at := code
		for ; at > 0 && table[at-1].level > decode(byte(code)); at-- {
			table[at] = table[at-1]
		}
		table[at] = level{decode(byte(code)), byte(code)}
	}
	return table
}

// muLevel decodes mu-law: sign, exponent and mantissa, all inverted.
func muLevel(code byte) int16 {
	code = ^code
	magnitude := (int16(code&0x0f)<<3+0x84)<<(code>>4&7) - 0x84
	if code&0x80 != 0 {
		return -magnitude
	}
	return magnitude
}

// aLevel decodes A-law, of which every other bit is inverted.
func aLevel(code byte) int16 {
	code ^= 0x55
	magnitude := int16(code&0x0f)<<4 + 8
	if exponent := code >> 4 & 7; exponent > 0 {
		magnitude = (magnitude + 0x100) << (exponent - 1)
	}
	if code&0x80 == 0 {
		return -magnitude
	}
	return magnitude
}
