package siprec

import "slices"

// Merge gives what is known after a later message of the same call. A complete
// description takes the place of the old one (RFC 7865, section 6.1.1); a
// partial one, or one that names no participant, adds to it and replaces what
// has the same id.
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
	merged.Participants = slices.Clone(m.Participants)
	for _, p := range later.Participants {
		i := slices.IndexFunc(merged.Participants, func(o Participant) bool { return p.ID != "" && o.ID == p.ID })
		switch {
		case i >= 0:
			merged.Participants[i] = merged.Participants[i].with(p)
		case len(merged.Participants) < maxParticipants:
			merged.Participants = append(merged.Participants, p)
		}
	}
	merged.Streams = slices.Clone(m.Streams)
	for _, s := range later.Streams {
		i := slices.IndexFunc(merged.Streams, func(o Stream) bool { return s.ID != "" && o.ID == s.ID })
		switch {
		case i >= 0 && s.Label != "":
			merged.Streams[i].Label = s.Label
		case i < 0 && len(merged.Streams) < maxStreams:
			merged.Streams = append(merged.Streams, s)
		}
	}
	merged.assocs = append(slices.Clone(m.assocs), later.assocs...)
	merged.assocs = merged.assocs[max(0, len(merged.assocs)-maxParticipants):]
	return merged
}

// with takes over what is said anew.
func (p Participant) with(later Participant) Participant {
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
