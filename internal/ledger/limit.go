package ledger

import "math"

// Limit is the most that may be used of an account.
type Limit struct {
	Max       float64
	Unlimited bool
	Soft      bool // lets more in, and says so
}

// Answer is what a limit says to an amount.
type Answer uint8

// The answers. What is Pending or later is refused.
const (
	Granted     Answer = iota
	GrantedOver        // past a soft limit
	Pending            // it would fit once what is held settles, or what is on its way arrives
	Exceeded           // it does not fit
	TooLarge           // it would not fit an unused limit either
	Wanting            // it fits here, and is not in hand: the other processes may have it (Share)
	Unreachable        // as Wanting, and nobody can be asked
)

// Refuses reports whether the amount is not granted.
func (a Answer) Refuses() bool { return a >= Pending }

// Balance is what an account knows of one period.
type Balance struct {
	Used    float64 // Stigg's number
	Held    float64 // admitted, still running
	Unacked float64 // settled, not yet acknowledged
}

// Known is what is used as far as this process knows.
func (b Balance) Known() float64 { return b.Used + b.Unacked }

// Ask is an amount that is asked of an account.
type Ask struct {
	Limit  Limit
	Amount float64
	// Least, above 0, says that what is left of Amount will do, if it is that much.
	Least float64
	// Own is what the same request holds here already: no reason to wait for it.
	Own float64
	// Unpriced is what counts as Unacked too, and only the caller can tell: usage that
	// waits at a price that was not known when it was recorded.
	Unpriced float64
	// UnpricedAcked is what of it is acknowledged: a read that begins now would tell.
	UnpricedAcked float64
	// PerReplica says that the limit is each process' own, where accounts are shared.
	PerReplica bool
	// Waited is the Wait of an Admission that was Wanting, where the same request asks again.
	Waited <-chan struct{}
}

// answer is invariant (1).
func (q *Ask) answer(b *Balance) Answer {
	l, known := &q.Limit, b.Known()+q.Unpriced
	switch {
	case l.Unlimited, Fits(known+b.Held+q.Amount, l.Max):
		return Granted
	case l.Soft:
		return GrantedOver
	case !Fits(q.Amount, l.Max):
		return TooLarge
	case Fits(known+q.Own+q.Amount, l.Max):
		return Pending
	default:
		return Exceeded
	}
}

// reduce makes the amount what is left of it, or the least, and answers that.
func (q *Ask) reduce(b *Balance) Answer {
	left := q.Limit.Max - b.Known() - q.Unpriced - b.Held
	q.Amount = max(q.Least, min(q.Amount, left))
	return q.answer(b)
}

// Fits compares as people count. Where a fraction takes part, 1e-9 of the larger
// number is forgiven, since 0.1 + 0.2 of 0.3 must fit (the Node SDK denies it), but
// never more than a thousandth, so that no large limit gains a unit. Anything that is
// not a number does not fit.
func Fits(sum, limit float64) bool {
	if sum <= limit { // also where both are infinite
		return true
	}
	return sum-limit <= min(1e-3, 1e-9*max(math.Abs(sum), math.Abs(limit)))
}
