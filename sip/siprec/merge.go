package siprec

import (
	"slices"
	"strings"
)

// Merge gives what is known after a later message of the same call. A complete
// description takes the place of the old one (RFC 7865, section 6.1.1); a
// partial one, or one that names no participant, adds to it and replaces what
// has the same id. A participant or stream under another id than before is
// known by address or label, unless they bring a stream that was not there: two
// callers who withhold their number have one address.
func (m Metadata) Merge(later Metadata) Metadata {
	if later.DataMode != "partial" && len(later.Participants) > 0 && (len(later.Streams) > 0 || len(m.Streams) == 0) {
		return later
	}
	merged := m
	merged.Notes = later.Notes
	merged.DataMode = later.DataMode
	if merged.SessionID == "" {
		merged.SessionID = later.SessionID
	}
	if later.caller != "" {
		merged.caller = later.caller
	}
	merged.assocs = append(slices.Clone(m.assocs), later.assocs...)
	merged.assocs = merged.assocs[max(0, len(merged.assocs)-maxParticipants):]
	merged.Participants = slices.Clone(m.Participants)
	for _, p := range later.Participants {
		i := merged.find(p, later, m)
		switch {
		case i >= 0:
			if p.ID != "" {
				merged.renameParticipant(merged.Participants[i].ID, p.ID)
			}
			merged.Participants[i] = merged.Participants[i].with(p)
		case len(merged.Participants) < maxParticipants:
			merged.Participants = append(merged.Participants, p)
		}
	}
	merged.Streams = slices.Clone(m.Streams)
	for _, s := range later.Streams {
		i := slices.IndexFunc(merged.Streams, func(o Stream) bool { return s.ID != "" && o.ID == s.ID })
		if i < 0 {
			i = slices.IndexFunc(merged.Streams, func(o Stream) bool { return s.ID != "" && s.Label != "" && o.Label == s.Label })
		}
		switch {
		case i >= 0 && s.Label != "":
			merged.renameStream(merged.Streams[i].ID, s.ID)
			merged.Streams[i] = s
		case i < 0 && len(merged.Streams) < maxStreams:
			merged.Streams = append(merged.Streams, s)
		}
	}
	return merged
}

// names says whether a participant of this id is described.
func (m Metadata) names(id string) bool {
	return slices.ContainsFunc(m.Participants, func(p Participant) bool { return p.ID == id })
}

// find gives the index of the participant whom p of a later message is, given
// what was known before it, or -1.
func (m Metadata) find(p Participant, later, before Metadata) int {
	if i := slices.IndexFunc(m.Participants, func(o Participant) bool { return p.ID != "" && o.ID == p.ID }); i >= 0 {
		return i
	}
	if later.bringsStream(p.ID, before) {
		return -1
	}
	return slices.IndexFunc(m.Participants, func(o Participant) bool { return p.Is(o) && (o.ID == "" || !later.names(o.ID)) })
}

// bringsStream says whether a participant of this id sends a stream that known
// has neither by id nor by label.
func (m Metadata) bringsStream(id string, known Metadata) bool {
	return slices.ContainsFunc(m.Streams, func(s Stream) bool {
		sends := slices.ContainsFunc(m.assocs, func(a assoc) bool { return a.participant == id && slices.Contains(a.send, s.ID) })
		return sends && !slices.ContainsFunc(known.Streams, func(o Stream) bool {
			return o.ID == s.ID || s.Label != "" && o.Label == s.Label
		})
	})
}

// renameParticipant has the associations name a participant by another id.
func (m *Metadata) renameParticipant(id, next string) {
	for i := range m.assocs {
		if id != "" && m.assocs[i].participant == id {
			m.assocs[i].participant = next
		}
	}
}

// renameStream does so with a stream.
func (m *Metadata) renameStream(id, next string) {
	renamed := func(ids []string) []string {
		ids = slices.Clone(ids)
		for i := range ids {
			if id != "" && ids[i] == id {
				ids[i] = next
			}
		}
		return ids
	}
	for i := range m.assocs {
		m.assocs[i].send, m.assocs[i].recv = renamed(m.assocs[i].send), renamed(m.assocs[i].recv)
	}
}

// Is says whether p is known as o is, whatever their ids: by the same address,
// or by the same name where neither has an address.
func (p Participant) Is(o Participant) bool {
	if p.Address == "" && o.Address == "" {
		return p.Name != "" && p.Name == o.Name
	}
	return strings.EqualFold(p.Address, o.Address)
}

// with takes over what is said anew.
func (p Participant) with(later Participant) Participant {
	if later.ID != "" {
		p.ID = later.ID
	}
	if later.Address != "" {
		p.Address = later.Address
	}
	if later.Name != "" {
		p.Name = later.Name
	}
	p.Calling = p.Calling || later.Calling
	p.Left = later.Left
	return p
}
