package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// invitation is what tests read of an invitation.
type invitation struct{ ID, URL, Participant string }

// invite makes an invitation with an address that a browser can open.
func invite(t *testing.T, n *node.Node, session, role, participant string) invitation {
	t.Helper()
	var got invitation
	wish := map[string]string{"role": role, "participant": participant, "name": strings.ToUpper(participant[:1]) + participant[1:]}
	if err := n.JSON(t.Context(), http.MethodPost, "/api/v1/sessions/"+session+"/invitations", wish, &got); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(got.URL, "/") {
		got.URL = n.Base + got.URL
	}
	return got
}

// An operator in Chromium and a guest in Firefox have a call on its page: they
// see and hear each other, write, share a file and a screen, come back after a
// reload and after the server was killed, and it is recorded.
func TestCall(t *testing.T) {
	n := start(t)
	session := newSession(t, n)
	operator := invite(t, n, session, "operator", "operator")
	guest := invite(t, n, session, "guest", "guest")
	other := invite(t, n, session, "guest", "other")
	text := runCues(t, map[string]func(){
		"kill": func() {
			checkTogether(t, n, session)
			if err := n.Kill(); err != nil {
				t.Error(err)
			}
		},
		"restart": func() {
			if err := n.Restart(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"withdraw": func() {
			path := "/api/v1/sessions/" + session + "/invitations/" + other.ID
			if _, err := n.Do(t.Context(), http.MethodDelete, path, nil); err != nil {
				t.Error(err)
			}
		},
	}, "call.mjs", operator.URL, guest.URL, other.URL)
	t.Logf("%s", text)
	all, err := n.Await(within(t, 30*time.Second), session, node.Finished)
	if err != nil {
		t.Fatal(err)
	}
	checkCall(t, all)
}

// From the page of a session somebody is invited, and the invitation withdrawn.
func TestInvite(t *testing.T) {
	n := start(t)
	session := newSession(t, n)
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			env := []string{"BROWSER=" + browser, "OUT_DIR=" + t.ArtifactDir()}
			runScript(t, env, "call-invite.mjs", anotherLink(t, n), session)
		})
	}
}

// checkTogether wants one recording of camera and microphone that both are in,
// the guest only once, although the page was loaded anew.
func checkTogether(t *testing.T, n *node.Node, session string) {
	t.Helper()
	all, err := n.Recordings(t.Context(), session)
	if err != nil {
		t.Error(err)
		return
	}
	var running []node.Recording
	for _, r := range all {
		if r.Kind == "av" {
			running = append(running, r)
		}
	}
	if len(running) != 1 || running[0].State != "recording" {
		t.Errorf("recordings of kind av: got %+v, want one that runs", running)
		return
	}
	who := map[string]bool{}
	for _, track := range running[0].Tracks {
		who[track.ParticipantID] = true
	}
	if len(who) != 2 || !who["operator"] || !who["guest"] {
		t.Errorf("participants of the recording: got %v, want the operator and the guest", who)
	}
}

// checkCall wants every part of the call among its recordings, whole.
func checkCall(t *testing.T, all []node.Recording) {
	t.Helper()
	kinds := map[string]int{}
	for _, r := range all {
		kinds[r.Kind]++
		if r.State != "ready" {
			t.Errorf("recording %s of kind %s is %s, want ready", r.ID, r.Kind, r.State)
		}
	}
	if kinds["av"] == 0 || kinds["screen"] != 1 || kinds["file"] != 3 {
		t.Errorf("kinds of recordings: got %v, want av, one screen and three files", kinds)
	}
	if !muted(all, "guest") {
		t.Errorf("no sound of the guest has a gap of cause mute: %+v", all)
	}
}

// muted says whether somebody's microphone was noted to be off.
func muted(all []node.Recording, participant string) bool {
	for _, r := range all {
		for _, track := range r.Tracks {
			if track.ParticipantID != participant || track.Media != "audio" {
				continue
			}
			for _, gap := range track.Gaps {
				if gap.Cause == "mute" {
					return true
				}
			}
		}
	}
	return false
}

// runCues runs a script of testmedia/browser with an OUT_DIR. A line "cue: NAME"
// that it prints asks for something to be done; it is answered when that is.
func runCues(t *testing.T, cues map[string]func(), args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), "OUT_DIR="+t.ArtifactDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answers, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		name, ok := strings.CutPrefix(lines.Text(), "cue: ")
		if !ok {
			continue
		}
		if act := cues[name]; act != nil {
			act()
		} else {
			t.Errorf("no cue %q", name)
		}
		if _, err := io.WriteString(answers, name+"\n"); err != nil {
			t.Errorf("answer %s: %v", name, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("node %s: %v\n%s%s", args[0], err, text.String(), stderr.Bytes())
	}
	return text.String()
}
