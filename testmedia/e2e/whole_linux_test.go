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
	}
}

// A guest in Chromium, in a network that breaks for 5 s, and an operator in
// Firefox, who loads the page anew, have a call of two minutes with a screen, a
// file and messages: all of it is there, once, in its place and in sync.
func TestWhole(t *testing.T) {
	if !inside(t) {
		return
	}
	far := newFarNetwork(t)
	n := startAt(t, nearEnd)
	w := whole{node: n, paths: map[string]string{}}
	t.Setenv("CHROMIUM", far.chromium(t, n.Base))
	t.Setenv("FIREFOX", firefox(t))
	session := newSession(t, n)
	guest := invite(t, n, session, "guest", "guest")
	operator := invite(t, n, session, "operator", "operator")
	text := runCues(t, map[string]func(){
		"cut": func() { w.cut = far.cut(t, cutLength) },
	}, "whole.mjs", guest.URL, operator.URL, strconv.FormatFloat(wholeLength.Seconds(), 'f', -1, 64), strconv.Itoa(wholeFile))
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
	w.checkRecordings(t, all)
	w.checkActivities(t, session)
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
