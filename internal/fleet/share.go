package fleet

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// Share is what this replica has of one account, and the calls that keep it so: one at a time, shared
// by all who wait for it. Under its lock only those of the Replica and the breaker are taken; calls run
// without.
type Share struct {
	of *Replica

	mu     sync.Mutex
	book   *Book
	ledger *ledger.Book
	notes  notes
	limit  float64 // that of the last request
	active bool    // the replica knows it

	calling bool      // a call is under way, or waits for its time
	tries   int       // calls in a row that were told to try again
	next    *round    // the requests that wait for the next call
	answers [8]*round // the last ones

	taken, rate float64 // since the last renewal, and in a renewal's time on average
	renewed     time.Time
	called      time.Time
	read        time.Time // when a count is asked for that the store wants, the last time
	told        float64   // what the replica had by the last call
	delayed     []delayed
	local       local
	broken      broken
	adopted     int // so many of the replica's heirs are named, or about to be
}

// round is the requests that one call asks for.
type round struct {
	done      chan struct{} // closed when its answer is known
	need, sum float64       // the least that one of them asks for, and what all do
	least     float64       // the least that will do for one of them
	answer    ledger.Answer // to whom as much as least will do, or more
}

// delayed is usage that Stigg has acknowledged, and counts at the tick due.
type delayed struct {
	due    ledger.Tick
	period *Period
	amount float64
}

// call is a call under way, and the requests that wait for it.
type call struct {
	Call
	share *Share
	round *round
}

// Lease is a Share's side of one usage period.
type Lease struct {
	share  *Share
	period *Period
}

// Open begins a usage period, and makes it the account's current one.
func (s *Share) Open(t ledger.Tenure) ledger.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.book.Open(millis(t.Start), millis(t.End), t.Named)
	s.book.Has(p, t.Held, t.Settled, 0)
	s.book.Hint(p, t.Used)
	if s.toTell() {
		s.of.activate(s)
	}
	return &Lease{s, p}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Take holds an amount of what is in hand, or asks the store for it.
func (l *Lease) Take(t ledger.Taking) (float64, ledger.Answer, <-chan struct{}) {
	s := l.share
	s.mu.Lock()
	s.limit = t.Limit
	least := t.Amount
	if t.Waited != nil { // more was asked for
		least = t.Least
	}
	if taken := s.book.Take(l.period, t.Amount, least, t.Now); taken > 0 {
		s.taken += taken
		if low := s.rate / 2; low > 2 && s.book.spare < low && !s.book.scarce {
			s.call(t.Now, true) // ahead of need
		}
		s.mu.Unlock() // each request is here once
		return taken, ledger.Granted, nil
	}
	defer s.mu.Unlock()
	return s.request(l, &t)
}

// request asks the store for what is not in hand, unless it has answered. Call it under the lock.
func (s *Share) request(l *Lease, t *ledger.Taking) (float64, ledger.Answer, <-chan struct{}) {
	switch answer := s.answered(t.Waited, t.Least); answer {
	case ledger.Wanting:
	case ledger.Unreachable:
		return t.Amount, s.without(l.period, t.Amount), nil
	default:
		return 0, answer, nil
	}
	if s.next == nil {
		s.next = &round{done: make(chan struct{}), need: t.Amount, least: t.Least}
	}
	r := s.next
	r.need, r.least, r.sum = min(r.need, t.Amount), min(r.least, t.Least), r.sum+t.Amount
	if s.call(t.Now, true); !s.calling {
		s.next = nil
		return t.Amount, s.without(l.period, t.Amount), nil
	}
	return 0, ledger.Wanting, r.done
}

// answered is what the store has answered to a request for an amount that waited; Wanting if it must be
// asked.
func (s *Share) answered(waited <-chan struct{}, amount float64) ledger.Answer {
	if waited == nil {
		return ledger.Wanting
	}
	for _, r := range s.answers {
		if r != nil && (<-chan struct{})(r.done) == waited && r.answer != ledger.Granted && amount >= r.least {
			return r.answer
		}
	}
	return ledger.Wanting
}

// count takes in a count, and ends the stay of what is surely in it. Call it under the lock.
func (s *Share) count(p *Period, used float64, began ledger.Tick) {
	left := 0.0
	s.delayed = slices.DeleteFunc(s.delayed, func(d delayed) bool {
		if d.period == p && d.due >= began {
			left += d.amount
		}
		return d.period == p && d.due < began
	})
	p.delayed = left
	s.book.Count(p, used, s.notes.at(began))
}

// change changes what the replica has. Where so little is left that others may wait for it, it is told at
// once; so is a count that the store wants.
func (s *Share) change(how func(*Book)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(s.book)
	s.changed()
}

// changed is change, once the book has it. Call it under the lock.
func (s *Share) changed() {
	if s.active && !s.book.scarce && !s.book.last.Wants || !s.toTell() {
		return
	}
	s.of.activate(s)
	if s.book.scarce || s.wantsCount() {
		s.call(s.of.Now(), !s.book.scarce)
	}
}

// toTell reports whether the store has to hear of the account. Call it under the lock.
func (s *Share) toTell() bool {
	if s.book.current == nil {
		return false
	}
	have, _ := s.book.Have()
	return have != 0 || s.told != 0 || s.wantsCount() || s.inherits()
}

// recall gives back what is in hand: others are refused for it.
func (s *Share) recall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.toTell() {
		s.book.scarce = true
		s.call(s.of.Now(), false)
	}
}

// soon has the account told at the next pulse.
func (s *Share) soon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called, s.renewed = time.Time{}, time.Time{}
}

// call begins a call if none is under way, and the breaker lets it. Call it under the lock.
func (s *Share) call(now time.Time, keep bool) {
	if s.calling || s.book.current == nil || s.of.ctx.Err() != nil || now.Before(s.broken.until) || !s.of.breaker.begin(now) {
		return
	}
	go s.of.sync([]*call{s.prepare(now, keep)})
}

// prepare makes a call for those who wait. Call it under the lock.
func (s *Share) prepare(now time.Time, keep bool) *call {
	r := s.next
	s.next, s.calling = nil, true
	s.rate = max(s.rate, 2*s.taken) // it grows faster than renewals tell
	need, least, want := 0.0, 0.0, 0.0
	if !s.book.scarce && keep {
		want = math.Floor(s.rate)
	}
	if r != nil {
		need, least, want = r.need, r.least, r.sum+want
	}
	s.adopt(now)
	c := s.book.Prepare(need, least, want, s.limit, keep, now)
	s.called, s.told = now, c.Have
	s.of.activate(s)
	return &call{c, s, r}
}

// due is the call that is due, or nil.
func (s *Share) due(now time.Time) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.calling:
		return nil
	case !s.toTell():
		s.of.forget(s)
		return nil
	case since(s.renewed, now) < renew:
		return nil
	}
	s.rate = (s.rate + s.taken) / 2
	idle := s.taken == 0
	s.taken, s.renewed = 0, now
	if now.Before(s.broken.until) || !s.wrong(now) && !s.of.breaker.down.Load() || !s.of.breaker.begin(now) {
		return nil
	}
	return s.prepare(now, !idle && !s.book.scarce)
}

// wrong reports whether the store has to hear of the account now: something is in hand, it would be
// taken for dead, or the store may be wrong by more than a small part of the room that is left. Call it
// under the lock.
func (s *Share) wrong(now time.Time) bool {
	g := s.book.last
	s.adopt(now)
	if s.book.spare > 0 || s.book.Adopts() || g.Reclaim == 0 || since(s.called, now) >= g.Reclaim/quiet || s.wantsCount() {
		return true
	}
	have, _ := s.book.Have()
	by := math.Abs(have - s.told)
	for _, c := range []fleet.Count{s.book.count, s.book.hint} {
		if c.Told {
			by = max(by, c.Used-g.Base-g.Plus)
		}
	}
	return by*near >= s.limit-g.Base-g.Plus-g.Out
}

// finish takes in the answer, and wakes those who wait for it.
func (s *Share) finish(c *call, g fleet.Grant, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.book.Apply(c.Call, g, now)
	s.judge(g.Err, now)
	if ok {
		s.told += g.Units
		s.local = local{}
		s.notes.add(s.ledger.Tick(), s.book.known)
		if s.book.Adopts() { // one name with each call
			s.renewed = time.Time{}
		}
		if g.Wants && s.of.Read != nil {
			s.ask(now)
		}
	}
	if r := c.round; r != nil {
		r.answer = answerOf(ok, g.Code)
		if s.tries < mostTries && mayChange(ok, g.Code) {
			s.again(r)
			return
		}
		s.tries = 0
		s.end(r)
	}
	s.calling = false
	s.more(now)
}

// more makes the next call for those who wait. Call it under the lock.
func (s *Share) more(now time.Time) {
	r := s.next
	if r == nil {
		return
	}
	if s.call(now, true); !s.calling {
		s.next, r.answer = nil, ledger.Unreachable
		r.least = 0
		s.end(r)
	}
}

// How often and how soon a call is made again that was told to be: 2, 4, ... 64 ms later.
const (
	mostTries = 6
	firstTry  = 2 * time.Millisecond
)

// mayChange reports whether an answer may be another in a moment.
func mayChange(ok bool, code fleet.Code) bool {
	return ok && (code == fleet.Recall || code == fleet.Early || code == fleet.Over)
}

// again makes the call for a round again in a moment. Call it under the lock.
func (s *Share) again(r *round) {
	if n := s.next; n != nil { // who came meanwhile waits for the same call, and is answered after it
		r.sum += n.sum
		r.need, r.least = min(r.need, n.need), min(r.least, n.least)
		n.answer = ledger.Granted
		first := r.done
		go func() {
			<-first
			close(n.done)
		}()
	}
	s.next = r
	time.AfterFunc(firstTry<<s.tries, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calling = false
		s.more(s.of.Now())
	})
	s.tries++
}

// end tells those who wait that there is an answer. Call it under the lock.
func (s *Share) end(r *round) {
	copy(s.answers[1:], s.answers[:])
	s.answers[0] = r
	close(r.done)
}

func answerOf(ok bool, code fleet.Code) ledger.Answer {
	switch {
	case !ok:
		return ledger.Unreachable
	case code == fleet.OK:
		return ledger.Granted
	case code == fleet.Exceeded:
		return ledger.Exceeded
	case code == fleet.Pending, code == fleet.Recall:
		return ledger.Pending
	}
	return ledger.Unreachable // it learns after a loss, or its time is another
}

// last is what is told at the end: nothing is in hand.
func (s *Share) last(now time.Time) (fleet.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.toTell() {
		return fleet.State{}, false
	}
	return s.book.Prepare(0, 0, 0, s.limit, false, now).State, true
}
