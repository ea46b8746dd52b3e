// Package world has what the suites measure with: customers, a Stigg that knows them, and gates in
// front of it.
package world

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
)

// Plenty is a limit that no suite gets to.
const Plenty = 1e15

// The features that everybody has.
const (
	Boolean = "feature-analytics"
	Metered = "feature-campaigns"
	Spent   = "feature-spent" // nothing of it is left
)

// Customers are n of them.
func Customers(n int) []gate.Customer {
	all := make([]gate.Customer, n)
	for i := range all {
		all[i] = gate.Customer{ID: fmt.Sprintf("customer-%07d", i)}
	}
	return all
}

// Two are a boolean and a metered feature.
func Two() []gate.Entitlement {
	return []gate.Entitlement{
		{FeatureID: Boolean, DisplayName: "Analytics", Kind: gate.Boolean, Granted: true},
		{FeatureID: Metered, DisplayName: "Campaigns", Kind: gate.Metered, Granted: true, Limit: Plenty},
	}
}

// Three are these and one of which nothing is left.
func Three() []gate.Entitlement {
	return append(Two(), gate.Entitlement{FeatureID: Spent, DisplayName: "Spent", Kind: gate.Metered, Granted: false, Limit: 1, Usage: 1})
}

// Source is a Stigg of one set for everybody, that answers at once and takes no usage: what is settled
// stays queued.
type Source []gate.Entitlement

// Entitlements is a set of its own, as one that was decoded is.
func (s Source) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: append([]gate.Entitlement(nil), s...)}, nil
}

// Report never answers.
func (s Source) Report(ctx context.Context, _ []gate.Usage) ([]gate.Ack, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// ByHeader names the customer by a header.
func ByHeader() gate.Resolver { return identity.FromTrustedHeader("X-Customer-Id", "") }

// Gate returns a gate that has the customers cached.
func Gate(source gate.Source, customers []gate.Customer, options ...gate.Option) (*gate.Gate, error) {
	options = append([]gate.Option{
		gate.WithCacheSize(max(len(customers), 1)), gate.WithQueueSize(1 << 30), gate.WithQueueBytes(1 << 40),
		gate.WithTTL(24 * time.Hour), gate.WithLiveTTL(24 * time.Hour), gate.WithMaxStale(48 * time.Hour), // nothing is refreshed meanwhile
		gate.WithDecisionTimeout(time.Hour), gate.WithColdTimeout(time.Hour), // however busy the machine is
		gate.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)
	g, err := gate.New(source, ByHeader(), options...)
	if err != nil {
		return nil, err
	}
	for _, c := range customers {
		if _, err := g.Entitlements(context.Background(), c); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Drop ends a gate and leaves its usage undelivered.
func Drop(g *gate.Gate) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = g.Close(ended)
}

// Traffic is who asks, one after the other: few ask often and many seldom, as Zipf's law has it.
type Traffic struct {
	// Asks has the indexes of those who ask; its length is a power of two.
	Asks []uint32
	next [16]struct {
		at int
		_  [56]byte // workers share no cache line
	}
}

// NewTraffic is of n customers and the same in each run.
func NewTraffic(n int) *Traffic {
	r := rand.New(rand.NewPCG(1, 2))
	who := r.Perm(n) // who asks often has no neighbours in memory who do
	z := rand.NewZipf(r, 1.01, 1, uint64(n-1))
	t := &Traffic{Asks: make([]uint32, 1<<min(bits.Len(uint(4*n)), 18))}
	for i := range t.Asks {
		t.Asks[i] = uint32(who[z.Uint64()])
	}
	for w := range t.next {
		t.next[w].at = w * len(t.Asks) / 2
	}
	return t
}

// Take is where a worker goes on in Asks for its next n, at any index modulo its length.
func (t *Traffic) Take(worker, n int) (from, mask int) {
	next := &t.next[worker]
	from = next.at
	next.at += n
	return from, len(t.Asks) - 1
}

// Of is what the traffic asks for, one for each of Asks.
func Of[T any](t *Traffic, all []T) []T {
	out := make([]T, len(t.Asks))
	for i, a := range t.Asks {
		out[i] = all[a]
	}
	return out
}
