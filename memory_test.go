package gate

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// decodedStigg answers with eight entitlements that share no memory with another answer, as a client
// decodes them. Its customers have the same terms, or each its own.
type decodedStigg struct{ own bool }

func (s decodedStigg) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	var n int
	if _, err := fmt.Sscan(c.ID, &n); err != nil {
		return EntitlementSet{}, err
	}
	terms := 0
	if s.own {
		terms = n
	}
	begins := time.Unix(1e9+int64(terms), 0)
	all := make([]Entitlement, 8)
	for i := range all {
		all[i] = Entitlement{
			FeatureID: fmt.Sprint("feature-", i), DisplayName: fmt.Sprint("Feature number ", i), Unit: fmt.Sprint("unit ", i), Kind: Metered, Granted: true,
			Limit: float64(1e6 + terms), Usage: float64(n % 100), Reset: ResetMonth, Anchor: begins, PeriodStart: begins, PeriodEnd: begins.AddDate(100, 0, 0),
		}
	}
	return EntitlementSet{Features: all}, nil
}

// TestMemoryOfAnEntitlement bounds the growth of the heap by customers that are read and listed, and use
// nothing so far, at 1.2 times what was measured.
func TestMemoryOfAnEntitlement(t *testing.T) {
	const customers = 4000
	for _, tt := range []struct {
		name string
		own  bool
		most float64 // bytes
	}{{"terms of its own", true, 215}, {"those of a plan", false, 150}} {
		t.Run(tt.name, func(t *testing.T) {
			least := tt.most + 1
			for round := 0; round < 3 && least > tt.most; round++ { // what other tests leave goes meanwhile
				g, err := New(decodedStigg{tt.own}, fromHeader("X", ""), WithCacheSize(customers))
				if err != nil {
					t.Fatal(err)
				}
				before := inUse()
				for i := range customers {
					if _, err := g.Entitlements(t.Context(), Customer{ID: fmt.Sprintf("%08d", i)}); err != nil {
						t.Fatal(err)
					}
				}
				least = min(least, (inUse()-before)/(8*customers))
				if err := g.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%.0f bytes", least)
			if least > tt.most {
				t.Errorf("an entitlement takes %.0f bytes, want at most %.0f", least, tt.most)
			}
		})
	}
}

// inUse is how much of the heap is, once all garbage is gone.
func inUse() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
