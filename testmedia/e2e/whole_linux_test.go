package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	wholeLength = 2 * time.Minute
	wholeFile   = 20 << 20 // bytes
	cutLength   = 5 * time.Second
	screenTone  = 440 // Hz
	mostCalls   = 3   // farEnd has as many addresses
)

// span is a time on the wall clock.
type span struct{ from, to time.Time }

// whole is a call with what is known of it besides the recordings.
type whole struct {
	node  *node.Node
	paths map[string]string // of downloaded files, by their ids
	cut   span              // the network's
	facts struct {          // what whole.mjs tells
		Together, Connected, Over int64
		Reload                    [2]int64
		Shared                    struct{ Name, SHA256 string }
		Marks                     map[string][][2]float64 // ms
		SoundDelay                int64                   // ms
	}
}

// A guest in Chromium, in a network that breaks for 5 s and then gives it another
// address, and an operator in Firefox, who loads the page anew, have a call of two
// minutes with a screen, a file and messages: all of it is there, once, in its
// place and in sync.
//
// Browsers that did not get to make their sound in time say nothing of how far
// apart it was recorded: then there is another call. What else is wrong with a
// call is wrong at once.
func TestWhole(t *testing.T) {
	if !inside(t) {
		return
	}
	far := newFarNetwork(t)
	n := startAt(t, nearEnd)
	t.Setenv("CHROMIUM", far.chromium(t, n.Base))
	t.Setenv("FIREFOX", firefox(t))
	for call := 1; ; call++ {
		w, all := holdWhole(t, n, func() span { return far.cut(t, cutLength, farEnd(call)) })
		av := w.checkRecordings(t, all)
		guest, operator := lost(w.marks("guest")), lost(w.marks("operator"))
		t.Logf("call %d: the sound of the guest lost %v against the wall clock, the operator's %v", call, guest, operator)
		if call < mostCalls && !t.Failed() && max(guest.Abs(), operator.Abs()) > lostLimit {
			t.Logf("a browser lost more than %v of its sound, for it lacked the processor: once more", lostLimit)
			continue
		}
		checkSync(t, w, av)
		return
	}
}

// holdWhole has a call, and gives what is recorded of it.
func holdWhole(t *testing.T, n *node.Node, cut func() span) (whole, []node.Recording) {
	t.Helper()
	w := whole{node: n, paths: map[string]string{}}
	session := newSession(t, n)
	guest := invite(t, n, session, "guest", "guest")
	operator := invite(t, n, session, "operator", "operator")
	text := runCues(t, map[string]func(){"cut": func() { w.cut = cut() }}, "whole.mjs", guest.URL, operator.URL,
		strconv.FormatFloat(wholeLength.Seconds(), 'f', -1, 64), strconv.Itoa(wholeFile), strconv.Itoa(screenTone))
	said, data, _ := strings.Cut(text, "facts: ")
	t.Log(said)
	if err := json.Unmarshal([]byte(data), &w.facts); err != nil {
		t.Fatal(err)
	}
	all, err := n.Await(within(t, time.Minute), session, node.Finished)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the media came again %v after the network", time.UnixMilli(w.facts.Connected).Sub(w.cut.to))
	w.checkActivities(t, session)
	return w, all
}

// path gives where a copy of a recording's file is.
func (w whole) path(t *testing.T, rec node.Recording, file string) string {
	t.Helper()
	for _, f := range rec.Files {
		if f.ID == file && w.paths[file] == "" {
			w.paths[file] = w.fetch(t, f)
		}
	}
	return w.paths[file]
}

func (w whole) fetch(t *testing.T, f node.File) string {
	t.Helper()
	data, err := w.node.Download(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.ArtifactDir(), f.ID+"."+f.Container)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// broken says whether somebody was not in the call at a time, or hardly.
func (w whole) broken(who string, at time.Time) bool {
	from, to := w.cut.from, time.UnixMilli(w.facts.Connected)
	if who == "operator" {
		from, to = time.UnixMilli(w.facts.Reload[0]), time.UnixMilli(w.facts.Reload[1])
	}
	return at.After(from.Add(-time.Second)) && at.Before(to.Add(time.Second))
}

// marks gives what somebody made, during breaks, too.
func (w whole) marks(who string) []mark {
	var marks []mark
	for _, ms := range w.facts.Marks[who] {
		m := mark{beep: time.UnixMicro(int64(ms[0] * 1000))}
		if ms[1] > 0 {
			m.flash = time.UnixMicro(int64(ms[1] * 1000))
		}
		marks = append(marks, m)
	}
	return marks
}
