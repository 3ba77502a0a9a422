package e2e_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
)

// Of a call in which one side alone was heard, that side comes to both ears.
func TestBrowserPhoneOne(t *testing.T) {
	port := freePort(t)
	n := start(t, "--sip-port", port)
	var calls []string
	for speaks, hertz := range []string{"500", "1500"} {
		talk := testmedia.Talk{For: 8 * time.Second, Pause: func(line, _ int) bool { return line != speaks }}
		calls = append(calls, callOf(t, n, "127.0.0.1:"+port, talk), hertz)
	}
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			runScript(t, []string{"BROWSER=" + browser}, append([]string{"phone-one.mjs", anotherLink(t, n)}, calls...)...)
		})
	}
}
