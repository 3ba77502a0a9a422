package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// Of a call in which one side alone was heard, that side comes to both ears.
func TestBrowserPhoneOne(t *testing.T) {
	port := freePort(t)
	n := start(t, "--sip-port", port)
	calls := []string{
		oneSided(t, n, "127.0.0.1:"+port, 0), "500",
		oneSided(t, n, "127.0.0.1:"+port, 1), "1500",
	}
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			runScript(t, []string{"BROWSER=" + browser}, append([]string{"phone-one.mjs", anotherLink(t, n)}, calls...)...)
		})
	}
}

// oneSided has a recording client bring a call in which one line alone sends,
// the caller's a tone of 500 Hz or the callee's one of 1500 Hz, and gives the
// session that became of it.
func oneSided(t *testing.T, n *node.Node, target string, speaks int) string {
	t.Helper()
	const length = 8 * time.Second
	ctx := within(t, time.Minute)
	call, err := testmedia.Call(ctx, testmedia.CallSpec{Target: target, Voices: []testmedia.Voice{
		{Name: "Caller", Address: "sip:+420123456789@example.com", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 500, length)},
		{Name: "Callee", Address: "sip:desk@example.com", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 1500, length)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	silent := func(line, _ int) bool { return line != speaks }
	if _, err := call.Talk(ctx, testmedia.Talk{For: length, Pause: silent}); err != nil {
		t.Fatal(err)
	}
	if err := call.Bye(ctx); err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []node.Session }
	if err := n.JSON(ctx, http.MethodGet, "/api/v1/sessions?limit=1", nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("sessions: got %d, want that of the call", len(list.Items))
	}
	if _, err := n.Await(ctx, list.Items[0].ID, node.Finished); err != nil {
		t.Fatal(err)
	}
	return list.Items[0].ID
}
