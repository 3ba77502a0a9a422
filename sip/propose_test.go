package sip_test

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"

	pionrtp "github.com/pion/rtp"

	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

// dialog is a client that writes each message itself.
type dialog struct {
	r        *rig
	network  string
	wire     *testmedia.SIPWire
	id, to   string
	sequence int
}

func (r *rig) dialog(network, id string) *dialog {
	r.tb.Helper()
	return &dialog{r: r, network: strings.ToUpper(network), wire: r.wire(network), id: id, to: "<sip:record@127.0.0.1>"}
}

// write gives a message of the dialog.
func (d *dialog) write(method string, sequence int, c content) string {
	if c.kind == "" {
		c.kind = "application/sdp"
	}
	return fmt.Sprintf("%s sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK-%s%d%s\r\nMax-Forwards: 70\r\nFrom: <sip:src@127.0.0.1>;tag=1\r\n"+
		"To: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:src@%s>;+sip.src\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, d.network, d.wire.Local, d.id, sequence, method, d.to, d.id, sequence, method, d.wire.Local, c.kind, len(c.text), c.text)
}

// ask wants 200 and gives it.
func (d *dialog) ask(method string, c content) testmedia.SIPMessage {
	d.r.tb.Helper()
	d.sequence++
	m := d.r.ask(d.wire, d.write(method, d.sequence, c))
	if m.Status() != 200 {
		d.r.tb.Fatalf("%s: got %s, want 200", method, m.Start)
	}
	d.to = m.Header("to")
	return m
}

// acknowledge answers the server's offer in the ACK.
func (d *dialog) acknowledge(sdp string) {
	d.r.tb.Helper()
	if err := d.wire.Write(d.write("ACK", d.sequence, content{"application/sdp", sdp})); err != nil {
		d.r.tb.Fatal(err)
	}
}

// speak sends packets to the ports of a description, one for each line.
func speak(t *testing.T, sdp string, payloadType uint8, first, packets int) {
	t.Helper()
	for _, line := range strings.Split(mlines(testmedia.SIPMessage{Body: sdp}), ", ") {
		port, err := strconv.Atoi(strings.Fields(line)[1])
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Fatal(err)
		}
		for n := range packets {
			p := pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: uint16(first + n), SSRC: 7}, Payload: make([]byte, 160)}
			data, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if _, err = conn.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An INVITE without an offer within a call refreshes it, and may end a hold or
// begin one. The same offer has the same version.
func TestNoNewOffer(t *testing.T) {
	r := newRig(t, nil)
	d := r.dialog("udp", "refresh")
	lines := func(direction string) string {
		return offer("m=audio 9000 RTP/AVP 0\r\na=label:1\r\na="+direction+"\r\n", "m=video 9002 RTP/AVP 96\r\na=label:2\r\n")
	}
	first := d.ask("INVITE", content{"application/sdp", lines("inactive")})
	d.acknowledge("")
	for n, direction := range []string{"sendonly", "sendonly", "inactive", "sendonly"} {
		res := d.ask("INVITE", content{})
		if !strings.Contains(res.Body, "a=label:1\r\na=recvonly\r\n") || mlines(first) != mlines(res) {
			t.Errorf("refresh %d: got\n%s", n, res.Body)
		}
		if version := strings.Fields(res.Body)[3]; version != "2" {
			t.Errorf("refresh %d: got version %s, want 2", n, version)
		}
		if got := r.askUpdate(d, lines("sendonly")); got != 491 {
			t.Errorf("an offer before the answer to ours got %d, want 491", got)
		}
		d.acknowledge(lines(direction))
		r.await("the answer", func() bool { return r.sink.held() == (direction == "inactive") })
	}
	speak(t, strings.SplitN(first.Body, "m=video", 2)[0], 0, 0, 10)
	r.await("packets after all that", func() bool { return r.sink.of("caller guest 0 pcmu") == 10 })
}

// The labels of the lines stay where a later description has none, which it
// need not have: nobody changes sides for that.
func TestLabelsLeftOut(t *testing.T) {
	const line = "m=audio 9000 RTP/AVP 0\r\n"
	tests := map[string]func(*rig, *dialog){
		"offer": func(_ *rig, d *dialog) {
			d.ask("INVITE", content{"application/sdp", offer(line, line)})
			d.acknowledge("")
		},
		"answer to ours": func(r *rig, d *dialog) {
			for _, held := range []bool{true, false} {
				direction := map[bool]string{true: "a=inactive\r\n", false: "a=sendonly\r\n"}[held]
				d.ask("INVITE", content{})
				d.acknowledge(offer(line+direction, line+direction))
				r.await("the answer", func() bool { return r.sink.held() == held })
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			d := r.dialog("udp", "labels")
			ports := strings.Split(mlines(d.ask("INVITE", content{"application/sdp", offer(line+"a=label:1\r\n", line+"a=label:2\r\n")})), ", ")
			d.acknowledge("")
			d.ask("UPDATE", content{"application/rs-metadata", meta(party("b", "sip:bob@example.org", 2) + party("a", "sip:ann@example.org", 1))})
			change(r, d)
			speak(t, ports[0]+"\r\n", 0, 0, 10)
			speak(t, ports[1]+"\r\n", 0, 0, 20)
			r.await("packets on the sides that they had", func() bool {
				return r.sink.of("caller guest 0 pcmu") == 10 && r.sink.of("callee operator 1 pcmu") == 20
			})
		})
	}
}

// askUpdate gives the status of an UPDATE with an offer.
func (r *rig) askUpdate(d *dialog, sdp string) int {
	r.tb.Helper()
	d.sequence++
	defer func() { d.sequence-- }() // the INVITE's ACK is to come
	return r.ask(d.wire, d.write("UPDATE", d.sequence, content{"application/sdp", sdp})).Status()
}

// An offer of ours that could not be sent keeps no later one of the client
// waiting.
func TestOfferIsNotSent(t *testing.T) {
	r := newRig(t, nil)
	d := r.dialog("udp", "unsent")
	held := content{"application/sdp", offer("m=audio 9000 RTP/AVP 0\r\na=inactive\r\n")}
	d.ask("INVITE", held)
	d.acknowledge("")
	r.await("an UPDATE after the offer", func() bool {
		d.sequence += 2
		// The answer repeats what came, and is too large for a datagram with
		// the description.
		long := d.write("INVITE", d.sequence-1, content{})
		long = strings.Replace(long, "From: ", "From: "+strings.Repeat("x", 65_450-len(long))+" ", 1)
		if err := d.wire.Write(long); err != nil {
			t.Fatal(err)
		}
		res := r.ask(d.wire, d.write("UPDATE", d.sequence, held))
		return res.Status() == 200 && strings.Fields(res.Body)[3] != "1" // else it has overtaken the INVITE
	})
}

// A client that changes its call again and again and acknowledges nothing has
// one answer repeated, not all of them.
func TestUnacknowledgedChanges(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.T1 = patience })
	d := r.dialog("udp", "unacknowledged")
	body := content{"application/sdp", offer("m=audio 9000 RTP/AVP 0\r\n")}
	d.ask("INVITE", body)
	d.ask("INVITE", body)
	before := runtime.NumGoroutine()
	for range 50 {
		d.ask("INVITE", body)
	}
	r.await("the waiting for earlier ACKs to end", func() bool { return runtime.NumGoroutine() < before+10 })
	d.acknowledge("")
	d.ask("BYE", content{})
	r.book.over()
}

// What a client has said is not kept longer than it takes to understand it,
// though answers are kept for repetitions.
func TestLargeChanges(t *testing.T) {
	r := newRig(t, nil)
	d := r.dialog("tcp", "large")
	sdp := offer("m=audio 9000 RTP/AVP 0\r\n")
	body := content{"multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp + "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" +
		meta(strings.Repeat("<!-- nothing -->", 60_000)) + "\r\n--b--\r\n"}
	d.ask("INVITE", body)
	before := heap()
	const changes = 3
	for range changes {
		d.acknowledge("")
		d.ask("INVITE", body)
	}
	d.acknowledge("")
	if grown := heap() - before; grown > changes*int64(len(body.text))/4 {
		t.Errorf("%d messages of %d bytes left %d behind", changes, len(body.text), grown)
	}
}

// heap gives the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
