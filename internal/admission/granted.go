package admission

import "time"

// Granted is what a Result says of the item that a request was let in for, in half the words, for as long
// as the request runs: the rest is in its Right.
type Granted struct {
	right                  *Right
	name                   string
	requested, usage, held float64
	since, resetsAt        time.Time

	hasRequested, metered, hasLimit, over bool
}

// Granted is for a Result that grants.
func (r *Result) Granted() Granted {
	return Granted{r.right, r.Name, r.Requested, r.Usage, r.Held, r.Since, r.ResetsAt, r.HasRequested, r.Metered, r.HasLimit, r.OverLimit}
}

// Result is the Result that it was made of.
func (g *Granted) Result() Result {
	r := Result{
		right: g.right, Item: g.right.item(), Name: g.name, Requested: g.requested, HasRequested: g.hasRequested, Usage: g.usage, Held: g.held,
		Metered: g.metered, HasLimit: g.hasLimit, OverLimit: g.over, Since: g.since, ResetsAt: g.resetsAt,
	}
	if g.metered || g.hasLimit {
		r.Limit = g.right.Limit
	}
	return r
}
