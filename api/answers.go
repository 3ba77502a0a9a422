package api

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	// answersBytes bounds what all kept answers take: about 15,000 new sessions.
	answersBytes = 16 << 20

	// answerBytes bounds one answer. Only recordings with hundreds of gaps are
	// larger, and their state refuses a second pause, resume or stop anyway.
	answerBytes = 64 << 10

	// answerCost is what an answer takes beside its bytes.
	answerCost = 512
)

// answers keeps what requests with an Idempotency-Key were answered, and knows
// which of them are running. When it is full, whoever holds most loses the
// oldest: nobody can push out what others count on.
type answers struct {
	mu      sync.Mutex
	running map[[sha256.Size]byte][sha256.Size]byte // fingerprints by id
	kept    map[[sha256.Size]byte]*keptAnswer
	shares  map[string]*share // by owner
	bytes   int
}

type keptAnswer struct {
	id, fingerprint [sha256.Size]byte
	at              time.Time
	sealed          []byte
}

func (k *keptAnswer) cost() int { return len(k.sealed) + answerCost }

// share is what one owner holds.
type share struct {
	oldest []*keptAnswer // first
	bytes  int
}

func newAnswers() *answers {
	return &answers{
		running: map[[sha256.Size]byte][sha256.Size]byte{},
		kept:    map[[sha256.Size]byte]*keptAnswer{},
		shares:  map[string]*share{},
	}
}

// begin gives the kept answer of a. If there is none the caller does what is
// asked for, and calls finish. A key that stands for another request is
// Invalid, one whose request runs is a Conflict.
func (k *answers) begin(a attempt, now time.Time) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire(now)
	fingerprint, running := k.running[a.id]
	earlier := k.kept[a.id]
	if earlier != nil {
		fingerprint = earlier.fingerprint
	}
	switch {
	case !running && earlier == nil:
		k.running[a.id] = a.fingerprint
		return nil, nil
	case fingerprint != a.fingerprint:
		return nil, errSameKey(reelvault.Invalid, "the key was used for another request")
	case running:
		return nil, errSameKey(reelvault.Conflict, "the request with this key is still running")
	}
	return earlier.sealed, nil
}

// finish ends a. Without an answer the key is free again.
func (k *answers) finish(a attempt, sealed []byte, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, a.id)
	if sealed == nil || len(sealed) > answerBytes {
		return
	}
	answer := &keptAnswer{a.id, a.fingerprint, now, sealed}
	held := k.shares[a.owner]
	if held == nil {
		held = &share{}
		k.shares[a.owner] = held
	}
	k.kept[a.id] = answer
	held.oldest = append(held.oldest, answer)
	held.bytes += answer.cost()
	k.bytes += answer.cost()
	for k.bytes > answersBytes {
		k.dropOldest(k.largest())
	}
}

// expire drops what is older than keyLife.
func (k *answers) expire(now time.Time) {
	for owner, held := range k.shares {
		for len(held.oldest) > 0 && now.Sub(held.oldest[0].at) >= keyLife {
			k.dropOldest(owner)
		}
	}
}

func (k *answers) largest() string {
	most, largest := 0, ""
	for owner, held := range k.shares {
		if held.bytes > most {
			most, largest = held.bytes, owner
		}
	}
	return largest
}

func (k *answers) dropOldest(owner string) {
	held := k.shares[owner]
	answer := held.oldest[0]
	held.oldest = held.oldest[1:]
	held.bytes -= answer.cost()
	k.bytes -= answer.cost()
	delete(k.kept, answer.id)
	if len(held.oldest) == 0 {
		delete(k.shares, owner)
	}
}
