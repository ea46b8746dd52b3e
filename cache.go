package gate

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/counters"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/swr"
	"github.com/stiggate/gate/internal/upstream"
)

// cache is what Stigg last said of each customer: snapshots, served stale while they are
// read again. How, is package swr's.
type cache struct {
	*swr.Cache[Customer, snapshot]
	source Source
	ledger *ledger.Ledger
	now    func() time.Time
	logger *slog.Logger
	plans  *admission.Plans
	// names are those of the features, by id, as sets have told them.
	names sync.Map
	// observers are told of every read.
	observers observers
	// unreadable: numbers that can't be read are logged already.
	unreadable atomic.Bool
	key        upstream.Key
}

func newCache(source Source, l *ledger.Ledger, count *counters.Decisions, c config) (k *cache, err error) {
	k = &cache{source: source, ledger: l, now: c.now, logger: c.logger, plans: admission.NewPlans(), observers: c.observers}
	to := swr.Config[Customer, snapshot]{
		Own:    Customer.own,
		Begin:  func(c Customer) swr.Read[snapshot] { return &load{l.Open(ledger.Owner(c)), c, k} },
		Parent: func(c Customer) Customer { return Customer{ID: c.ID} },
		Hash:   hash,
		Keys:   c.cacheSize, TTL: c.ttl, LiveTTL: c.liveTTL, MaxStale: c.maxStale, StaleWait: c.decisionTimeout, ColdWait: c.coldTimeout, Timeout: ledger.ReadTimeout,
		Now: c.now, Logger: c.logger, Costs: count.Costs,
		Reading: func(ctx context.Context) context.Context { return k.observers.Reading(ctx, k.logger) },
	}
	if p, ok := source.(ReadPacer); ok {
		to.Pace = p.ReadPace
	}
	k.Cache, err = swr.New(to)
	return k, err
}

// hash spreads customers.
func hash(seed maphash.Seed, c Customer) uint64 {
	h := maphash.String(seed, c.ID)
	if c.Resource != "" {
		h ^= 31 * maphash.String(seed, c.Resource)
	}
	return h
}

// load is one read of a customer's set. It pins the book, which keeps the acknowledgements
// that arrive meanwhile from being forgotten.
type load struct {
	*ledger.Book
	customer Customer
	cache    *cache
}

// Do reads the set.
func (l *load) Do(ctx context.Context, noCache bool) (snapshot, error) {
	if noCache {
		ctx = ContextWithNoCache(ctx)
	}
	began, at := l.Begin(), l.cache.now()
	set, err := l.cache.source.Entitlements(ctx, l.customer)
	err = ofUpstream(err)
	l.cache.key.Note(err, l.cache.now())
	took := l.cache.now().Sub(at)
	l.cache.observers.Read(ctx, l.cache.logger, took, err)
	l.cache.logger.Debug("gate: a customer was read", "took", took, "features", len(set.Features), "error", err)
	if err != nil {
		return snapshot{}, err
	}
	asked := began.Before(set.Age)
	for i := range set.Features {
		if e := &set.Features[i]; e.DisplayName != "" {
			l.cache.names.LoadOrStore(e.FeatureID, e.DisplayName)
		}
	}
	set, unreadable := set.checked()
	if unreadable != "" && !l.cache.unreadable.Swap(true) {
		l.cache.logger.Error("gate: Stigg's answer has numbers that can't be read; they grant nothing, and requests for them get 503", "feature", unreadable)
	}
	s := l.cache.snapshot(l.Book, set)
	l.Read(asked, s.Readings(), l.cache.now())
	return s, nil
}

// Warm reads customers whose entitlements are not cached, before their first requests do: at
// a start, or for those who were there before a deploy. It waits for all of them, as long as
// ctx allows, at the pace that Stigg does; what is cached is not read again. The error tells
// how many could not be read and why the first could not; the others are cached all the same.
func (g *Gate) Warm(ctx context.Context, customers ...Customer) error {
	if g.offline {
		return nil
	}
	failed, first := g.cache.Warm(ctx, customers)
	if failed > 0 {
		return fmt.Errorf("gate: warm: %d of %d customers could not be read: %w", failed, len(customers), ofCache(first))
	}
	return nil
}

// snapshot is one customer's set as it was read, and the rights in it.
type snapshot struct {
	admission.Rights
	everything bool          // EntitlementSet.Everything
	cached     time.Duration // EntitlementSet.Cached
}

// Pin and Unpin are those of the book.
func (s snapshot) Pin() bool { return s.Book.Pin() }

// Unpin ends one Pin.
func (s snapshot) Unpin() { s.Book.Unpin() }

// Lifetime is how long it may be served.
func (s snapshot) Lifetime() swr.Lifetime {
	return swr.Lifetime{Denies: s.Denied != "", Empty: s.Empty() && !s.everything, Ends: s.Ends(), Cached: s.cached}
}

// snapshot is a set as rights that count in b, which is to be told of it. It keeps nothing that the
// set's maker has.
func (k *cache) snapshot(b *ledger.Book, set EntitlementSet) snapshot {
	all := make([]admission.Entitled, 0, len(set.Credits)+len(set.Features))
	for i := range set.Credits {
		all = append(all, set.Credits[i].entitled())
	}
	for i := range set.Features {
		all = append(all, set.Features[i].entitled())
	}
	return snapshot{k.plans.Rights(b, string(set.Denied), all), set.Everything, max(0, set.Cached)}
}

// ofCache is what the cache says, in the words of this package.
func ofCache(err error) error {
	if errors.Is(err, swr.ErrClosed) {
		return ErrClosed
	}
	return err
}
