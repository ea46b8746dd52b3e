package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// Config is a Replica's.
type Config struct {
	Store fleet.Fleet
	Now   func() time.Time
	// Outage is what is granted while the store can't be asked.
	Outage fleet.Outage
	// Read has Stigg asked how much is used of an account: the count comes by Lease.Count. It runs in a
	// goroutine of its own, and may be nil.
	Read func(fleet.Account)
	// Logger is told when the store can't be asked any more, and when it can be again.
	Logger *slog.Logger
}

// Replica is this process' side of a fleet: its shares of accounts, and when they are told.
//
// Locks: a Share's comes before the Replica's, and that before the breaker's.
type Replica struct {
	Config
	ledger  *ledger.Ledger
	name    string
	breaker breaker
	number  atomic.Uint64 // of the last call

	calls, granted, refused, recalled, lost, dropped, failed atomic.Uint64

	ctx    context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	active map[fleet.Account]*Share // that have something, or told so
	heirs  []inherited              // it only grows
}

const (
	// renew is how often it is told what changes, and pulse how often it is looked what is due.
	renew = 1500 * time.Millisecond
	pulse = 250 * time.Millisecond
	// quiet is how seldom, in parts of Reclaim, an account is told of that is far from its limit, and of
	// which nothing is in hand.
	quiet = 3
	// near is by which part of the room that is left the store may be wrong, until then.
	near = 16
	// mostStates bounds a call.
	mostStates = 128
	// firstWatch and lastWatch bound how soon Watch is called again.
	firstWatch = 50 * time.Millisecond
	lastWatch  = 2 * time.Second
)

// Start returns a replica, which has a ledger's accounts shared, and runs until Close. It is nil if there
// is no store; then Stats and Close do nothing.
func Start(c Config, l *ledger.Ledger) *Replica {
	if c.Store == nil {
		return nil
	}
	r := &Replica{Config: c, ledger: l, name: rand.Text(), active: make(map[fleet.Account]*Share)}
	r.breaker.changed = r.log
	l.Share(r.of)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.loops.Go(r.renew)
	r.loops.Go(r.watch)
	return r
}

// Name is the replica's: each process has another one.
func (r *Replica) Name() string { return r.name }

// Share returns this replica's share of an account, which has a book in the ledger.
func (r *Replica) Share(a fleet.Account, book *ledger.Book) *Share {
	r.mu.Lock()
	s := r.active[a]
	r.mu.Unlock()
	if s == nil {
		return &Share{of: r, ledger: book, book: NewBook(a, r.name, func() uint64 { return r.number.Add(1) })}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger, s.notes = book, notes{}
	return s
}

// log tells that the store can't be asked any more, or can be again.
func (r *Replica) log(err error) {
	if err != nil {
		r.Logger.Error("gate: the store of the fleet can't be asked", "error", err)
		return
	}
	r.Logger.Info("gate: the store of the fleet can be asked again")
}

// of is Share, for a ledger.
func (r *Replica) of(b *ledger.Book, wallet bool, id string) ledger.Share {
	a := fleet.Account{Customer: b.Owner().ID, Resource: b.Owner().Resource, Feature: id}
	if wallet {
		a.Feature, a.Currency = "", id
	}
	return r.Share(a, b)
}

// activate has a share told from now on. Call it under the share's lock.
func (r *Replica) activate(s *Share) {
	if !s.active {
		s.active = true
		r.mu.Lock()
		defer r.mu.Unlock()
		r.active[s.book.account] = s
	}
}

// forget ends that: there is nothing to tell. Call it under the share's lock.
func (r *Replica) forget(s *Share) {
	s.active = false
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active[s.book.account] == s {
		delete(r.active, s.book.account)
	}
}

// shares are all that are active.
func (r *Replica) shares() []*Share {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Share, 0, len(r.active))
	for _, s := range r.active {
		all = append(all, s)
	}
	return all
}

// renew tells what is due, in as few calls as that takes.
func (r *Replica) renew() {
	ticker := time.NewTicker(pulse)
	defer ticker.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-ticker.C:
		}
		now, due := r.Now(), []*call(nil)
		for _, s := range r.shares() {
			if c := s.due(now); c != nil {
				if due = append(due, c); len(due) == mostStates {
					go r.sync(due)
					due = nil
				}
			}
		}
		if len(due) > 0 {
			go r.sync(due)
		}
	}
}

// watch hears recalls.
func (r *Replica) watch() {
	wait := firstWatch
	for r.ctx.Err() == nil {
		began := time.Now() //nolint:forbidigo // of a wait, which no clock of the app's ends
		_ = r.Store.Watch(r.ctx, func(a fleet.Account) {
			r.recalled.Add(1)
			r.recall(a)
		})
		if wait *= 2; time.Since(began) > lastWatch {
			wait = firstWatch
		}
		select {
		case <-r.ctx.Done():
		case <-time.After(min(wait, lastWatch)):
		}
	}
}

// recall gives back what is in hand of an account. Of all of them it is told, at the next pulse.
func (r *Replica) recall(a fleet.Account) {
	if a == (fleet.Account{}) {
		for _, s := range r.shares() {
			s.soon()
		}
		return
	}
	r.mu.Lock()
	s := r.active[a]
	r.mu.Unlock()
	if s != nil {
		s.recall()
	}
}

// sync makes calls, and hands on the answers.
func (r *Replica) sync(calls []*call) {
	ctx, cancel := context.WithTimeout(r.ctx, fleet.MaxCallTime)
	defer cancel()
	states := make([]fleet.State, len(calls))
	for i, c := range calls {
		states[i] = c.State
	}
	grants, err := r.Store.Sync(ctx, states)
	if err == nil && len(grants) != len(calls) {
		err = errAnswers
	}
	now, back := r.Now(), false
	for i, c := range calls {
		g := fleet.Grant{Err: err}
		if err == nil {
			g = grants[i]
		}
		r.count(&c.State, &g)
		err := g.Err
		if errors.Is(err, fleet.ErrAccount) {
			err = nil // the store answers
		}
		back = r.breaker.end(err, now) || back
		c.share.finish(c, g, now)
	}
	if back { // what was not told is told now
		for _, s := range r.shares() {
			s.soon()
		}
	}
}

func (r *Replica) count(s *fleet.State, g *fleet.Grant) {
	r.calls.Add(1)
	add := func(n *atomic.Uint64, is bool) {
		if is {
			n.Add(1)
		}
	}
	add(&r.failed, g.Err != nil)
	add(&r.granted, g.Units > 0)
	add(&r.refused, g.Err == nil && s.Need > 0 && g.Code != fleet.OK)
	add(&r.lost, g.Lost)
	add(&r.dropped, g.Dropped)
}

// Stats is what was done so far.
func (r *Replica) Stats() fleet.Stats {
	if r == nil {
		return fleet.Stats{}
	}
	return fleet.Stats{
		Calls: r.calls.Load(), Granted: r.granted.Load(), Refused: r.refused.Load(), Recalled: r.recalled.Load(),
		Lost: r.lost.Load(), Dropped: r.dropped.Load(), Failed: r.failed.Load(), Down: r.breaker.down.Load(),
	}
}

// Degraded has a sentence if the store can't be asked.
func (r *Replica) Degraded() []string {
	if !r.Stats().Down {
		return nil
	}
	return []string{"the store of the fleet can't be asked, so little more is granted than is in hand"}
}

// Close gives back all that is in hand, tells what is left, and closes the store. Nothing is granted
// any more.
func (r *Replica) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.cancel()
	r.loops.Wait()
	var states []fleet.State
	for _, s := range r.shares() {
		if state, ok := s.last(r.Now()); ok {
			states = append(states, state)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), fleet.MaxCallTime)
	defer cancel()
	var err error
	for len(states) > 0 && err == nil {
		n := min(len(states), mostStates)
		_, err = r.Store.Sync(ctx, states[:n])
		states = states[n:]
	}
	if closing := r.Store.Close(); err == nil {
		err = closing
	}
	return err
}
