// Package counters counts what a gate decides.
package counters

import (
	"sync/atomic"

	"github.com/stiggate/gate/internal/incident"
)

// Outcomes counts decisions by how they came out. The fields are those of gate.DecisionCounts.
type Outcomes struct{ Allowed, Denied, Unavailable uint64 }

// Decisions counts decisions by origin and by outcome. Its methods may be called from any goroutine.
type Decisions struct {
	counts   [5]outcomes // by place
	shadowed atomic.Uint64
}

type outcomes struct{ allowed, denied, unavailable atomic.Uint64 }

func (o *outcomes) load() Outcomes {
	return Outcomes{o.allowed.Load(), o.denied.Load(), o.unavailable.Load()}
}

const stale = 1

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
	c := &d.counts[place(origin)]
	switch {
	case allowed:
		c.allowed.Add(1)
	case unavailable:
		c.unavailable.Add(1)
	default:
		c.denied.Add(1)
	}
	if shadow && !allowed {
		d.shadowed.Add(1)
	}
}

// Of are the decisions of an origin.
func (d *Decisions) Of(origin string) Outcomes { return d.counts[place(origin)].load() }

// Shadowed counts the decisions that a policy in the shadow would have refused.
func (d *Decisions) Shadowed() uint64 { return d.shadowed.Load() }

// Costs are, for the log, how many decisions rested on what is stale, and how many could not be
// made.
func (d *Decisions) Costs() []incident.Count {
	refused := uint64(0)
	for i := range d.counts {
		refused += d.counts[i].unavailable.Load()
	}
	of := d.counts[stale].load()
	return []incident.Count{{Name: "stale", Value: of.Allowed + of.Denied + of.Unavailable}, {Name: "refused", Value: refused}}
}
