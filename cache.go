package gate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// negativeTTL is how long a customer that Stigg denies as a whole is remembered:
	// short, since a sign-up must be felt soon.
	negativeTTL = 5 * time.Second
	// unknownCustomers bounds the separate memory of ids that Stigg does not know, so
	// that made-up ids can't evict paying customers.
	unknownCustomers = 10_000
	// mostLoads bounds the loads under way, so that made-up ids can't flood a Stigg that
	// hangs, nor fill the memory here.
	mostLoads = 1000
	// loadTimeout bounds one load. It may outlive the requests that wait for it.
	loadTimeout = 10 * time.Second
)

// cache holds what Stigg last said of each customer. Its entries are immutable
// snapshots; a lookup takes no lock but the LRU's. Expiry is found at lookup, so the
// cache has no goroutine but those of loads under way, and one while it refreshes.
//
// What is fresh is served. What is stale is served too, up to its bound, and read again
// in the background. Else the caller waits for a load.
//
// What holds: at most one load of a customer is under way, whatever the number of
// callers; it is bound to no caller's context; a caller waits at most the decision
// deadline; what a load brings is kept only if nothing newer was learned of the
// customer since it began.
type cache struct {
	source   Source
	ledger   *ledger
	now      func() time.Time
	ttl      time.Duration
	liveTTL  time.Duration // the TTL while news arrive
	maxStale time.Duration
	patience time.Duration
	logger   *slog.Logger
	down     atomic.Bool // entitlements can't be read
	heard    atomic.Bool // they ever could
	said     atomic.Bool // and the log says so
	saidAt   atomic.Int64
	breaker  breaker

	live atomic.Bool   // news arrive
	lost atomic.Bool   // they did before, and should
	era  atomic.Uint64 // what was read in an earlier era is stale

	entries *lru.Cache[Customer, *snapshot]
	unknown *lru.Cache[Customer, *snapshot]
	strange *lru.Cache[Customer, strange]
	count   atomic.Uint64 // loads begun
	failed  atomic.Uint64 // loads that brought nothing
	waited  atomic.Uint64 // callers that had to wait for a load

	inFlight atomic.Int64 // loads under way, those that were superseded too

	mu    sync.Mutex // held by all that change entries and unknown
	loads map[Customer]*load
	// resources has the resources in entries and unknown, by customer.
	resources map[string]map[string]bool
	wanted    map[Customer]*snapshot // to be refreshed
	refreshes bool                   // the goroutine that does so runs
	closed    bool
	ctx       context.Context // ends at close; loads run under it
	cancel    context.CancelFunc
	wait      sync.WaitGroup
}

// load is one read of a customer's set under way.
type load struct {
	done chan struct{}
	book *book
	snap *snapshot // set before done is closed
	err  error
	// superseded: what it brings may be older than a change known since.
	superseded bool
	// overtaken: what it brings is to be read again, for the same reason.
	overtaken bool
}

// patience is how long one decision still waits, over all its lookups.
type patience struct {
	timer *time.Timer // from the first wait on
	over  bool
}

func newCache(source Source, l *ledger, c config) (*cache, error) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &cache{
		source: source, ledger: l, now: c.now, ttl: c.ttl, liveTTL: c.liveTTL, maxStale: c.maxStale, patience: c.patience, logger: c.logger,
		loads: make(map[Customer]*load), resources: make(map[string]map[string]bool), wanted: make(map[Customer]*snapshot), ctx: ctx, cancel: cancel,
	}
	var err, err2, err3 error
	k.entries, err = lru.NewWithEvict(c.customers, k.evicted)
	k.unknown, err2 = lru.NewWithEvict(unknownCustomers, func(c Customer, _ *snapshot) { k.leave(c) })
	k.strange, err3 = lru.New[Customer, strange](unknownCustomers)
	return k, errors.Join(err, err2, err3)
}

// finding is what get found. One that was loaded pins its book, since the cache may have
// dropped it already, or never kept it: unpin it.
type finding struct {
	snap   *snapshot
	origin Origin
	book   *book // nil if only the cache pins it
	cause  error // why nothing fresher was found
}

func (f finding) unpin() {
	if f.book != nil {
		f.book.unpin()
	}
}

// get finds the customer's snapshot. A stale one is returned at once, unless insist is
// set or there is news of a change: then the caller waits for a load, and gets the stale one only if that fails. The
// error is the caller's own context's, or says why nothing is known.
func (k *cache) get(ctx context.Context, c Customer, now time.Time, insist bool, p *patience) (finding, error) {
	s, ok := k.entries.Get(c)
	if ok && k.fresh(s, now) {
		return finding{snap: s, origin: OriginFresh}, nil
	}
	if u, ok := k.unknown.Get(c); ok && k.fresh(u, now) {
		return finding{snap: u, origin: OriginFresh}, nil
	}
	ok = ok && s.servable(now)
	if ok && !insist && !s.suspect.Load() {
		k.want(c, s)
		return finding{snap: s, origin: OriginStale}, nil
	}
	l, err := k.join(c, now)
	if err == nil {
		found := finding{origin: OriginFresh, book: l.book}
		if found.snap, err = k.await(ctx, l, p); err == nil {
			return found, nil
		}
		found.unpin()
	}
	if ok && ctx.Err() == nil {
		return finding{snap: s, origin: OriginStale, cause: err}, nil
	}
	return finding{}, err
}

// join returns the load of this customer that is under way, or begins one. The caller must
// unpin its book.
func (k *cache) join(c Customer, now time.Time) (*load, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if l, ok := k.loads[c]; ok {
		l.book.pin() // never forgotten here: the load pins it
		return l, nil
	}
	// A load may have ended between the lookup and the lock.
	for _, memory := range []*lru.Cache[Customer, *snapshot]{k.entries, k.unknown} {
		if s, ok := memory.Peek(c); ok && k.fresh(s, now) {
			l := &load{done: make(chan struct{}), snap: s}
			if s.book.pin() { // unknown customers have none
				l.book = s.book
			}
			close(l.done)
			return l, nil
		}
	}
	if r, ok := k.strange.Get(c); ok && now.Before(r.until) {
		return nil, r.err
	}
	if k.inFlight.Load() >= mostLoads {
		return nil, errBusy
	}
	if err := k.breaker.allow(k.now()); err != nil {
		return nil, err
	}
	l := k.load(c)
	l.book.pin()
	return l, nil
}

var errBusy = errors.New("gate: too many customers are read from Stigg at once")

// peek is what is cached of a customer, however old; nil if nothing is.
func (k *cache) peek(c Customer) *snapshot {
	s, _ := k.entries.Peek(c)
	return s
}

// load begins a load. Call it under the lock.
func (k *cache) load(c Customer) *load {
	l := &load{done: make(chan struct{}), book: k.ledger.open(c)}
	k.loads[c] = l
	k.count.Add(1)
	k.inFlight.Add(1)
	k.wait.Go(func() { k.run(c, l) })
	return l
}

func (k *cache) await(ctx context.Context, l *load, p *patience) (*snapshot, error) {
	if err := k.pauses(ctx, l.done, p); err != nil {
		return nil, err
	}
	return l.snap, l.err
}

// pauses waits for a channel to be closed, as long as there is patience.
func (k *cache) pauses(ctx context.Context, done <-chan struct{}, p *patience) error {
	select {
	case <-done: // already: no timer
		return nil
	default:
	}
	if p.over {
		return errTooSlow
	}
	if p.timer == nil {
		k.waited.Add(1)
		p.timer = time.NewTimer(k.patience)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.timer.C:
		p.over = true
		return errTooSlow
	}
}

var errTooSlow = errors.New("gate: no entitlements within the decision deadline")

// run performs a load with the book pinned, which keeps the acknowledgements that
// arrive meanwhile from being forgotten.
func (k *cache) run(c Customer, l *load) {
	l.err = errNoAnswer // should the source end its goroutine
	defer k.end(c, l)
	failed := errNoAnswer
	defer func() {
		if k.breaker.done(c, failed, k.now()); failed != nil {
			k.failed.Add(1)
		}
		k.came(c, failed)
	}()
	ctx, cancel := context.WithTimeout(k.ctx, loadTimeout)
	defer cancel()
	begun, era := l.book.tick(), k.era.Load()
	set, err := k.source.Entitlements(ctx, c)
	k.note(err)
	if failed = err; k.ctx.Err() != nil {
		failed = nil // closing is no outage
	}
	if l.err = err; err == nil {
		l.snap = k.snapshot(l.book, set, era, func(a *account, r reading, now time.Time, c cycle) { a.read(begun, r, now, c) })
	}
}

var errNoAnswer = errors.New("gate: the source gave no answer")

// end keeps what the load brought and tells those who wait.
func (k *cache) end(c Customer, l *load) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !l.superseded {
		delete(k.loads, c)
		if l.snap != nil && !k.closed {
			l.snap.outdated.Store(l.overtaken)
			k.keep(c, l.snap)
		}
	}
	l.book.unpin()
	k.inFlight.Add(-1)
	close(l.done)
}

// logPause keeps reads that fail now and then from being logged each time.
const logPause = time.Minute

// note logs when entitlements can't be read any more and when they can again.
func (k *cache) note(err error) {
	now, before := k.now().UnixNano(), k.saidAt.Load()
	switch {
	case err != nil && k.ctx.Err() == nil:
		if k.said.Load() || before != 0 && now-before < int64(logPause) || !k.said.CompareAndSwap(false, true) {
			return
		}
		k.saidAt.Store(now)
		k.logger.Warn("gate: entitlements can't be read; what is cached is served, other customers as the outage policy says", "error", err)
	case err == nil && k.said.Load() && k.said.CompareAndSwap(true, false):
		k.logger.Info("gate: entitlements are read again")
	}
}

// keep puts a snapshot where it belongs. Call it under the lock.
func (k *cache) keep(c Customer, s *snapshot) {
	if len(s.rights)+len(s.wallets) == 0 && (s.set.Denied == ReasonCustomerNotFound || s.set.Denied == ReasonResourceNotFound) {
		k.entries.Remove(c)
		k.unknown.Add(c, s)
		k.enter(c)
		return
	}
	k.unknown.Remove(c)
	s.book.pin() // never forgotten here: the caller still pins it
	k.enter(c)
	if old, ok := k.entries.Peek(c); ok {
		defer old.book.unpin() // Add does not count a replacement as an eviction
	}
	k.entries.Add(c, s)
}

// evicted is told of every entry that is removed.
func (k *cache) evicted(c Customer, s *snapshot) {
	s.book.unpin()
	k.leave(c)
}

// enter and leave keep the index of resources.
func (k *cache) enter(c Customer) {
	if c.Resource == "" {
		return
	}
	if k.resources[c.ID] == nil {
		k.resources[c.ID] = make(map[string]bool, 1)
	}
	k.resources[c.ID][c.Resource] = true
}

func (k *cache) leave(c Customer) {
	if c.Resource == "" {
		return
	}
	if delete(k.resources[c.ID], c.Resource); len(k.resources[c.ID]) == 0 {
		delete(k.resources, c.ID)
	}
}

// supersede makes the load of a customer that is under way, if there is one, bring
// nothing into the cache. Call it under the lock.
func (k *cache) supersede(c Customer) {
	if l, ok := k.loads[c]; ok {
		l.superseded = true
		delete(k.loads, c)
	}
}

// suspect makes the next check of a customer ask Stigg, and rely on what is cached only if
// Stigg does not answer. Call it under the lock.
func (k *cache) suspect(c Customer) {
	k.supersede(c)
	if s, ok := k.entries.Peek(c); ok {
		s.suspect.Store(true)
	}
	k.unknown.Remove(c)
	k.strange.Remove(c)
}

// close cancels the loads under way and waits for them until ctx ends.
func (k *cache) close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	done := make(chan struct{})
	go func() { k.wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
