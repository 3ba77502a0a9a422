package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/reelvault/reelvault"
)

// secretBytes is the length of a secret: 256 random bits, so that a plain
// hash is enough to keep it.
const secretBytes = 32

// secretPrefix begins every secret of kind k that we make, so that scanners of
// repositories and logs know one when they see it.
func secretPrefix(k reelvault.CredentialKind) string {
	switch k {
	case reelvault.CredentialToken:
		return "rvt_"
	case reelvault.CredentialLink:
		return "rvl_"
	case reelvault.CredentialCookie:
		return "rvc_"
	case reelvault.CredentialInvitation:
		return "rvi_"
	default:
		return "rvk_" // tickets
	}
}

// NewSecret makes a secret for a credential of kind k and the hash to keep.
// The secret is URL-safe.
func NewSecret(k reelvault.CredentialKind) (reelvault.Secret, [32]byte) {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails, as crypto/rand documents
	s := secretPrefix(k) + base64.RawURLEncoding.EncodeToString(b)
	return reelvault.Secret(s), HashSecret(s)
}

// HashSecret gives what a Credential keeps of a secret: its SHA-256.
func HashSecret(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// csrfToken gives the token that a page must repeat in X-CSRF-Token. It is
// derived from the cookie, which no page can read and no other site knows.
func csrfToken(cookie string) string {
	sum := sha256.Sum256([]byte("csrf\x00" + cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
