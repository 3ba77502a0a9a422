package e2e_test

import "testing"

// A page that was left captures nothing, sends nothing and renews nothing, and
// the others know at once.
func TestCallLeave(t *testing.T) {
	n := start(t)
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			session := newSession(t, n)
			url, other := invite(t, n, session, "guest", "guest").URL, invite(t, n, session, "operator", "other").URL
			runScript(t, []string{"BROWSER=" + browser}, "call-leave.mjs", url, other)
		})
	}
}
