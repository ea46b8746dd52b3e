package admission

import (
	"math"
	"time"
)

// Granted is what a Result says of the item that a request was let in for, in half the words, for as long
// as the request runs: the rest is in its Right.
type Granted struct {
	right                  *Right
	name                   string
	requested, usage, held float64
	since, resetsAt        int64 // in nanoseconds of Unix; never of a zero time

	hasRequested, metered, hasLimit, over bool
}

// never is the nanoseconds of a zero time.
const never = math.MinInt64

// Granted is for a Result that grants. It is false if so few words don't tell all: of a time that is
// centuries away.
func (r *Result) Granted() (g Granted, all bool) {
	since, near := nanoseconds(r.Since)
	resetsAt, also := nanoseconds(r.ResetsAt)
	return Granted{r.right, r.Name, r.Requested, r.Usage, r.Held, since, resetsAt, r.HasRequested, r.Metered, r.HasLimit, r.OverLimit}, near && also
}

func nanoseconds(t time.Time) (n int64, near bool) {
	if t.IsZero() {
		return never, true
	}
	n = t.UnixNano()
	return n, n != never && time.Unix(0, n).Equal(t)
}

func fromNanoseconds(n int64) time.Time {
	if n == never {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// Result is the Result that it was made of, with times in UTC.
func (g *Granted) Result() Result {
	r := Result{
		right: g.right, Item: g.right.item(), Name: g.name, Requested: g.requested, HasRequested: g.hasRequested, Usage: g.usage, Held: g.held,
		Metered: g.metered, HasLimit: g.hasLimit, OverLimit: g.over, Since: fromNanoseconds(g.since), ResetsAt: fromNanoseconds(g.resetsAt),
	}
	if g.metered || g.hasLimit {
		r.Limit = g.right.Limit
	}
	return r
}
