package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
)

// rule says who may call an operation. Exactly one of open, signedIn, invited
// and scopes is set.
type rule struct {
	open     string              // why nobody has to show a credential
	signedIn bool                // any valid credential but an invitation will do
	invited  bool                // an invitation, and nothing else, will do
	scopes   []reelvault.Scope   // any one of them will do
	tickets  []reelvault.Purpose // tickets that are taken, each in its own session only
	target   string              // the kind of thing that {id} names, for the audit log
	cross    bool                // pages of other origins may call it (RFC 9725, section 4.2)
	once     bool                // takes an Idempotency-Key
	tus      bool                // speaks the resumable upload protocol
}

// The tickets that are good for what the Recordings tab does, for publishing
// and watching, for taking part in a call, and for following either.
var (
	tabTickets     = []reelvault.Purpose{reelvault.PurposeTab}
	publishTickets = []reelvault.Purpose{reelvault.PurposePublish, reelvault.PurposeCall}
	watchTickets   = []reelvault.Purpose{reelvault.PurposeWatch, reelvault.PurposeTab, reelvault.PurposeCall}
	callTickets    = []reelvault.Purpose{reelvault.PurposeCall}
	followTickets  = []reelvault.Purpose{reelvault.PurposeTab, reelvault.PurposeCall}
)

// rules is the whole of who may do what. Handlers add only what depends on a
// request's content, and only to refuse more.
var rules = map[string]rule{
	"getHealth":  {open: "tells nothing but that the program runs"},
	"getReady":   {open: "load balancers ask it"},
	"getMetrics": {scopes: []reelvault.Scope{reelvault.ScopeSystem}},
	"getMedia":   {open: "the ticket in the path is the credential"},

	"signIn":  {open: "is how one gets a credential"},
	"signOut": {signedIn: true},
	"getMe":   {signedIn: true},

	"createTenant":      {scopes: []reelvault.Scope{reelvault.ScopeSystem}, once: true},
	"listTenants":       {scopes: []reelvault.Scope{reelvault.ScopeSystem}},
	"getTenant":         {scopes: []reelvault.Scope{reelvault.ScopeTenantAdmin, reelvault.ScopeSystem}, target: "tenant"},
	"updateTenant":      {scopes: []reelvault.Scope{reelvault.ScopeTenantAdmin, reelvault.ScopeSystem}, target: "tenant"},
	"createTenantToken": {scopes: []reelvault.Scope{reelvault.ScopeSystem}, target: "tenant", once: true},

	"createToken": {scopes: []reelvault.Scope{reelvault.ScopeTenantAdmin}, once: true},
	"listTokens":  {scopes: []reelvault.Scope{reelvault.ScopeTenantAdmin}},
	"deleteToken": {scopes: []reelvault.Scope{reelvault.ScopeTenantAdmin}, target: "token"},
	"listAudit":   {scopes: []reelvault.Scope{reelvault.ScopeAuditRead}},

	"createSession": {scopes: []reelvault.Scope{reelvault.ScopeSessionsWrite}, once: true},
	"listSessions":  {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}},
	"getSession":    {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, tickets: tabTickets, target: "session"},
	"endSession":    {scopes: []reelvault.Scope{reelvault.ScopeSessionsWrite}, tickets: callTickets, target: "session", once: true},
	"createTicket": {scopes: []reelvault.Scope{
		reelvault.ScopeIngest, reelvault.ScopeRecordingsWatch, reelvault.ScopeSessionsRead,
	}, target: "session", once: true},

	"listActivities": {scopes: []reelvault.Scope{reelvault.ScopeContentRead}, tickets: followTickets, target: "session"},
	"createActivity": {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", once: true},
	"getEvents":      {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, tickets: followTickets},

	"createInvitation": {scopes: []reelvault.Scope{reelvault.ScopeSessionsWrite}, target: "session", once: true},
	"listInvitations":  {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, target: "session"},
	"deleteInvitation": {scopes: []reelvault.Scope{reelvault.ScopeSessionsWrite}, target: "session"},
	"joinCall":         {invited: true},
	"leaveCall":        {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", once: true},
	"setConsent":       {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", once: true},

	"listRecordings":  {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, tickets: tabTickets, target: "session"},
	"getRecording":    {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, tickets: tabTickets, target: "recording"},
	"getTiming":       {scopes: []reelvault.Scope{reelvault.ScopeSessionsRead}, tickets: tabTickets, target: "recording"},
	"pauseRecording":  {scopes: []reelvault.Scope{reelvault.ScopeRecordingsControl}, tickets: tabTickets, target: "recording", once: true},
	"resumeRecording": {scopes: []reelvault.Scope{reelvault.ScopeRecordingsControl}, tickets: tabTickets, target: "recording", once: true},
	"stopRecording":   {scopes: []reelvault.Scope{reelvault.ScopeRecordingsControl}, tickets: tabTickets, target: "recording", once: true},
	"deleteRecording": {scopes: []reelvault.Scope{reelvault.ScopeRecordingsDelete}, target: "recording"},

	"createUpload":   {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", cross: true, tus: true},
	"getUpload":      {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", cross: true, tus: true},
	"appendUpload":   {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", cross: true, tus: true},
	"deleteUpload":   {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: callTickets, target: "session", cross: true, tus: true},
	"createDownload": {scopes: []reelvault.Scope{reelvault.ScopeRecordingsDownload}, tickets: followTickets, target: "session", once: true},

	"whipPublish": {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: publishTickets, target: "session", cross: true},
	"whipPatch":   {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: publishTickets, target: "session", cross: true},
	"whipDelete":  {scopes: []reelvault.Scope{reelvault.ScopeIngest}, tickets: publishTickets, target: "session", cross: true},
	"whepWatch":   {scopes: []reelvault.Scope{reelvault.ScopeRecordingsWatch}, tickets: watchTickets, target: "session", cross: true},
	"whepPatch":   {scopes: []reelvault.Scope{reelvault.ScopeRecordingsWatch}, tickets: watchTickets, target: "session", cross: true},
	"whepDelete":  {scopes: []reelvault.Scope{reelvault.ScopeRecordingsWatch}, tickets: watchTickets, target: "session", cross: true},
}

// Bodies are small: SDP of a browser with every codec is about 12 KiB.
const (
	maxBody         = 64 << 10
	bodyReadTimeout = 5 * time.Second
)

// register adds an operation with its rule. An operation without one panics:
// that is a mistake of ours, found at the first start.
func register[I, O any](s *Server, api huma.API, op huma.Operation, handle handler[I, O]) {
	r, ok := rules[op.OperationID]
	if !ok {
		panic("operation " + op.OperationID + " has no rule")
	}
	op.MaxBodyBytes = maxBody + 1 // Huma refuses a body of exactly this size, too
	op.BodyReadTimeout = bodyReadTimeout
	op.Middlewares = append(op.Middlewares, s.guard(op.OperationID, r))
	documentRule(api.OpenAPI(), &op, r)
	if r.once {
		documentKey(&op)
		handle = onlyOnce(s, handle)
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		c := callerOf(ctx)
		out, err := handle(ctx, c, in)
		if err != nil {
			s.auditDenial(ctx, c, err)
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
}

// guard lets pass who may call the operation.
func (s *Server) guard(operation string, r rule) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		req, w := humago.Unwrap(hc)
		if r.cross {
			allowOrigins(w.Header())
		}
		if r.tus {
			speakTus(w.Header())
		}
		c := &caller{address: addressOf(req.Context()), operation: operation, target: targetOf(r, req)}
		c.keys = req.Header.Values(idempotencyHeader)
		err := s.admit(w, req, r, c)
		if err == nil {
			err = checkQuery(req.URL.RawQuery)
		}
		if err != nil {
			s.auditDenial(req.Context(), c, err)
			s.fail(w, req, err)
			return
		}
		next(huma.WithValue(hc, callerKey{}, c))
	}
}

// admit finds out who calls and whether r lets them.
func (s *Server) admit(w http.ResponseWriter, req *http.Request, r rule, c *caller) error {
	if r.open != "" {
		return s.checkOrigin(req) // or another site could sign its visitor in as somebody
	}
	if err := s.authenticate(w, req, c); err != nil {
		return err
	}
	if err := s.credentials.take(c.credential.ID, s.now()); err != nil {
		return err
	}
	if invited := c.credential.Kind == reelvault.CredentialInvitation; invited != r.invited {
		if invited {
			return reelvault.Errorf(reelvault.Forbidden, "an invitation is only good for joining the call")
		}
		return reelvault.Errorf(reelvault.Forbidden, "this takes an invitation")
	}
	if r.signedIn || r.invited {
		return nil
	}
	if !slices.ContainsFunc(r.scopes, c.Can) {
		return missingScope(r.scopes)
	}
	if c.credential.Kind != reelvault.CredentialTicket {
		return nil
	}
	if !slices.Contains(r.tickets, c.credential.Purpose) {
		return reelvault.Errorf(reelvault.Forbidden, "a ticket to %s is not good for this", c.credential.Purpose)
	}
	if r.target == "session" && c.credential.SessionID != req.PathValue("id") {
		return reelvault.Errorf(reelvault.NotFound, "the ticket is for another session")
	}
	return nil
}

func missingScope(scopes []reelvault.Scope) error {
	return reelvault.Errorf(reelvault.Forbidden, "this needs the scope %s", strings.Join(scopeNames(scopes), " or "))
}

func scopeNames(scopes []reelvault.Scope) []string {
	names := make([]string, len(scopes))
	for i, sc := range scopes {
		names[i] = string(sc)
	}
	return names
}

// checkQuery refuses what Huma would leave out in silence, so that a filter
// that went wrong doesn't give everything: a part that can't be read, and the
// second value of a parameter.
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return &reelvault.Error{Kind: reelvault.Invalid, Message: "the query can't be read", Location: "query", Cause: err}
	}
	for name, values := range query {
		if len(values) > 1 {
			return &reelvault.Error{Kind: reelvault.Invalid, Message: "a parameter is given twice", Location: "query." + name}
		}
	}
	return nil
}

// documentRule writes r into the OpenAPI document.
func documentRule(spec *huma.OpenAPI, op *huma.Operation, r rule) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = problemResponse(spec.Components.Schemas)
	op.Extensions = map[string]any{}
	op.Security = []map[string][]string{}
	if r.open != "" {
		op.Extensions["x-reelvault-open"] = r.open
		return
	}
	if r.invited {
		op.Security = append(op.Security, map[string][]string{"bearer": {}})
		op.Extensions["x-reelvault-invited"] = true
		return
	}
	names := scopeNames(r.scopes)
	op.Security = append(op.Security, map[string][]string{"bearer": names}, map[string][]string{"cookie": names})
	op.Extensions["x-reelvault-scopes"] = names
	purposes := make([]string, len(r.tickets))
	for i, p := range r.tickets {
		purposes[i] = string(p)
	}
	op.Extensions["x-reelvault-tickets"] = purposes
}

// targetOf names what the request is about, for the audit log. A name that
// can't be an id of ours is left out: it is the client's to choose.
func targetOf(r rule, req *http.Request) string {
	if r.target == "" {
		return ""
	}
	id := req.PathValue("id")
	if !validID(id) {
		id = "?"
	}
	return r.target + "/" + id
}
