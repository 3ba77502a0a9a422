package e2e_test

import "testing"

// The call page serves who has no mouse, a small phone, a browser that wants a
// tap before it makes a sound, or no devices at all.
func TestCallKeys(t *testing.T) {
	n := start(t)
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			session := newSession(t, n)
			url, other := invite(t, n, session, "operator", "operator").URL, invite(t, n, session, "guest", "other").URL
			runScript(t, []string{"BROWSER=" + browser, "OUT_DIR=" + t.ArtifactDir()}, "call-keys.mjs", url, other)
		})
	}
}
