package swr

import (
	"container/list"
	"errors"
	"time"
)

// A read takes a place, of which there are so many, and waits for one in line. Before that,
// a key that was never granted anything waits until the budget of its parent allows it
// (budget.go).

// class is whose places a read takes.
type class uint8

const (
	ofGranted class = iota // a key that was granted something before
	ofOthers
	ofRefresh // in the background: paced, so that it needs no bound
)

// turns is the order in which reads begin.
type turns[K comparable, V Value] struct {
	free    [ofRefresh]int
	line    [ofRefresh]list.List // of *read, first come, first served
	refresh int                  // those under way in the background
	waiting int                  // in line, or for their budget
	spare   bucket               // what others than granted keys may take while reads are scarce
	pace    time.Duration        // what the source asked for when it was last asked
}

// turn is one read's.
type turn[K comparable, V Value] struct {
	class   class
	timer   *time.Timer   // until its budget allows it
	place   *list.Element // in line
	charged []*bucket
	// overBudget: it waits for the budget of its parent, or did.
	overBudget bool
}

var errScarce = errors.New("gate: Stigg's rate limit leaves no read for a customer who is not known yet")

// lineUp has a read begin as soon as it may, if that is within longest. Call it under the
// lock.
func (k *Cache[K, V]) lineUp(r *read[K, V], now time.Time, longest time.Duration) error {
	var wait time.Duration
	if e := k.index.get(r.key); (e == nil || e.empty) && !k.granted.has(k.c.Hash(k.index.seed, r.key)) {
		r.turn.class = ofOthers
		var err error
		if wait, err = k.charge(r, now, longest); err != nil {
			return err
		}
	}
	k.turns.waiting++
	k.standAfter(r, wait)
	return nil
}

// standAfter is stand once a read has waited. Call it under the lock.
func (k *Cache[K, V]) standAfter(r *read[K, V], wait time.Duration) {
	if wait == 0 {
		k.stand(r)
		return
	}
	r.turn.timer = time.AfterFunc(wait, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.reads[r.key] == r && !r.begun && r.turn.place == nil {
			k.stand(r)
			k.beginReads(k.c.Now())
		}
	})
}

// stand puts a read at the end of its line. Call it under the lock.
func (k *Cache[K, V]) stand(r *read[K, V]) {
	r.turn.place = k.turns.line[r.turn.class].PushBack(r)
}

// leaveLine takes out a read that does not begin. Call it under the lock.
func (k *Cache[K, V]) leaveLine(r *read[K, V]) {
	k.turns.waiting--
	if r.turn.timer != nil {
		r.turn.timer.Stop()
	}
	if r.turn.place != nil {
		k.turns.line[r.turn.class].Remove(r.turn.place)
	}
	r.refund(1)
}

// hasPlace reports whether one more read may be under way. Call it under the lock.
func (k *Cache[K, V]) hasPlace(c class) bool {
	most := mostReads
	if pace := k.turns.pace; c == ofOthers && pace > 0 {
		ratio := float64(scarcePace) / float64(pace)
		most = int(min(mostReads, scarceReads*max(1, ratio*ratio)))
	}
	return mostReads-k.turns.free[c] < most
}

// beginReads begins the reads that there are places for. Call it under the lock.
func (k *Cache[K, V]) beginReads(now time.Time) {
	for c := range k.turns.line {
		for line := &k.turns.line[c]; line.Len() > 0 && k.hasPlace(class(c)); {
			r, _ := line.Front().Value.(*read[K, V])
			if err := k.breaker.allow(now); err != nil {
				k.drop(r, err)
				continue
			}
			line.Remove(r.turn.place)
			if wait := k.spare(r, now); wait > 0 { // reads have become scarce since it came
				r.turn.place = nil
				k.standAfter(r, wait)
				continue
			}
			k.turns.waiting--
			k.turns.free[c]--
			k.begin(r)
		}
	}
}

// beginRefresh begins a read in the background. Call it under the lock.
func (k *Cache[K, V]) beginRefresh(key K) {
	r := &read[K, V]{key: key, done: make(chan struct{}), turn: turn[K, V]{class: ofRefresh}}
	r.refs.Store(1)
	k.reads[key] = r
	k.turns.refresh++
	k.begin(r)
}

// endTurn gives a read's place back, and what it did not cost. Call it under the lock.
func (k *Cache[K, V]) endTurn(r *read[K, V]) {
	switch {
	case r.turn.class == ofRefresh:
		k.turns.refresh--
		return
	case r.err != nil && outcomeOf(r.err) == down:
		r.refund(1)
	case r.entry != nil && !r.entry.empty:
		r.refund(1 - grantedCost)
	}
	k.turns.free[r.turn.class]++
}
