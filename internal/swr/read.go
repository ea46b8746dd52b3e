package swr

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/stiggate/gate/internal/upstream"
)

var (
	// ErrClosed is returned after Close.
	ErrClosed   = errors.New("gate: closed")
	errBusy     = errors.New("gate: too many customers are read from Stigg at once")
	errNoAnswer = errors.New("gate: the source gave no answer")
)

// read is one read of a key under way.
type read[V Value] struct {
	done  chan struct{}
	pin   Pinned
	entry *entry[V] // set before done is closed
	err   error
	// superseded: what it brings may be older than a change known since.
	superseded bool
	// overtaken: what it brings is to be read again, for the same reason.
	overtaken bool
}

func (r *read[V]) unpin() {
	if r.pin != nil {
		r.pin.Unpin()
	}
}

// join returns the read of this key that is under way, or begins one. The caller must
// unpin it.
func (k *Cache[K, V]) join(key K, now time.Time) (*read[V], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if r, ok := k.reads[key]; ok {
		r.pin.Pin() // never forgotten here: the read pins it
		return r, nil
	}
	// A read may have ended between the lookup and the lock.
	for _, memory := range []*lru.Cache[K, *entry[V]]{k.entries, k.unknown} {
		if e, ok := memory.Peek(key); ok && k.fresh(e, now) {
			r := &read[V]{done: make(chan struct{}), entry: e}
			if e.value.Pin() { // what is unknown needs none
				r.pin = e.value
			}
			close(r.done)
			return r, nil
		}
	}
	if g, ok := k.garbled.Get(key); ok && now.Before(g.until) {
		return nil, g.err
	}
	if k.underWay.Load() >= mostReads {
		return nil, errBusy
	}
	if err := k.breaker.allow(k.Now()); err != nil {
		return nil, err
	}
	r := k.begin(key)
	r.pin.Pin()
	return r, nil
}

// begin begins a read. Call it under the lock.
func (k *Cache[K, V]) begin(key K) *read[V] {
	of := k.Begin(key)
	r := &read[V]{done: make(chan struct{}), pin: of}
	k.reads[key] = r
	k.begun.Add(1)
	k.underWay.Add(1)
	k.wait.Go(func() { k.run(key, r, of) })
	return r
}

// run performs a read.
func (k *Cache[K, V]) run(key K, r *read[V], of Read[V]) {
	r.err = errNoAnswer // should the source end its goroutine
	defer k.end(key, r)
	failed := errNoAnswer
	defer func() {
		if k.breaker.done(key, failed, k.Now()); failed != nil {
			k.failed.Add(1)
		}
		k.came(key, failed)
	}()
	ctx, cancel := context.WithTimeout(k.ctx, k.Timeout)
	defer cancel()
	generation := k.state.generation.Load()
	v, err := of.Do(ctx)
	k.note(err)
	if failed = err; k.ctx.Err() != nil {
		failed = nil // closing is no outage
	}
	if r.err = err; err == nil {
		r.entry = k.entry(v, generation)
	}
}

// end keeps what the read brought and tells those who wait.
func (k *Cache[K, V]) end(key K, r *read[V]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !r.superseded {
		delete(k.reads, key)
		if r.entry != nil && !k.closed {
			r.entry.outdated.Store(r.overtaken)
			k.keep(key, r.entry)
		}
	}
	r.pin.Unpin()
	k.underWay.Add(-1)
	close(r.done)
}

const (
	// leastGarbled and longestGarbled are how long a key is not read again whose last read
	// brought what nobody understands: it doubles from read to read.
	leastGarbled   = 100 * time.Millisecond
	longestGarbled = 10 * time.Second
	// logPause keeps reads that fail now and then from being logged each time.
	logPause = time.Minute
)

// garbled is such an answer. It says nothing of other keys, so the breaker lets them be
// read; but each request of this one would read again.
type garbled struct {
	err   error
	until time.Time
	pause time.Duration
}

// came notes what became of a read: of the key, and of the source as a whole.
func (k *Cache[K, V]) came(key K, err error) {
	s := &k.state
	switch {
	case k.ctx.Err() != nil:
	case err == nil:
		k.garbled.Remove(key)
		s.heard.Store(true)
		s.down.Store(false)
	case upstream.Garbled(err), upstream.Refused(err):
		last, _ := k.garbled.Peek(key)
		pause := min(max(leastGarbled, 2*last.pause), longestGarbled)
		k.garbled.Add(key, garbled{err, k.Now().Add(pause), pause})
		if !s.heard.Load() || !k.breaker.until().IsZero() {
			s.down.Store(true)
		}
	default:
		s.down.Store(true)
	}
}

// note logs when the source can't be read any more and when it can again.
func (k *Cache[K, V]) note(err error) {
	s := &k.state
	now, before := k.Now().UnixNano(), s.since.Load()
	switch {
	case err != nil && k.ctx.Err() == nil:
		if s.said.Load() || before != 0 && now-before < int64(logPause) || !s.said.CompareAndSwap(false, true) {
			return
		}
		s.since.Store(now)
		k.Logger.Warn("gate: entitlements can't be read; what is cached is served, other customers as the outage policy says", "error", err)
	case err == nil && s.said.Load() && s.said.CompareAndSwap(true, false):
		k.Logger.Info("gate: entitlements are read again")
	}
}
