package fleet

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stiggate/gate/fleet"
)

// Answer is what a Share says to an amount.
type Answer uint8

// The answers.
const (
	Granted     Answer = iota
	Wanting            // the store is asked: wait, and ask again
	Pending            // it does not fit for now, by what all replicas have
	Exceeded           // it does not fit: Stigg counts too much
	Unavailable        // the store can't be asked, or learns after a loss
)

// Share is what this replica has of one account, and the calls that keep it so: one at a time, shared
// by all who wait for it. Under its lock only those of the Replica and the breaker are taken; calls run
// without.
type Share struct {
	of *Replica

	mu     sync.Mutex
	book   *Book
	tick   func() uint64
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
	told        float64 // what the replica had by the last call
	delayed     []delayed
	local       local
}

// round is the requests that one call asks for.
type round struct {
	done      chan struct{} // closed when its answer is known
	need, sum float64       // the least that one of them needs, and what all do
	answer    Answer        // to whoever needs as much as need, or more
}

// delayed is usage that Stigg has acknowledged, and counts at the tick due.
type delayed struct {
	due    uint64
	period *Period
	amount float64
}

// call is a call under way, and the requests that wait for it.
type call struct {
	Call
	share *Share
	round *round
}

// Open makes a usage period, in ms since 1970, the account's current one.
func (s *Share) Open(start, end int64, named bool) *Period {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.Open(start, end, named)
}

// Use makes a period of Open the current one again.
func (s *Share) Use(p *Period) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.Use(p)
}

// Correct gives a period the bounds that Stigg names.
func (s *Share) Correct(p *Period, start, end int64, named bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.Correct(p, start, end, named)
}

// Take holds an amount of what the replica has in hand, or asks the store for it. The channel that comes
// with Wanting is closed when there is an answer; then the same request asks again, with that channel as
// waited, and what was answered holds for it.
func (s *Share) Take(p *Period, amount, limit float64, waited <-chan struct{}, now time.Time) (Answer, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	if s.book.Take(p, amount, now) {
		s.taken += amount
		if low := s.rate / 2; low > 2 && s.book.spare < low && !s.book.scarce {
			s.call(now, true) // ahead of need
		}
		return Granted, nil
	}
	if answer := s.answered(waited, amount); answer == Unavailable {
		return s.without(p, amount), nil
	} else if answer != Wanting {
		return answer, nil
	}
	if s.next == nil {
		s.next = &round{done: make(chan struct{}), need: amount}
	}
	r := s.next
	r.need, r.sum = min(r.need, amount), r.sum+amount
	if s.call(now, true); !s.calling {
		s.next = nil
		return s.without(p, amount), nil
	}
	return Wanting, r.done
}

// answered is what the store has answered to a request for an amount that waited; Wanting if it must be
// asked.
func (s *Share) answered(waited <-chan struct{}, amount float64) Answer {
	if waited == nil {
		return Wanting
	}
	for _, r := range s.answers {
		if r != nil && (<-chan struct{})(r.done) == waited && r.answer != Granted && amount >= r.need {
			return r.answer
		}
	}
	return Wanting
}

// Settle ends a hold, of which so much was used.
func (s *Share) Settle(p *Period, held, used float64) {
	s.change(func() { s.book.Settle(p, held, used) })
}

// Record adds usage that no hold made room for.
func (s *Share) Record(p *Period, used float64) { s.change(func() { s.book.Record(p, used) }) }

// Leave ends the wait of usage that Stigg does not take.
func (s *Share) Leave(p *Period, used float64) { s.change(func() { s.book.Leave(p, used) }) }

// Acknowledge ends the wait of usage that Stigg counts. count is Stigg's, which was not taken before the
// tick began.
func (s *Share) Acknowledge(p *Period, used, count float64, began uint64) {
	s.change(func() {
		s.book.Leave(p, used)
		s.counted(p, count, began)
	})
}

// AcknowledgeBlind is Acknowledge without a count.
func (s *Share) AcknowledgeBlind(p *Period, used float64) {
	s.change(func() { s.book.LeaveBlind(p, used) })
}

// AcknowledgeDelayed is Acknowledge of usage that Stigg counts by the tick due: until a count comes that
// was asked for later, the usage waits on.
func (s *Share) AcknowledgeDelayed(p *Period, used float64, due uint64) {
	s.change(func() {
		if used > 0 {
			s.delayed = append(s.delayed, delayed{due, p, used})
		}
	})
}

// Count is one of Stigg's that was asked for, and was not taken before the tick began.
func (s *Share) Count(p *Period, count float64, began uint64) {
	s.change(func() { s.counted(p, count, began) })
}

func (s *Share) counted(p *Period, count float64, began uint64) {
	s.delayed = slices.DeleteFunc(s.delayed, func(d delayed) bool {
		if d.period != p || d.due >= began {
			return false
		}
		s.book.Leave(p, d.amount)
		return true
	})
	s.book.Count(p, count, s.notes.at(began))
}

// Hint is a count of Stigg's that came unasked.
func (s *Share) Hint(p *Period, count float64) { s.change(func() { s.book.Hint(p, count) }) }

// change changes what the replica has. Where so little is left that others may wait for it, it is told at
// once; so is a count that the store wants.
func (s *Share) change(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how()
	if !s.toTell() {
		return
	}
	s.of.activate(s)
	if s.book.scarce || s.book.count.Told && s.book.last.Wants {
		s.call(s.of.Now(), !s.book.scarce)
	}
}

// toTell reports whether the store has to hear of the account. Call it under the lock.
func (s *Share) toTell() bool {
	if s.book.current == nil {
		return false
	}
	have, _ := s.book.Have()
	return have != 0 || s.told != 0
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
	if s.calling || s.book.current == nil || s.of.ctx.Err() != nil || !s.of.breaker.begin(now) {
		return
	}
	go s.of.sync([]*call{s.prepare(now, keep)})
}

// prepare makes a call for those who wait. Call it under the lock.
func (s *Share) prepare(now time.Time, keep bool) *call {
	r := s.next
	s.next, s.calling = nil, true
	s.rate = max(s.rate, 2*s.taken) // it grows faster than renewals tell
	need, want := 0.0, 0.0
	if !s.book.scarce && keep {
		want = math.Floor(s.rate)
	}
	if r != nil {
		need, want = r.need, r.sum+want
	}
	c := s.book.Prepare(need, want, s.limit, keep, now)
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
	if !s.wrong(now) && !s.of.breaker.down.Load() || !s.of.breaker.begin(now) {
		return nil
	}
	return s.prepare(now, !idle && !s.book.scarce)
}

// wrong reports whether the store has to hear of the account now: something is in hand, it would be
// taken for dead, or the store may be wrong by more than a small part of the room that is left. Call it
// under the lock.
func (s *Share) wrong(now time.Time) bool {
	g := s.book.last
	if s.book.spare > 0 || g.Reclaim == 0 || since(s.called, now) >= g.Reclaim/quiet || s.book.count.Told && g.Wants {
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
	if ok {
		s.told += g.Units
		s.local = local{}
		s.notes.add(s.tick(), s.book.known)
		if g.Wants && s.of.Read != nil {
			s.of.Read(s.book.account)
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
		s.next, r.answer = nil, Unavailable
		r.need = 0
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
		r.need = min(r.need, n.need)
		n.answer = Granted
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

func answerOf(ok bool, code fleet.Code) Answer {
	switch {
	case !ok:
		return Unavailable
	case code == fleet.OK:
		return Granted
	case code == fleet.Exceeded:
		return Exceeded
	case code == fleet.Pending, code == fleet.Recall:
		return Pending
	}
	return Unavailable
}

// last is what is told at the end: nothing is in hand.
func (s *Share) last(now time.Time) (fleet.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.toTell() {
		return fleet.State{}, false
	}
	return s.book.Prepare(0, 0, s.limit, false, now).State, true
}
