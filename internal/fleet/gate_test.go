package fleet_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet/memory"
	"github.com/stiggate/gate/identity"
)

// plan lets everybody use a lot.
type plan struct{}

func (plan) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "units", Kind: gate.Metered, Limit: 1e12}}}, nil
}

func (plan) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return make([]gate.Ack, len(batch)), nil
}

// admitting returns a function that admits one unit and releases it, and whether it was admitted.
func admitting(t testing.TB, shared bool) func() bool {
	t.Helper()
	options := []gate.Option{gate.WithLogger(slog.New(slog.DiscardHandler))}
	if shared {
		store, err := memory.New()
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, gate.WithFleet(store))
	}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	ctx, customer, policy := context.Background(), gate.Customer{ID: "acme"}, gate.Feature("units").Uses(1)
	return func() bool {
		ticket, d := g.Admit(ctx, customer, policy)
		ticket.Release()
		return d.Allowed
	}
}

// TestAUnitInHandCostsNoAllocation: no more than without a store.
func TestAUnitInHandCostsNoAllocation(t *testing.T) {
	var allocs [2]float64
	for i, shared := range []bool{false, true} {
		admit := admitting(t, shared)
		for range 1000 { // so that enough is in hand
			admit()
		}
		allocs[i] = testing.AllocsPerRun(1000, func() { admit() })
	}
	if allocs[1] > allocs[0] {
		t.Errorf("%v allocations, and %v without a store", allocs[1], allocs[0])
	}
}

// BenchmarkAUnitInHand has Gate.Admit and Ticket.Release with a store and without, in rounds that alternate, and
// tells the medians.
func BenchmarkAUnitInHand(b *testing.B) {
	const rounds, each = 4001, 100 // short, so that whatever else runs disturbs few of them
	ways := []func() bool{admitting(b, false), admitting(b, true)}
	var took [2][]float64
	for b.Loop() {
		for range rounds {
			for i, admit := range ways {
				began := time.Now()
				for range each {
					if !admit() {
						b.Fatal("it is not let in")
					}
				}
				took[i] = append(took[i], float64(time.Since(began).Nanoseconds())/each)
			}
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	alone, shared := median(took[0]), median(took[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(alone, "ns/alone")
	b.ReportMetric(shared, "ns/in-a-fleet")
	b.ReportMetric(shared-alone, "ns/more")
}
