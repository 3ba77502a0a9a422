package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"
)

// What tests and fuzzing reach directly: the parsers of what a client chose.
var (
	Disposition       = disposition
	SharedDisposition = sharedDisposition
	ClientAddress     = clientAddress
	ParseMetadata     = parseMetadata
)

// Shut says whether nobody can come into a session, or leave it, now.
func (f *Feed) Shut(sessionID string) bool {
	door := &f.of(sessionID).door
	if !door.TryLock() {
		return true
	}
	door.Unlock()
	return false
}

// Tied says whether a connection or stream ties somebody to a session.
func (f *Feed) Tied(tenantID, sessionID, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.present[person{place{tenantID, sessionID}, id}]
	return p != nil && p.ties > 0
}

// HangUpUninvited is what Run does now and then.
func (s *Server) HangUpUninvited(ctx context.Context) { s.hangUpUninvited(ctx) }

// Keeps says whether s keeps text, as it is, in any answer.
func (s *Server) Keeps(text string) bool {
	for _, k := range s.answers.kept {
		if bytes.Contains(k.sealed, []byte(text)) {
			return true
		}
	}
	return false
}

// Answers is the store behind Idempotency-Key, filled without requests.
type Answers struct{ *answers }

// NewAnswers makes an empty store.
func NewAnswers() Answers { return Answers{newAnswers()} }

// Keep keeps an answer of size bytes.
func (k Answers) Keep(owner, key string, size int, now time.Time) error {
	a := attempt{id: sha256.Sum256([]byte(owner + key)), owner: owner}
	if _, err := k.begin(a, now); err != nil {
		return err
	}
	k.finish(a, make([]byte, size), now)
	return nil
}

// Has says whether the answer is there.
func (k Answers) Has(owner, key string) bool {
	_, ok := k.kept[sha256.Sum256([]byte(owner+key))]
	return ok
}

// Size gives what is held, counted anew: answers, their owners, and bytes.
func (k Answers) Size() (kept, owners, total int) {
	for _, held := range k.shares {
		for _, answer := range held.oldest {
			total += answer.cost()
		}
	}
	return len(k.kept), len(k.shares), total
}

// Streams counts event streams.
type Streams struct{ *streams }

// NewStreams makes one that has counted none.
func NewStreams() Streams { return Streams{newStreams()} }

// Take takes a place.
func (s Streams) Take(tenant, owner string) (done func(), err error) { return s.take(tenant, owner) }
