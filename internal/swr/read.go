package swr

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

var (
	// ErrClosed is returned after Close.
	ErrClosed   = errors.New("gate: closed")
	errNoAnswer = errors.New("gate: the source gave no answer")
	errOverdue  = errors.New("gate: the source did not return when its time was up")
)

// mostOverdue is how long after its time a source may return. A read is given up then: others of its
// key, and of all while the breaker tries one, must not wait for it.
const mostOverdue = time.Second

// read is one read of a key: it waits for its turn, then it is under way.
type read[K comparable, V Value] struct {
	key   K
	done  chan struct{}
	entry *entry[K, V] // set before done is closed
	err   error

	// Under the Cache's lock:
	turn    turn[K, V]
	begun   bool
	noCache bool // see Read
	// superseded: what it brings may be older than a change known since.
	superseded bool
	// overtaken: what it brings is to be read again, for the same reason.
	overtaken bool

	pin  Pinned       // once it has begun
	refs atomic.Int32 // the callers that wait, and the Cache until it has ended

	ctx atomic.Pointer[context.Context] // of Config.Reading, once it has begun
}

// release ends one use of what was read.
func (r *read[K, V]) release() {
	if r.refs.Add(-1) == 0 && r.pin != nil {
		r.pin.Unpin()
	}
}

// join returns the read of this key that there is, or a new one that begins when it is its
// turn, within longest. The caller must release or leave it.
func (k *Cache[K, V]) join(key K, now time.Time, noCache bool, pace, longest time.Duration) (*read[K, V], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if r, ok := k.reads[key]; ok {
		r.refs.Add(1)
		if !r.begun {
			r.noCache = r.noCache || noCache
		}
		return r, nil
	}
	// A read may have ended between the lookup and the lock.
	if e := k.index.get(key); e != nil && k.fresh(e, now.UnixNano()) {
		r := &read[K, V]{done: make(chan struct{}), entry: e}
		r.refs.Store(1)
		if !e.empty && e.value.Pin() {
			r.pin = e.value
		}
		close(r.done)
		return r, nil
	}
	now = k.c.Now()
	if f, ok := k.failures.Get(key); ok && within(now, f.until, longestFailure) {
		return nil, f.err
	}
	if err := k.breaker.rests(now); err != nil {
		return nil, err
	}
	r := &read[K, V]{key: key, done: make(chan struct{}), noCache: noCache}
	k.turns.pace = pace
	if err := k.lineUp(r, now, longest); err != nil {
		return nil, err
	}
	k.reads[key] = r
	r.refs.Store(2)
	k.beginReads(now)
	return r, nil
}

// leave is release for a caller that waits no longer. A read that nobody waits for any more
// and that has not begun does not begin.
func (k *Cache[K, V]) leave(r *read[K, V]) {
	n := r.refs.Add(-1)
	if n == 0 && r.pin != nil {
		r.pin.Unpin()
	}
	if n != 1 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reads[r.key] == r && !r.begun && r.refs.Load() == 1 {
		k.drop(r, context.Canceled)
	}
}

// drop ends a read that has not begun. Call it under the lock.
func (k *Cache[K, V]) drop(r *read[K, V], err error) {
	k.leaveLine(r)
	delete(k.reads, r.key)
	r.err = err
	close(r.done)
	r.refs.Add(-1)
}

// begin begins a read whose turn it is. Call it under the lock.
func (k *Cache[K, V]) begin(r *read[K, V]) {
	of := k.c.Begin(r.key)
	r.begun, r.pin = true, of
	k.begun.Add(1)
	if e := k.index.get(r.key); e != nil {
		r.noCache = r.noCache || e.outdated.Load() || e.suspect.Load() || e.generation < k.state.changed
	}
	noCache := r.noCache
	k.wait.Go(func() { k.run(r, of, noCache) })
}

// run performs a read. One that is given up stays pinned until the source returns, and what it brings
// then is dropped.
func (k *Cache[K, V]) run(r *read[K, V], of Read[V], noCache bool) {
	generation := k.state.generation.Load()
	var v V
	err := errNoAnswer // should the source end its goroutine
	givenUp := time.AfterFunc(k.c.Timeout+mostOverdue, func() {
		var none V
		k.end(r, none, generation, errOverdue) //nolint:contextcheck // as below
	})
	defer func() {
		if givenUp.Stop() {
			k.end(r, v, generation, err) //nolint:contextcheck // it ends what is told to others
		} else {
			r.release()
		}
	}()
	v, err = k.do(r, of, noCache)
}

// do asks the source. Its panic is an error.
func (k *Cache[K, V]) do(r *read[K, V], of Read[V], noCache bool) (v V, err error) {
	ctx, cancel := context.WithTimeout(k.ctx, k.c.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	if k.c.Reading != nil {
		ctx = k.c.Reading(ctx)
		r.ctx.Store(&ctx)
	}
	return of.Do(ctx, noCache)
}

// panicError is a read that panicked. Its text has nothing of what a program may have put
// into the panic, but for the runtime's own words.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	if r, ok := e.value.(runtime.Error); ok {
		return "gate: the source panicked: " + r.Error()
	}
	return fmt.Sprintf("gate: the source panicked with a %T", e.value)
}

// end keeps what the read brought, tells those who wait, and then the log, which may take
// its time.
func (k *Cache[K, V]) end(r *read[K, V], v V, generation uint64, err error) {
	var e *entry[K, V]
	if err == nil {
		e = k.entry(r.key, v, generation)
	}
	now, pace, closing := k.c.Now(), k.pace(), k.ctx.Err() != nil // closing is no outage
	k.mu.Lock()
	r.entry, r.err, k.turns.pace = e, err, pace
	var changed change
	if !closing {
		changed = k.breaker.done(k.c.Parent(r.key), outcomeOf(err), upstream.RetryAfter(err), err, now)
		k.learn(r, now)
	}
	k.endTurn(r)
	if !r.superseded {
		delete(k.reads, r.key)
		if e != nil && !k.closed {
			e.outdated.Store(r.overtaken)
			k.keep(e)
		}
	}
	if !errors.Is(err, errOverdue) {
		r.release() // before those who wait are told, so that they find nothing of it pinned but what they hold
	}
	close(r.done)
	if !k.closed {
		k.beginReads(now)
	}
	k.mu.Unlock()
	if !closing {
		k.log.read(now, err)
		k.log.breaker(now, changed)
	}
}

const (
	// leastFailure and longestFailure are how long a key is not read again whose last read
	// brought what nobody understands: it doubles from read to read.
	leastFailure   = 100 * time.Millisecond
	longestFailure = 10 * time.Second
)

// failure is why a key is not read again for a while: the source refuses it, or its answer
// is garbled. It says nothing of other keys, so they are read; but each caller of this one
// would have it read again.
type failure struct {
	err   error
	until time.Time
	pause time.Duration
}

// outcome is what a read says of the source as a whole.
type outcome uint8

const (
	understood outcome = iota // the source is well, also if it refuses this key
	garbled                   // nobody understands what it says of this key
	down                      // it can't be read
)

func outcomeOf(err error) outcome {
	var panicked *panicError
	switch {
	case err == nil, upstream.Refused(err):
		return understood
	case upstream.Garbled(err), errors.As(err, &panicked):
		return garbled
	}
	return down
}

// learn notes what became of a read: of the key, and of the source as a whole. Call it under
// the lock.
func (k *Cache[K, V]) learn(r *read[K, V], now time.Time) {
	s := &k.state
	if r.err != nil {
		k.failed.Add(1)
	}
	switch outcomeOf(r.err) {
	case understood:
		s.everRead.Store(true)
		s.down.Store(false)
		if r.err == nil {
			k.failures.Remove(r.key)
		} else {
			k.fail(r, negativeTTL, now)
		}
	case garbled:
		last, _ := k.failures.Peek(r.key)
		k.fail(r, min(max(leastFailure, 2*last.pause), longestFailure), now)
		if !s.everRead.Load() || !k.breaker.until(now).IsZero() {
			s.down.Store(true)
		}
	case down:
		s.down.Store(true)
	}
	if r.entry != nil && !r.entry.empty {
		k.granted.add(k.c.Hash(k.index.seed, r.key))
	}
}

// fail remembers why a key can't be read. Call it under the lock.
func (k *Cache[K, V]) fail(r *read[K, V], pause time.Duration, now time.Time) {
	if !r.superseded {
		k.failures.Add(r.key, failure{r.err, now.Add(pause), pause})
	}
}

// within reports whether now is before until. One that is more than most ahead was made by
// a clock that has been set back since, and is over.
func within(now, until time.Time, most time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= most
}

// passed reports whether d has passed since then, or then lies ahead, since the clock was
// set back.
func passed(now, then time.Time, d time.Duration) bool {
	return now.Sub(then) >= d || now.Before(then)
}
