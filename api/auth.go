package api

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
)

// A sign-in lasts cookieLife after its last use; its end is moved at most
// once in cookieRenewal, so that not every request writes to the catalog.
const (
	cookieLife    = 12 * time.Hour
	cookieRenewal = 10 * time.Minute
)

// csrfHeader carries the token that proves that a page of ours made the
// request. getMe and signIn give it.
const csrfHeader = "X-CSRF-Token"

// caller is who makes a request, and about what.
type caller struct {
	reelvault.Principal
	credential reelvault.Credential
	secret     string // of the credential, as it was shown
	address    string
	keys       []string // of the Idempotency-Key header
	operation  string
	target     string
}

// signedInAsPerson says whether the caller is a person in a browser.
func (c *caller) signedInAsPerson() bool { return c.credential.Kind == reelvault.CredentialCookie }

type callerKey struct{}

// callerOf gives the caller that guard put into ctx.
func callerOf(ctx context.Context) *caller {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		panic("operation without a guard")
	}
	return c
}

// authenticate fills in c from the request's credential. An Authorization
// header decides alone: a browser never adds one by itself.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, c *caller) error {
	err := s.identify(w, r, c)
	if err != nil && reelvault.KindOf(err) == reelvault.Unauthenticated {
		return s.failed(c, err)
	}
	return err
}

// failed gives err, or Limited if too many requests from the caller's address
// had no valid credential: secrets are too long to be guessed, but each
// denial is a row of the audit log.
func (s *Server) failed(c *caller, err error) error {
	if limited := s.failures.take(bucketOf(c.address), s.now()); limited != nil {
		return limited
	}
	return err
}

func (s *Server) identify(w http.ResponseWriter, r *http.Request, c *caller) error {
	if h := r.Header.Get("Authorization"); h != "" {
		return s.identifyBearer(r.Context(), h, c)
	}
	cookie, err := r.Cookie(s.cookieName())
	if err != nil || cookie.Value == "" {
		return reelvault.Errorf(reelvault.Unauthenticated, "this needs a token or a sign-in")
	}
	if err := s.identifyCookie(r.Context(), cookie.Value, c); err != nil {
		return err
	}
	s.renewCookie(w, r, c)
	return s.checkForgery(r, c)
}

func (s *Server) identifyBearer(ctx context.Context, header string, c *caller) error {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return reelvault.Errorf(reelvault.Unauthenticated, "the Authorization header is no Bearer token")
	}
	kind := reelvault.CredentialToken
	for _, k := range []reelvault.CredentialKind{reelvault.CredentialTicket, reelvault.CredentialInvitation} {
		if strings.HasPrefix(secret, secretPrefix(k)) {
			kind = k
		}
	}
	cred, err := s.credential(ctx, kind, secret)
	if err != nil && kind == reelvault.CredentialInvitation && reelvault.KindOf(err) == reelvault.Unauthenticated {
		return reelvault.Errorf(reelvault.Unauthenticated, "the invitation is unknown, expired or revoked")
	}
	if err != nil {
		return err
	}
	if cred.FileID != "" {
		return errNoCredential() // tickets for bytes are good in /media only
	}
	c.credential, c.secret = cred, secret
	c.Principal = reelvault.Principal{TenantID: cred.TenantID, ID: cred.ID, Name: cred.Name, Scopes: cred.Scopes}
	return nil
}

func (s *Server) identifyCookie(ctx context.Context, secret string, c *caller) error {
	cred, err := s.credential(ctx, reelvault.CredentialCookie, secret)
	if err != nil {
		return err
	}
	p, err := s.Catalog.Person(ctx, cred.PersonID)
	if err != nil && reelvault.KindOf(err) == reelvault.NotFound {
		return errNoCredential()
	}
	if err != nil {
		return err
	}
	c.credential, c.secret = cred, secret
	c.Principal = reelvault.Principal{TenantID: p.TenantID, ID: p.ID, Name: p.Name, Scopes: p.Scopes}
	return nil
}

// credential gives the valid credential with this secret, or Unauthenticated.
func (s *Server) credential(ctx context.Context, k reelvault.CredentialKind, secret string) (reelvault.Credential, error) {
	cred, err := s.Catalog.Credential(ctx, k, HashSecret(secret), s.now())
	if err != nil && reelvault.KindOf(err) == reelvault.NotFound {
		return reelvault.Credential{}, errNoCredential()
	}
	return cred, err
}

func errNoCredential() error {
	return reelvault.Errorf(reelvault.Unauthenticated, "the credential is unknown, expired or revoked")
}

// checkOrigin refuses unsafe requests that another site made a browser send.
func (s *Server) checkOrigin(r *http.Request) error {
	if err := s.cross.Check(r); err != nil {
		return reelvault.Errorf(reelvault.Forbidden, "the request comes from another site")
	}
	return nil
}

// checkForgery refuses what another site made a browser send with our cookie.
func (s *Server) checkForgery(r *http.Request, c *caller) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if err := s.checkOrigin(r); err != nil {
		return err
	}
	want := csrfToken(c.secret)
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(csrfHeader)), []byte(want)) != 1 {
		return reelvault.Errorf(reelvault.Forbidden, "the %s header is missing or wrong", csrfHeader)
	}
	return nil
}

// renewCookie moves the end of a sign-in that is used. A failure costs only
// the prolongation.
func (s *Server) renewCookie(w http.ResponseWriter, r *http.Request, c *caller) {
	until := s.now().Add(cookieLife)
	if until.Sub(c.credential.ExpiresAt) < cookieRenewal {
		return
	}
	if err := s.Catalog.Prolong(r.Context(), c.credential.ID, until); err != nil {
		s.log.WarnContext(r.Context(), "sign-in not prolonged", "request", requestID(r.Context()), "error", err)
		return
	}
	c.credential.ExpiresAt = until
	http.SetCookie(w, s.newCookie(c.secret, cookieLife))
}

// cookieName gives the name of the sign-in cookie. The __Host- prefix makes
// browsers insist on Secure, Path=/ and no Domain (RFC 6265bis).
func (s *Server) cookieName() string {
	if s.secure() {
		return "__Host-reelvault"
	}
	return "reelvault"
}

// newCookie makes the sign-in cookie; a life of 0 removes it.
func (s *Server) newCookie(secret string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(), Value: secret, Path: "/",
		MaxAge: int(life.Seconds()), Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if life == 0 {
		c.MaxAge = -1
	}
	return c
}

// canonicalID is the length of a UUID's canonical text form.
const canonicalID = 36

// validID says whether s can be an id of ours.
func validID(s string) bool {
	return len(s) == canonicalID && uuid.Validate(s) == nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
