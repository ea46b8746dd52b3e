package gate

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	// loadTimeout bounds one load. It may outlive the requests that wait for it.
	loadTimeout = 10 * time.Second
	// leastFresh is how long a set is fresh whose validUntil is past when it arrives.
	// The clocks disagree then, and reading again at once would not mend it.
	leastFresh = time.Second
)

// cache holds what Stigg last said of each customer. Its entries are immutable
// snapshots; a lookup takes no lock but the LRU's. Expiry is found at lookup, so the
// cache has no goroutine but those of loads under way.
//
// What holds: at most one load of a customer is under way, whatever the number of
// callers; it is bound to no caller's context; a caller waits at most the decision
// deadline; what a load brings is kept only if the customer was not marked stale
// since it began.
type cache struct {
	source   Source
	ledger   *ledger
	now      func() time.Time
	ttl      time.Duration
	patience time.Duration
	logger   *slog.Logger
	down     atomic.Bool // the last load failed

	entries *lru.Cache[Customer, *snapshot]
	unknown *lru.Cache[Customer, *snapshot]
	count   atomic.Uint64 // loads begun

	mu     sync.Mutex // held by all that change entries and unknown
	loads  map[Customer]*load
	closed bool
	ctx    context.Context // ends at close; loads run under it
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// snapshot is one customer's set as it was read, with its accounts. It pins the book
// while it is in the cache.
type snapshot struct {
	set        EntitlementSet
	rights     map[string]*right // by feature
	wallets    map[string]*right // by credit currency
	book       *book
	freshUntil time.Time
}

// right is one entitlement with its account and, if it costs credits, its wallet.
type right struct {
	Entitlement
	account *account
	credit  *Credit
	wallet  *account
	// currency is set for a wallet that is asked for itself: account is the wallet's.
	currency string
}

// right is the customer's right to a feature; nil without one.
func (s *snapshot) right(feature string) *right {
	if s == nil {
		return nil
	}
	return s.rights[feature]
}

// load is one read of a customer's set under way.
type load struct {
	done chan struct{}
	snap *snapshot // set before done is closed
	err  error
	// superseded: what it brings may be older than a change known since.
	superseded bool
}

func newCache(source Source, l *ledger, c config) (*cache, error) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &cache{
		source: source, ledger: l, now: c.now, ttl: c.ttl, patience: c.patience, logger: c.logger,
		loads: make(map[Customer]*load), ctx: ctx, cancel: cancel,
	}
	var err, err2 error
	k.entries, err = lru.NewWithEvict(c.customers, func(_ Customer, s *snapshot) { s.book.unpin() })
	k.unknown, err2 = lru.New[Customer, *snapshot](unknownCustomers)
	return k, errors.Join(err, err2)
}

// get returns the customer's snapshot, which is fresh, or was loaded just now. The
// error is the caller's own context's, or says why nothing is known.
func (k *cache) get(ctx context.Context, c Customer, now time.Time) (*snapshot, error) {
	if s, ok := k.entries.Get(c); ok && now.Before(s.freshUntil) {
		return s, nil
	}
	if s, ok := k.unknown.Get(c); ok && now.Before(s.freshUntil) {
		return s, nil
	}
	l, err := k.join(c, now)
	if err != nil {
		return nil, err
	}
	return k.await(ctx, l)
}

// join returns the load of this customer that is under way, or begins one.
func (k *cache) join(c Customer, now time.Time) (*load, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if l, ok := k.loads[c]; ok {
		return l, nil
	}
	// A load may have ended between the lookup and the lock.
	for _, memory := range []*lru.Cache[Customer, *snapshot]{k.entries, k.unknown} {
		if s, ok := memory.Peek(c); ok && now.Before(s.freshUntil) {
			l := &load{done: make(chan struct{}), snap: s}
			close(l.done)
			return l, nil
		}
	}
	return k.load(c), nil
}

// peek is what is cached of a customer, however old; nil if nothing is.
func (k *cache) peek(c Customer) *snapshot {
	s, _ := k.entries.Peek(c)
	return s
}

// refresh reads a cached customer's set again, in the background.
func (k *cache) refresh(c Customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, loading := k.loads[c]; !loading && !k.closed && k.entries.Contains(c) {
		k.load(c)
	}
}

// load begins a load. Call it under the lock.
func (k *cache) load(c Customer) *load {
	l := &load{done: make(chan struct{})}
	k.loads[c] = l
	k.count.Add(1)
	b := k.ledger.open(c)
	k.wait.Go(func() { k.run(c, l, b) })
	return l
}

func (k *cache) await(ctx context.Context, l *load) (*snapshot, error) {
	select {
	case <-l.done: // already here: no timer
		return l.snap, l.err
	default:
	}
	deadline := time.NewTimer(k.patience)
	defer deadline.Stop()
	select {
	case <-l.done:
		return l.snap, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-deadline.C:
		return nil, errTooSlow
	}
}

var errTooSlow = errors.New("gate: no entitlements within the decision deadline")

// run performs a load with the book pinned, which keeps the acknowledgements that
// arrive meanwhile from being forgotten.
func (k *cache) run(c Customer, l *load, b *book) {
	l.err = errNoAnswer // should the source end its goroutine
	defer k.end(c, l, b)
	ctx, cancel := context.WithTimeout(k.ctx, loadTimeout)
	defer cancel()
	begun := b.tick()
	set, err := k.source.Entitlements(ctx, c)
	k.note(err)
	if l.err = err; err == nil {
		l.snap = k.snapshot(b, set, begun)
	}
}

var errNoAnswer = errors.New("gate: the source gave no answer")

// end keeps what the load brought and tells those who wait.
func (k *cache) end(c Customer, l *load, b *book) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !l.superseded {
		delete(k.loads, c)
		if l.snap != nil && !k.closed {
			k.keep(c, l.snap)
		}
	}
	b.unpin()
	close(l.done)
}

// note logs when entitlements can't be read any more and when they can again.
func (k *cache) note(err error) {
	switch was := k.down.Swap(err != nil); {
	case err != nil && !was && k.ctx.Err() == nil:
		k.logger.Warn("gate: entitlements can't be read; requests of customers that are not cached are denied with 503", "error", err)
	case err == nil && was:
		k.logger.Info("gate: entitlements are read again")
	}
}

// keep puts a snapshot where it belongs. Call it under the lock.
func (k *cache) keep(c Customer, s *snapshot) {
	if len(s.rights) == 0 && (s.set.Denied == ReasonCustomerNotFound || s.set.Denied == ReasonResourceNotFound) {
		k.entries.Remove(c)
		k.unknown.Add(c, s)
		return
	}
	k.unknown.Remove(c)
	s.book.pin() // never forgotten here: the load still pins it
	if old, ok := k.entries.Peek(c); ok {
		defer old.book.unpin() // Add does not count a replacement as an eviction
	}
	k.entries.Add(c, s)
}

// stale makes the next check of a customer ask Stigg. A load that began before does
// not count any more.
func (k *cache) stale(c Customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.loads[c]; ok {
		l.superseded = true
		delete(k.loads, c)
	}
	k.entries.Remove(c)
	k.unknown.Remove(c)
}

// snapshot applies a set to the customer's accounts and freezes it.
func (k *cache) snapshot(b *book, set EntitlementSet, begun uint64) *snapshot {
	now := k.now()
	set.Credits = slices.Clone(set.Credits)
	s := &snapshot{set: set, rights: make(map[string]*right, len(set.Features)), wallets: make(map[string]*right, len(set.Credits)), book: b}
	credits := make(map[string]*Credit, len(set.Credits))
	for i := range set.Credits {
		c := &set.Credits[i]
		credits[c.CurrencyID] = c
		w := b.account(accountKey{true, c.CurrencyID})
		w.read(begun, reading{usage: c.Usage, end: c.PeriodEnd}, now, cycle{})
		s.wallets[c.CurrencyID] = &right{account: w, credit: c, currency: c.CurrencyID}
	}
	for _, e := range set.Features {
		r := &right{Entitlement: e.clone()}
		if e.Kind == Metered {
			r.account = b.account(accountKey{false, e.FeatureID})
			r.account.read(begun, reading{e.Usage, e.PeriodStart, e.PeriodEnd}, now, r.cycle())
		}
		if e.CreditRate != nil {
			r.credit = credits[e.CreditRate.CurrencyID]
			r.wallet = b.account(accountKey{true, e.CreditRate.CurrencyID})
		}
		s.rights[e.FeatureID] = r
	}
	s.freshUntil = k.freshUntil(set, now)
	return s
}

func (e *Entitlement) cycle() cycle { return cycle{e.Reset, e.Anchor} }

// freshUntil is the TTL from now, or the first validUntil in the set if that comes
// earlier.
func (k *cache) freshUntil(set EntitlementSet, now time.Time) time.Time {
	ttl := k.ttl
	if set.Denied != "" {
		ttl = min(ttl, negativeTTL)
	}
	until := now.Add(time.Duration(float64(ttl) * (0.9 + 0.2*rand.Float64())))
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(until) {
			until = t
		}
	}
	for i := range set.Features {
		earlier(set.Features[i].ValidUntil)
	}
	for i := range set.Credits {
		earlier(set.Credits[i].ValidUntil)
	}
	if least := now.Add(min(leastFresh, k.ttl)); until.Before(least) && !until.After(now) {
		return least
	}
	return until
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
