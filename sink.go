package gate

import (
	"context"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/watch"
)

// Watcher brings news of what customers have, as they happen. A Source that is also a
// Watcher is used as such; package client is one.
//
// Watch tells sink until ctx ends, and mends its connection by itself. It returns an error
// only if nothing can be mended for now, for instance with a key that is refused; the gate
// logs that, goes on without news, and calls Watch again: after a minute, then more seldom,
// and at least once an hour. It returns nil early if there is nothing to watch.
type Watcher interface {
	Watch(ctx context.Context, sink Sink) error
}

// PartialWatcher is a Watcher that may bring part of the news alone, such as webhooks that other
// replicas took. While it says so, nobody is warned that news don't arrive.
type PartialWatcher interface {
	Watcher
	Partial() bool
}

// Sink takes news into the cache: from a Watcher, from webhooks (package webhook), from
// an app that knows of a change. Gate.Sink is a gate's. Its methods return at once, and news
// of customers that aren't cached cost no memory. What arrives later counts as newer,
// unless At says otherwise; loads that began before do not undo it.
type Sink interface {
	// Replace is the customer's whole set from now on. Credits that are nil leave the
	// wallets as they are known, and have them read again: webhooks don't tell of them.
	Replace(c Customer, set EntitlementSet)
	// Patch is Stigg's count of one feature or wallet.
	Patch(c Customer, p Patch)
	// Invalidate says that something has changed that must be felt at once: the next check asks
	// Stigg. What is cached of the customer is served only while Stigg does not answer, and
	// then refuses nobody with 402. Without a Resource it is so for all resources of the
	// customer.
	Invalidate(c Customer)
	// InvalidateAll says that everything may have changed: what is cached is served on, and
	// read again in the background.
	InvalidateAll()
	// SetLive says whether news arrive now. While they do, what is cached stays fresh
	// longer; when they do again, what was cached before counts as stale.
	SetLive(live bool)
}

// Patch is Stigg's count of one feature's usage, or of one wallet.
type Patch struct {
	// FeatureID is the metered feature, or Currency the wallet; the other is empty.
	FeatureID, Currency string
	Usage               float64
	PeriodStart         time.Time
	PeriodEnd           time.Time
	// Limit is the wallet's total, where HasLimit says that the news has it.
	Limit    float64
	HasLimit bool
	// At is Stigg's time of the count; a count that is older than one that is known is
	// dropped. Zero: it is as new as its arrival.
	At time.Time
}

// Sink takes news into the gate's cache.
func (g *Gate) Sink() Sink { return sink{Gate: g} }

type sink struct {
	*Gate
	works func() // told that news arrive, if it is not nil
}

// Replace is Sink's: a customer's whole set from now on.
func (g sink) Replace(c Customer, set EntitlementSet) {
	if c.Validate() != nil {
		return
	}
	set, unreadable := set.checked()
	if unreadable != "" {
		g.cache.Suspect(c) // it is read instead
		return
	}
	g.cache.Replace(c, func(old *snapshot, age time.Duration) (s snapshot, sure bool) {
		told := set.Credits != nil
		if sure = true; !told {
			for i := range old.All() {
				if r := &old.All()[i]; r.IsWallet {
					set.Credits, sure = append(set.Credits, credit(&old.Rights, r, g.now())), false
				}
			}
		}
		s = g.cache.snapshot(old.Book, set)
		sure = s.Book.Replace(set.Age, s.Readings(), told, g.now()) && sure
		if sure && age < ledger.Margin+set.Age {
			sure = old.everything == set.Everything && old.Same(&s.Rights)
		}
		return s, sure
	})
}

// Patch is Sink's: Stigg's count of one feature or wallet. One that may be older than what
// is known only raises; then the set is read again, and so it is for one that is no amount.
func (g sink) Patch(c Customer, p Patch) {
	s, ok := g.cache.Peek(c)
	if !ok || !isAmount(p.Usage) {
		g.cache.Outdate(c)
		return
	}
	r := s.Feature(p.FeatureID)
	if p.Currency != "" {
		r = s.Wallet(p.Currency)
	}
	count := ledger.Count{Used: p.Usage, Start: p.PeriodStart, End: p.PeriodEnd}
	if m := s.Meter(r); m == nil || !m.Account.Push(count, p.At, g.now(), r.Cycle) ||
		p.HasLimit && r.IsWallet && p.Limit != r.Limit {
		g.cache.Outdate(c)
	}
}

// Invalidate makes the next check of a customer ask Stigg anew. Call it after a change
// that must be felt at once: a sign-up, an upgrade. What is cached is served on only while
// Stigg does not answer. Without a Resource it is so for all resources of the customer.
func (g *Gate) Invalidate(c Customer) { g.cache.Suspect(c) }

// InvalidateAll has everything read again in the background, by Stigg and no cache on the way, and served
// on meanwhile.
func (g *Gate) InvalidateAll() { g.cache.OutdateAll(true) }

// InvalidateAll is Sink's. A Watcher itself knows what is kept on the way.
func (g sink) InvalidateAll() { g.cache.OutdateAll(g.works == nil) }

// SetLive is Sink's: whether news arrive.
func (g sink) SetLive(live bool) {
	if live && g.works != nil {
		g.works()
	}
	g.cache.SetLive(live)
}

// InterruptionSink is a Sink that is told why news don't arrive, for the log: when an attempt to
// have them fails, and before SetLive(false) when they end. A gate's is one; a Watcher need not
// know.
type InterruptionSink interface {
	Sink
	Interrupted(err error)
}

// Interrupted is InterruptionSink's.
func (g sink) Interrupted(err error) { g.cache.Interrupted(err) }

// follow takes news until ctx ends.
func (g *Gate) follow(ctx context.Context, w Watcher) {
	kept := watch.Watch{
		Open: func(ctx context.Context, works func()) error {
			defer g.cache.SetLive(false)
			return w.Watch(ctx, sink{g, works})
		},
		Lost: g.cache.Lost, Silent: g.cache.Silent,
	}
	if p, ok := w.(PartialWatcher); ok && p.Partial() {
		kept.Silent = func() {}
	}
	kept.Keep(ctx)
}
