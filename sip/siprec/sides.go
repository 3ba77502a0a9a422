package siprec

import "slices"

// Side says who is heard on one m-line.
type Side struct {
	// Participants are indexes into Metadata.Participants: one on a line of
	// its own, several where the client mixes, none if nobody knows.
	Participants []int
}

// Sides says for each m-line, given its label, who is heard on it. A stream
// belongs to the line with its label, or to the line in its place where no
// label fits. Who sends it is taken from the first of these that says so: what
// participants send; what the others receive; who is left over; the order of
// the participants.
func (m *Metadata) Sides(labels []string) []Side {
	sides := make([]Side, len(labels))
	streams := m.place(labels)
	owned := m.owners()
	for i, s := range streams {
		if s >= 0 {
			sides[i].Participants = m.senders(m.Streams[s].ID, owned)
		}
	}
	m.leftover(sides)
	return sides
}

// place gives the stream of each line, as an index, or -1.
func (m *Metadata) place(labels []string) []int {
	streams := make([]int, len(labels))
	fits := false
	for i, l := range labels {
		streams[i] = slices.IndexFunc(m.Streams, func(s Stream) bool { return l != "" && s.Label == l })
		fits = fits || streams[i] >= 0
	}
	if fits {
		return streams
	}
	for i := range streams {
		if i < len(m.Streams) {
			streams[i] = i
		}
	}
	return streams
}

// senders gives who sends a stream. Those who have left count only if nobody
// else does.
func (m *Metadata) senders(stream string, owned []*assoc) []int {
	if stream == "" {
		return nil
	}
	var here, gone []int
	for i, p := range m.Participants {
		a := owned[i]
		if a == nil || !slices.Contains(a.send, stream) {
			continue
		}
		if p.Left || a.ended {
			gone = append(gone, i)
			continue
		}
		here = append(here, i)
	}
	if len(here) > 0 {
		return here
	}
	if len(gone) > 0 {
		return gone
	}
	return otherThanReceiver(stream, owned)
}

// owners gives the last association of each participant, or nil. One that
// names nobody belongs to the one participant who has none: there are clients
// that name a stream in its place.
func (m *Metadata) owners() []*assoc {
	index := map[string]int{}
	for i, p := range m.Participants {
		index[p.ID] = i
	}
	owned := make([]*assoc, len(m.Participants))
	var strays []*assoc
	for n := range m.assocs {
		a := &m.assocs[n]
		if i, ok := index[a.participant]; ok {
			owned[i] = a
			continue
		}
		strays = append(strays, a)
	}
	if without := slices.Index(owned, nil); len(strays) == 1 && without >= 0 && !slices.Contains(owned[without+1:], nil) {
		owned[without] = strays[0]
	}
	return owned
}

// otherThanReceiver gives the one of two participants who does not receive the
// stream that the other receives.
func otherThanReceiver(stream string, owned []*assoc) []int {
	if len(owned) != 2 {
		return nil
	}
	receives := func(i int) bool { return owned[i] != nil && slices.Contains(owned[i].recv, stream) }
	switch first, second := receives(0), receives(1); {
	case first && !second:
		return []int{1}
	case second && !first:
		return []int{0}
	}
	return nil
}

// leftover fills the lines that nobody is known to send.
func (m *Metadata) leftover(sides []Side) {
	var open, free []int
	taken := map[int]bool{}
	for i, s := range sides {
		if len(s.Participants) == 0 {
			open = append(open, i)
		}
		for _, p := range s.Participants {
			taken[p] = true
		}
	}
	for i, p := range m.Participants {
		if !taken[i] && !p.Left {
			free = append(free, i)
		}
	}
	if len(sides) == 1 && len(open) == 1 {
		sides[0].Participants = free // one line for all of them is a mix
		return
	}
	for n, i := range open {
		if n < len(free) {
			sides[i].Participants = []int{free[n]}
		}
	}
}

// Caller gives the index of the participant who called: whom an extension
// names, else who is heard on the first line, else the first. It is -1 if
// there is no participant.
func (m *Metadata) Caller(sides []Side) int {
	for i, p := range m.Participants {
		if p.Calling {
			return i
		}
	}
	if m.caller != "" {
		for i, p := range m.Participants {
			if user(p.Address) == m.caller {
				return i
			}
		}
	}
	if len(sides) > 1 && len(sides[0].Participants) > 0 {
		return sides[0].Participants[0]
	}
	if len(m.Participants) > 0 {
		return 0
	}
	return -1
}
