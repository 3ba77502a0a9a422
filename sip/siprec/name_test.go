package siprec_test

import (
	"strings"
	"testing"

	"github.com/reelvault/reelvault/sip/siprec"
)

// A display name is one line of valid text, however long and odd it came.
func TestName(t *testing.T) {
	tests := []struct{ name, want string }{
		{"Ann", "Ann"},
		{" Ann\r\n Smith\t", "Ann Smith"},
		{"A\x00n\x1bn\u0085", "Ann"},
		{"\xff\xfeAnn\xc3", "Ann"},
		{"\x00", ""},
		{"a" + strings.Repeat("é", 200), "a" + strings.Repeat("é", 127)},
	}
	for _, tt := range tests {
		if got := siprec.Name(tt.name); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
