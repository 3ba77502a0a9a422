package sip_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/sip"
)

// Whatever comes in a datagram, what goes on is a whole message with CRLF in
// its head, and an answer is shorter than what it answers.
func FuzzDatagram(f *testing.F) {
	files, err := filepath.Glob("../testmedia/siprec-samples/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	const head = "INVITE sip:record@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:r@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n" +
		"Contact: <sip:a@h;+sip.src\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n"
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte(head), body...))
		f.Add([]byte(strings.ReplaceAll(head, "\r\n", "\n") + string(body)))
	}
	f.Add([]byte("BYE sip:x SIP/2.0\r\n \r\n\t\r\n:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		onward, answer := sip.Take(data)
		if len(answer) > len(data)+64 {
			t.Errorf("%d bytes are answered with %d", len(data), len(answer))
		}
		if onward == nil {
			return
		}
		head, _, whole := bytes.Cut(onward, []byte("\r\n\r\n"))
		if !whole || bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) {
			t.Errorf("got %q", head)
		}
		if again, _ := sip.Take(onward); !bytes.Equal(again, onward) {
			t.Errorf("a mended message is mended again, from\n%q\nto\n%q", onward, again)
		}
	})
}
