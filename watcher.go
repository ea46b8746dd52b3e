package gate

import (
	"context"
	"time"
)

// Watcher brings news of what customers have, as they happen. A Source that is also a
// Watcher is used as such; package client is one.
//
// Watch tells sink until ctx ends, and mends its connection by itself. It returns early
// only if nothing can be mended, for instance with a key that is refused; the gate logs
// that and goes on without news.
type Watcher interface {
	Watch(ctx context.Context, sink Sink) error
}

// Sink takes news into the cache: from a Watcher, from webhooks (package webhook), from
// an app that knows of a change. The Gate is one. Its methods return at once, and news
// of customers that aren't cached cost no memory. What arrives later counts as newer,
// unless At says otherwise; loads that began before do not undo it.
type Sink interface {
	// Replace is the customer's whole set from now on. Credits that are nil leave the
	// wallets as they are known, and have them read again: webhooks don't tell of them.
	Replace(c Customer, set EntitlementSet)
	// Patch is Stigg's count of one feature or wallet.
	Patch(c Customer, p Patch)
	// Stale says that something has changed that must be felt at once: the next check asks
	// Stigg. What is cached of the customer is served only while Stigg does not answer, and
	// then refuses nobody with 402. Without a Resource it is so for all resources of the
	// customer.
	Stale(c Customer)
	// StaleAll says that everything may have changed: what is cached is served on, and
	// read again in the background.
	StaleAll()
	// Live says whether news arrive now. While they do, what is cached stays fresh
	// longer; when they do again, what was cached before counts as stale.
	Live(live bool)
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
