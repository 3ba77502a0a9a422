package sip

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip/siprec"
)

func asError(err error, e **reelvault.Error) bool { return errors.As(err, e) }

// cast is who takes part in a call, in the order in which they appeared, and
// keeps their ids and channels over all that is learnt later.
type cast struct {
	people []person
	lines  map[int]int // who was heard alone on an m-line last
}

// person is a party with what the metadata knows it by.
type person struct {
	Party

	channel    int
	metadataID string
	vague      bool // stands for somebody who is not known yet
}

// parties gives copies.
func (c *cast) parties() []Party {
	all := make([]Party, len(c.people))
	for i, p := range c.people {
		all[i] = p.Party
	}
	return all
}

// voice is an m-line that is recorded.
type voice struct {
	line  int
	label string
}

// distribute says whose voice each line carries. Without metadata the first
// line is the caller's, and the second the callee's.
func (c *cast) distribute(meta siprec.Metadata, from *sip.FromHeader, voices []voice) []media.Party {
	labels := make([]string, len(voices))
	for i, v := range voices {
		labels[i] = v.label
	}
	if len(meta.Participants) == 0 {
		c.callUnnamed(from)
		return c.seat(voices, make([][]int, len(voices)))
	}
	sides := meta.Sides(labels)
	caller := meta.Caller(sides)
	before := slices.Repeat([]int{-1}, len(meta.Participants)) // who was heard where they are heard alone now
	for i, s := range sides {
		if who, ok := c.lines[voices[i].line]; ok && len(s.Participants) == 1 {
			before[s.Participants[0]] = who
		}
	}
	index := c.recognize(meta.Participants, before)
	take := func(i int) { index[i] = c.take(meta.Participants[i], index[i], i == caller) }
	if caller >= 0 { // first, so that the other is the callee
		take(caller)
	}
	for i := range meta.Participants {
		if i != caller {
			take(i)
		}
	}
	heard := make([][]int, len(voices))
	for i, s := range sides {
		for _, p := range s.Participants {
			heard[i] = append(heard[i], index[p])
		}
	}
	return c.seat(voices, heard)
}

// callUnnamed makes the caller of a call that nothing is said of but its From.
func (c *cast) callUnnamed(from *sip.FromHeader) {
	if len(c.people) == 0 {
		c.take(siprec.Participant{Name: siprec.Name(from.DisplayName), Address: siprec.Address(from.Address.String())}, -1, true)
		c.people[0].vague = true
	}
}

// recognize says which of the people each participant is, given who was heard
// on their lines before, or -1 for somebody new. They are known by address or
// name first, because there are clients that make new ids for each message,
// though RFC 7865, section 6.4, has them keep one; then by id; then they may
// be whom somebody on their line stood for. Nobody is two of them.
func (c *cast) recognize(all []siprec.Participant, before []int) []int {
	sameID := func(i, at int) bool { return all[i].ID != "" && all[i].ID == c.people[at].metadataID }
	same := func(i, at int) bool {
		return all[i].Is(siprec.Participant{Name: c.people[at].Name, Address: c.people[at].Address})
	}
	who, known := slices.Repeat([]int{-1}, len(all)), map[int]bool{}
	for _, is := range []func(i, at int) bool{
		func(i, at int) bool { return sameID(i, at) && same(i, at) },
		func(i, at int) bool { return at == before[i] && same(i, at) },
		same, sameID,
		func(i, at int) bool { return at == before[i] && c.people[at].vague },
	} {
		for i := range all {
			for at := 0; who[i] < 0 && at < len(c.people); at++ {
				if !known[at] && is(i, at) {
					who[i], known[at] = at, true
				}
			}
		}
	}
	return who
}

// take learns what is said of somebody, who is added if they are new.
func (c *cast) take(p siprec.Participant, i int, calling bool) int {
	if i < 0 {
		i = c.add(calling)
	}
	o := &c.people[i]
	o.vague = strings.HasPrefix(strings.ToLower(p.Address), "sip:asbce@") // Avaya's, until somebody answers
	if p.ID != "" {
		o.metadataID = p.ID
	}
	if p.Name != "" {
		o.Name = p.Name
	}
	if p.Address != "" {
		o.Address = p.Address
	}
	return i
}

// maxPeople bounds the people of a call: twice those that one document may
// name, for a conference in which everybody is replaced.
const maxPeople = 200

// add gives somebody new an id, a side and a channel: the caller is the guest,
// on the left; the next one is on the right, and others behind them. All who
// are too many are one.
func (c *cast) add(calling bool) int {
	if len(c.people) == maxPeople {
		return maxPeople - 1
	}
	free := func(id string) bool {
		return !slices.ContainsFunc(c.people, func(o person) bool { return o.ID == id })
	}
	p := person{Party: Party{ID: CallerID, Role: reelvault.RoleGuest}}
	if !calling || !free(CallerID) {
		p = person{Party: Party{ID: CalleeID, Role: reelvault.RoleOperator}, channel: 1}
	}
	for n := 3; !free(p.ID); n++ {
		p.ID, p.channel = fmt.Sprintf("party%d", n), n-1
	}
	c.people = append(c.people, p)
	return len(c.people) - 1
}

// seat gives each line its party; no two lines have the same. A line with
// several voices is the mix. One that nobody is known of gets somebody who
// stands for whoever it is, or none where no more people fit into the call.
func (c *cast) seat(voices []voice, heard [][]int) []media.Party {
	seats := make([]media.Party, len(voices))
	taken := map[int]bool{}
	mixed := false
	for i, who := range heard {
		if len(who) == 1 && !taken[who[0]] {
			taken[who[0]] = true
			seats[i] = c.sit(voices[i].line, who[0])
		}
	}
	for i, who := range heard {
		switch {
		case seats[i] != (media.Party{}):
		case len(who) > 1 && !mixed:
			mixed = true
			seats[i] = media.Party{Channel: media.Mixed}
		default:
			if at := c.standIn(voices[i].line, taken); at >= 0 {
				taken[at] = true
				seats[i] = c.sit(voices[i].line, at)
			}
		}
	}
	return seats
}

func (c *cast) sit(line, who int) media.Party {
	if c.lines == nil {
		c.lines = map[int]int{}
	}
	c.lines[line] = who
	p := c.people[who]
	return media.Party{ParticipantID: p.ID, Role: p.Role, Channel: p.channel}
}

// standIn gives who was on the line before, or the caller if nobody hears
// them yet, or somebody new, or -1 where nobody fits in.
func (c *cast) standIn(line int, taken map[int]bool) int {
	if before, ok := c.lines[line]; ok && !taken[before] {
		return before
	}
	for i, p := range c.people {
		if p.ID == CallerID && !taken[i] && !c.sits(i) {
			return i
		}
	}
	at := c.add(len(c.people) == 0)
	if taken[at] {
		return -1
	}
	c.people[at].vague = true
	return at
}

func (c *cast) sits(who int) bool {
	for _, at := range c.lines {
		if at == who {
			return true
		}
	}
	return false
}

// maxName bounds the name of a session.
const maxName = 120

// name gives what lists show of a call.
func (c *cast) name() string {
	var names []string
	for _, p := range c.people[:min(len(c.people), 2)] {
		name := p.Name
		if name == "" {
			_, name, _ = strings.Cut(p.Address, ":")
			name, _, _ = strings.Cut(name, "@")
		}
		if name != "" {
			names = append(names, name)
		}
	}
	name := strings.Join(names, " – ")
	for len(name) > maxName {
		name = name[:strings.LastIndexFunc(name, func(rune) bool { return true })]
	}
	return name
}
