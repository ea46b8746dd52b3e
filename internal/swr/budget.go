package swr

import (
	"errors"
	"time"
)

const (
	// budgetBurst is how many reads of keys of one parent may bring nothing at once, and
	// budgetPerSecond how many in the long run: a tenth of the 6,000 a minute that Stigg
	// allows a whole environment.
	budgetBurst     = 100
	budgetPerSecond = 10
	// grantedCost is what a read costs that brings something, so that many real members of
	// one parent are read soon after a start.
	grantedCost = 0.1
	// scarcePace is from which pace on reads are scarce: less than a quarter of Stigg's
	// 6,000 a minute is left. Then keys that were never granted anything are read at half
	// of that pace, and the other half is kept for those that were.
	scarcePace = 40 * time.Millisecond
	// scarceReads is how many reads of such keys are under way at once where reads get scarce: the
	// pace does not tell of them yet. Where the source allows n times as many, it is n * n times as much.
	scarceReads = 16
)

// ErrBudget says that a key is not read, since its parent has had too many reads that
// brought nothing.
var ErrBudget = errors.New("gate: too many resources of this customer are asked for that have no entitlements")

// bucket is a token bucket. Tokens may be owed: then the next one is waited for. The zero
// value is full.
type bucket struct {
	owed float64 // burst less what is left
	at   time.Time
}

// take takes a token, and returns how long that must wait.
func (b *bucket) take(now time.Time, perSecond, burst float64) time.Duration {
	if now.Before(b.at) {
		b.owed, b.at = 0, now // the clock was set back, and nobody knows how long ago that was
	}
	b.owed = max(0, b.owed-now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	b.owed++
	return time.Duration(max(0, (b.owed-burst)/perSecond) * float64(time.Second))
}

// isFull reports whether it is worth no more than the zero value.
func (b *bucket) isFull(now time.Time, perSecond float64) bool {
	return now.Sub(b.at).Seconds()*perSecond >= b.owed
}

// give gives tokens back.
func (b *bucket) give(n float64) { b.owed = max(0, b.owed-n) }

// charge takes what a read of a key costs that was never granted anything, and returns how
// long it must wait for that. Call it under the lock.
func (k *Cache[K, V]) charge(r *read[K, V], now time.Time, longest time.Duration) (time.Duration, error) {
	parent := k.c.Parent(r.key)
	budget, ok := k.budgets.Get(parent)
	if !ok {
		for range 2 { // more than are made
			if _, oldest, ok := k.budgets.GetOldest(); ok && oldest.isFull(now, budgetPerSecond) {
				k.budgets.RemoveOldest()
			}
		}
		budget = &bucket{}
		k.budgets.Add(parent, budget)
	}
	wait := budget.take(now, budgetPerSecond, budgetBurst)
	r.turn.charged = append(r.turn.charged, budget)
	r.turn.overBudget = wait > 0
	if wait > longest {
		r.refund(1)
		return 0, ErrBudget
	}
	spare := k.spare(r, now)
	if spare > longest {
		r.refund(1)
		return 0, errScarce
	}
	return max(wait, spare), nil
}

// spare takes what a read costs of a key that was never granted anything while reads are scarce, once,
// and returns how long it must wait for that. Call it under the lock.
func (k *Cache[K, V]) spare(r *read[K, V], now time.Time) time.Duration {
	pace := k.turns.pace
	if r.turn.class != ofOthers || len(r.turn.charged) > 1 || pace <= k.scarcePace() {
		return 0
	}
	r.turn.charged = append(r.turn.charged, &k.turns.spare)
	return k.turns.spare.take(now, 1/(2*pace.Seconds()), 1)
}

// scarcePace is from which pace on reads are scarce: earlier where so much is cached that half of what is
// left would not refresh it in time. Call it under the lock.
func (k *Cache[K, V]) scarcePace() time.Duration {
	return min(scarcePace, k.refreshTime()/2)
}

// refund gives back what a read was charged, or a part. Of reads that are scarce nothing
// comes back once one was done.
func (r *read[K, V]) refund(n float64) {
	for i, b := range r.turn.charged {
		if i == 0 || !r.begun {
			b.give(n)
		}
	}
}

// seen is a set that forgets what was not added for long: it is made anew when it has most
// members, and the one before is looked at until then.
type seen struct {
	most        int
	now, before map[uint64]struct{}
}

func (s *seen) add(hash uint64) {
	if len(s.now) >= s.most || s.now == nil {
		s.now, s.before = make(map[uint64]struct{}), s.now
	}
	s.now[hash] = struct{}{}
}

func (s *seen) has(hash uint64) bool {
	if _, ok := s.now[hash]; ok {
		return true
	}
	_, ok := s.before[hash]
	return ok
}
