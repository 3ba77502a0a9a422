package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// idempotencyHeader names one attempt of a client
// (draft-ietf-httpapi-idempotency-key-header). The same key again, from the
// same credential and with the same request, gives the first answer once more
// instead of a second effect.
const idempotencyHeader = "Idempotency-Key"

// keyLife is how long a key is remembered, as long as clients usually count
// on. A start of the program forgets all of them.
const keyLife = 24 * time.Hour

// keyPattern takes the draft's form, a quoted string (RFC 8941, section 3.3.3),
// and the bare one that most clients send.
var keyPattern = regexp.MustCompile(`^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--~]{1,255})$`)

type handler[I, O any] func(ctx context.Context, c *caller, in *I) (*O, error)

// onlyOnce makes handle heed the Idempotency-Key. Only successes are kept:
// what was refused has had no effect, and may be tried again with its key.
func onlyOnce[I, O any](s *Server, handle handler[I, O]) handler[I, O] {
	return func(ctx context.Context, c *caller, in *I) (*O, error) {
		if len(c.keys) == 0 {
			return handle(ctx, c, in)
		}
		a, err := newAttempt(ctx, c, in)
		if err != nil {
			return nil, err
		}
		sealed, err := s.answers.begin(a, s.now())
		if err != nil {
			return nil, err
		}
		if sealed != nil {
			return open[O](a, sealed)
		}
		defer func() { s.answers.finish(a, sealed, s.now()) }()
		out, err := handle(ctx, c, in)
		if err != nil {
			return nil, err
		}
		sealed, err = seal(a, out)
		return out, err
	}
}

// attempt is one request that may come again.
type attempt struct {
	id          [sha256.Size]byte // of the key, among those of its credential
	fingerprint [sha256.Size]byte // of what is asked for
	owner       string            // the credential
	box         cipher.AEAD
}

// newAttempt reads the key of a request. Answers hold secrets, so they are kept
// encrypted under what only the client has: its credential and the key.
func newAttempt(ctx context.Context, c *caller, in any) (attempt, error) {
	if len(c.keys) != 1 || !keyPattern.MatchString(c.keys[0]) {
		return attempt{}, httpProblem(ctx, http.StatusBadRequest,
			"the "+idempotencyHeader+" header has to be one string of 1 to 255 visible characters")
	}
	key := c.keys[0]
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		key = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(inner[:len(inner)-1])
	}
	request, err := json.Marshal(in)
	if err != nil {
		return attempt{}, fmt.Errorf("fingerprint request: %w", err)
	}
	secret := hmac.New(sha256.New, []byte(c.secret))
	secret.Write([]byte("idempotency\x00" + key))
	block, err := aes.NewCipher(secret.Sum(nil))
	if err != nil {
		return attempt{}, fmt.Errorf("make cipher: %w", err)
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return attempt{}, fmt.Errorf("make cipher: %w", err)
	}
	return attempt{
		id:          sha256.Sum256([]byte(c.credential.ID + "\x00" + key)),
		fingerprint: sha256.Sum256([]byte(c.operation + "\x00" + string(request))),
		owner:       c.credential.ID,
		box:         box,
	}, nil
}

func seal(a attempt, out any) ([]byte, error) {
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("keep answer: %w", err)
	}
	return a.box.Seal(nil, nil, text, a.id[:]), nil
}

func open[O any](a attempt, sealed []byte) (*O, error) {
	text, err := a.box.Open(nil, nil, sealed, a.id[:])
	if err != nil {
		return nil, fmt.Errorf("open kept answer: %w", err)
	}
	var out O
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("open kept answer: %w", err)
	}
	return &out, nil
}

// documentKey writes the header into the OpenAPI document.
func documentKey(op *huma.Operation) {
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: idempotencyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "A string of your own for this attempt. The same again within 24 hours gives the same answer without a second effect; " +
			"with another request it is 422, while the first one runs 409. Forgotten when the server starts anew.",
	})
}

// errSameKey is the answer to a key that is in use.
func errSameKey(k reelvault.Kind, message string) error {
	return &reelvault.Error{Kind: k, Message: message, Location: "header." + idempotencyHeader}
}
