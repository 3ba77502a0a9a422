package siprec

import (
	"strings"
	"unicode"
)

const (
	maxParticipants = 100
	maxStreams      = 100
	maxAddress      = 512 // bytes of an address of record
	maxName         = 256 // bytes of a display name
)

// Metadata is the recording metadata, as far as a recorder needs it.
type Metadata struct {
	SessionID    string // of the communication session, or empty
	DataMode     string // "complete", "partial", or empty
	Participants []Participant
	Streams      []Stream
	Notes        []Note

	assocs []assoc
	caller string // user part or number of who called, from an extension, or empty
}

// Participant is one party of the call.
type Participant struct {
	ID      string // as the client names it, without "urn:uuid:"
	Address string // address of record as a URI without parameters, or empty
	Name    string // display name, or empty
	Calling bool   // an extension says that this party called
	Left    bool   // has been disassociated from the session
}

// Stream is one media stream that the client sends.
type Stream struct {
	ID    string
	Label string // of its m-line (RFC 4574), or empty
}

// assoc says what a participant sends and receives.
type assoc struct {
	participant string
	send, recv  []string // stream ids
	ended       bool
}

// Parse reads metadata of any draft. It never fails: what it could not read it
// says in the notes.
func Parse(text []byte) Metadata {
	r := reader{}
	root, err := readTree(text)
	if err != nil {
		r.notes.add(Lost, "the metadata is read up to where it breaks: %s", quote(err.Error()))
	}
	if len(root.children) > 0 {
		r.root(root.children[0])
	}
	root.each(r.element)
	root.all(r.extension)
	r.attribute(root)
	if len(r.data.Participants) == 0 {
		r.notes.add(Lost, "the metadata names no participant")
	}
	r.data.Notes = r.notes
	return r.data
}

type reader struct {
	data  Metadata
	notes notes
}

// root says when the document is one of an older draft.
func (r *reader) root(e *element) {
	if e.name != "recording" {
		r.notes.add(Odd, "the root is %s instead of recording", quote(e.name))
	}
	space := ""
	for name, value := range e.attrs {
		if strings.Contains(value, "params:xml:ns:") && (name == "xmlns" || space == "") {
			space = value
		}
	}
	if space != "urn:ietf:params:xml:ns:recording:1" {
		r.notes.add(Odd, "the namespace is %s", quote(space))
	}
}

// element takes one element of the standard or its drafts.
func (r *reader) element(e *element) {
	switch e.name {
	case "datamode":
		r.data.DataMode = strings.ToLower(e.text)
	case "session":
		if id := identity(e, "session_id", "id"); id != "" && r.data.SessionID == "" {
			r.data.SessionID = id
		}
	case "participant":
		r.participant(e)
	case "stream":
		r.stream(e)
	case "participantstreamassoc":
		r.assoc(identity(e, "participant_id", "participant", "id"), e)
	case "participantsessionassoc":
		if e.value("disassociate-time") != "" {
			r.leave(identity(e, "participant_id", "participant", "id"))
		}
	default:
	}
}

// identity reads an id in any of its spellings.
func identity(e *element, names ...string) string {
	return plainID(e.value(names...))
}

func plainID(id string) string {
	id = strings.TrimSpace(id)
	if len(id) > 9 && strings.EqualFold(id[:9], "urn:uuid:") {
		id = id[9:]
	}
	return string(clip([]byte(id), maxName))
}

func (r *reader) participant(e *element) {
	id := identity(e, "participant_id", "id")
	if id == "" {
		r.notes.add(Odd, "a participant has no id")
	}
	at := r.find(id)
	if at < 0 {
		if len(r.data.Participants) == maxParticipants {
			r.notes.add(Lost, "participants after the first %d are ignored", maxParticipants)
			return
		}
		r.data.Participants = append(r.data.Participants, Participant{ID: id})
		at = len(r.data.Participants) - 1
	}
	p := &r.data.Participants[at]
	named := e
	for _, c := range e.children {
		if c.name == "nameid" {
			named = c
			break
		}
	}
	if address := Address(named.value("aor")); address != "" {
		p.Address = address
	}
	if name := Name(named.child("name")); name != "" {
		p.Name = name
	}
	if e.value("disassociate-time") != "" {
		p.Left = true
	}
	if e.child("send") != "" || e.child("recv") != "" || hasChild(e, "send") {
		r.assoc(id, e)
	}
}

func hasChild(e *element, name string) bool {
	for _, c := range e.children {
		if c.name == name {
			return true
		}
	}
	return false
}

// find gives the index of the participant with this id, or -1.
func (r *reader) find(id string) int {
	for i, p := range r.data.Participants {
		if id != "" && p.ID == id {
			return i
		}
	}
	return -1
}

func (r *reader) leave(id string) {
	if i := r.find(id); i >= 0 {
		r.data.Participants[i].Left = true
	}
}

func (r *reader) stream(e *element) {
	if len(r.data.Streams) == maxStreams {
		r.notes.add(Lost, "streams after the first %d are ignored", maxStreams)
		return
	}
	s := Stream{ID: identity(e, "stream_id", "id"), Label: e.value("label")}
	if s.ID == "" {
		r.notes.add(Odd, "a stream has no id")
	}
	r.data.Streams = append(r.data.Streams, s)
}

// assoc takes the send and recv children of e, which hold an id or an element
// with it.
func (r *reader) assoc(participant string, e *element) {
	if len(r.data.assocs) == maxParticipants {
		return
	}
	a := assoc{participant: participant, ended: e.value("disassociate-time") != ""}
	for _, c := range e.children {
		id := c.text
		if id == "" {
			id = c.value("id", "stream_id")
		}
		ids := strings.Fields(id)
		for i := range ids {
			ids[i] = plainID(ids[i])
		}
		switch c.name {
		case "send":
			a.send = append(a.send, ids...)
		case "recv":
			a.recv = append(a.recv, ids...)
		default:
		}
	}
	r.data.assocs = append(r.data.assocs, a)
}

// extension reads what vendors say of who called.
func (r *reader) extension(e *element) {
	switch e.name {
	case "fromhdr", "callingpartynumber": // Sonus and Ribbon; BroadWorks
		if r.data.caller == "" {
			r.data.caller = user(e.text)
		}
	default:
	}
}

// attribute finds Oracle's mark of the calling party: in an extension within
// the participant, or in one beside it that names the participant as parent.
func (r *reader) attribute(root *element) {
	root.all(func(e *element) {
		switch {
		case e.name == "participant":
			if marked(e) {
				r.call(identity(e, "participant_id", "id"))
			}
		case strings.HasPrefix(e.name, "extension"):
			if parent := plainID(e.value("parent", "participant")); parent != "" && marked(e) {
				r.call(parent)
			}
		}
	})
}

func marked(e *element) bool {
	found := false
	e.all(func(c *element) {
		found = found || c.name == "callingparty" && strings.EqualFold(c.text, "true")
	})
	return found
}

func (r *reader) call(id string) {
	if i := r.find(id); i >= 0 {
		r.data.Participants[i].Calling = true
	}
}

// Name gives a display name as one line of text, cut where it is too long.
func Name(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), maxName)], ""))
}

// Address gives an address of record as a URI without parameters, headers and
// angle brackets, and with the scheme that some clients leave out.
func Address(aor string) string {
	aor = strings.TrimSpace(strings.ToValidUTF8(aor, ""))
	if i := strings.IndexByte(aor, '<'); i >= 0 {
		aor, _, _ = strings.Cut(aor[i+1:], ">")
	}
	if i := strings.IndexFunc(aor, endsAddress); i >= 0 {
		aor = aor[:i]
	}
	if aor == "" || len(aor) > maxAddress {
		return ""
	}
	if scheme, _, ok := strings.Cut(aor, ":"); ok {
		switch strings.ToLower(scheme) {
		case "sip", "sips", "tel":
			return aor
		}
	}
	return "sip:" + aor
}

// endsAddress says which characters end an address: those before parameters
// and headers, and those that no URI has.
func endsAddress(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`;?<>"`, r)
}

// user gives the user part of an address or the number that stands alone.
func user(address string) string {
	address = Address(address)
	_, rest, _ := strings.Cut(address, ":")
	name, _, _ := strings.Cut(rest, "@")
	return strings.ToLower(strings.TrimPrefix(name, "+"))
}
