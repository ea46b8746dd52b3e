// Package counters counts what a gate decides.
package counters

import (
	"sync"
	"sync/atomic"

	"github.com/stiggate/gate/internal/incident"
)

// Outcomes counts decisions by how they came out. The fields are those of gate.DecisionCounts.
type Outcomes struct{ Allowed, Denied, Unavailable uint64 }

// Decisions counts decisions by origin and by outcome. Its methods may be called from any goroutine.
//
// A count that several processors add to would move between their caches with each decision, and take as
// long as the rest of it. So there are several of each, and a processor adds to one.
type Decisions struct {
	stripes [16]stripe
	last    atomic.Uint32 // that was given to a processor
	own     sync.Pool     // of *stripe: a pool has what a processor put back at hand for it
}

// stripe is the counts of a processor, or of several. No other stripe is in the same lines of a cache.
type stripe struct {
	counts   [ofOrigin]outcomes // by place
	shadowed atomic.Uint64
	_        [128]byte
}

type outcomes struct{ allowed, denied, unavailable atomic.Uint64 }

// take is a stripe that nobody else is about to use, most likely; it is to be put back.
func (d *Decisions) take() *stripe {
	if s, ok := d.own.Get().(*stripe); ok {
		return s
	}
	return &d.stripes[d.last.Add(1)%uint32(len(d.stripes))]
}

const (
	ofOrigin = 5 // places
	stale    = 1
)

// place is the place of what a decision rests on, as gate.Origin spells it. Those made before
// anything was asked for rest on nothing, and have the last one.
func place(origin string) int {
	switch origin {
	case "fresh":
		return 0
	case "stale":
		return stale
	case "fallback":
		return 2
	case "offline":
		return 3
	default:
		return 4
	}
}

// Count counts a decision, whose policy may have been in the shadow. One that was not allowed was
// denied, or could not be made: then it was unavailable.
func (d *Decisions) Count(origin string, allowed, unavailable, shadow bool) {
	s := d.take()
	c := &s.counts[place(origin)]
	switch {
	case allowed:
		c.allowed.Add(1)
	case unavailable:
		c.unavailable.Add(1)
	default:
		c.denied.Add(1)
	}
	if shadow && !allowed {
		s.shadowed.Add(1)
	}
	d.own.Put(s)
}

// Of are the decisions of an origin.
func (d *Decisions) Of(origin string) Outcomes { return d.at(place(origin)) }

func (d *Decisions) at(place int) (all Outcomes) {
	for i := range d.stripes {
		c := &d.stripes[i].counts[place]
		all.Allowed += c.allowed.Load()
		all.Denied += c.denied.Load()
		all.Unavailable += c.unavailable.Load()
	}
	return all
}

// Shadowed counts the decisions that a policy in the shadow would have refused.
func (d *Decisions) Shadowed() (n uint64) {
	for i := range d.stripes {
		n += d.stripes[i].shadowed.Load()
	}
	return n
}

// Costs are, for the log, how many decisions rested on what is stale, and how many could not be
// made.
func (d *Decisions) Costs() []incident.Count {
	refused := uint64(0)
	for i := range ofOrigin {
		refused += d.at(i).Unavailable
	}
	of := d.at(stale)
	return []incident.Count{{Name: "stale", Value: of.Allowed + of.Denied + of.Unavailable}, {Name: "refused", Value: refused}}
}
