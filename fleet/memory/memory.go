// Package memory is a fleet's store in the memory of one process: for tests with several gates
// in one process, and as the rules of a store, in Go. contrib/redisgate has the same rules as a
// script for Redis, and a test there holds the two to the same answers.
//
// It reaches no other process: replicas that run elsewhere need a store that they share.
package memory

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/stiggate/gate/fleet"
)

// Store is a fleet.Fleet. Use New.
type Store struct {
	now    func() time.Time
	timing fleet.Timing

	mu       sync.Mutex
	closed   bool
	accounts map[fleet.Account]*account
	// born is when the store was first used after it was emptied, in ms; 0 if it never was. What
	// replicas had of accounts that were lost they tell within Valid of it.
	born     int64
	watchers map[*watcher]bool
}

// Option is a setting of New.
type Option func(*Store) error

// WithClock has the time told by now instead of time.Now.
func WithClock(now func() time.Time) Option {
	return func(s *Store) error {
		if now == nil {
			return errors.New("memory: the clock is nil")
		}
		s.now = now
		return nil
	}
}

// WithTiming is instead of fleet.DefaultTiming.
func WithTiming(t fleet.Timing) Option {
	return func(s *Store) error {
		s.timing = t
		return t.Validate()
	}
}

// New returns an empty store.
func New(options ...Option) (*Store, error) {
	s := &Store{now: time.Now, timing: fleet.DefaultTiming(), accounts: make(map[fleet.Account]*account), watchers: make(map[*watcher]bool)} //nolint:forbidigo // the default of WithClock
	for _, o := range options {
		if o == nil {
			return nil, errors.New("memory: an option is nil")
		}
		if err := o(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ErrClosed is what a store says after Close.
var ErrClosed = errors.New("memory: the store is closed")

// Sync is fleet.Fleet's.
func (s *Store) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	grants := make([]fleet.Grant, len(states))
	for i := range states {
		grants[i] = s.sync(&states[i])
	}
	return grants, nil
}

// sync takes one state. Call it under the lock.
func (s *Store) sync(state *fleet.State) fleet.Grant {
	now := s.now().UnixMilli()
	kept := s.accounts[state.Account]
	if kept != nil && now >= kept.forget {
		kept = nil
	}
	c := call{State: state, timing: s.timing, now: now, born: s.born}
	if kept != nil {
		c.account = kept.clone()
	}
	grant := c.sync()
	s.born = c.born
	if c.taken {
		c.forget = now + s.timing.Keep.Milliseconds()
		s.accounts[state.Account] = c.account
	}
	if c.taken && c.recalls {
		for w := range s.watchers {
			w.tell(state.Account)
		}
	}
	return grant
}

// Save returns a function that throws the store back to what it is now: a failover that has
// lost the last writes. For tests.
func (s *Store) Save() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved, born := s.copy(), s.born
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.accounts, s.born = saved, born
		saved = s.copy()
	}
}

func (s *Store) copy() map[fleet.Account]*account {
	all := make(map[fleet.Account]*account, len(s.accounts))
	for name, a := range s.accounts {
		all[name] = a.clone()
	}
	return all
}

// Empty loses all that was told. For tests.
func (s *Store) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts, s.born = make(map[fleet.Account]*account), unborn
}

// Watch is fleet.Fleet's.
func (s *Store) Watch(ctx context.Context, recall func(fleet.Account)) error {
	w := &watcher{accounts: make(chan fleet.Account, 64), all: make(chan struct{}, 1)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.watchers[w] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
	}()
	recall(fleet.Account{})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a, ok := <-w.accounts:
			if !ok {
				return ErrClosed
			}
			recall(a)
		case <-w.all:
			recall(fleet.Account{})
		}
	}
}

// watcher is one Watch under way. Its channels are filled under the store's lock.
type watcher struct {
	accounts chan fleet.Account
	all      chan struct{} // there were more than it takes
}

func (w *watcher) tell(a fleet.Account) {
	select {
	case w.accounts <- a:
		return
	default:
	}
	select {
	case w.all <- struct{}{}:
	default:
	}
}

// Close ends the store: what was told is gone.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for w := range maps.Keys(s.watchers) {
		close(w.accounts)
	}
	clear(s.watchers)
	return nil
}
