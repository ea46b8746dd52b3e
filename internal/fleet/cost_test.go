package fleet_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// TestFewCalls admits 500 a second for 20 s: the store is told at most 10 times for 1,000.
func TestFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		n := newNode(t, w, fleet.SpendLease)
		const admits = 10_000
		for range admits {
			n.want(t, 1, 1e9, ledger.Granted)
			n.end(1, 1)
			n.acknowledge(1)
			time.Sleep(2 * time.Millisecond)
		}
		calls := w.told()
		if t.Logf("%.1f calls for 1,000", float64(calls)*1000/admits); calls > admits/100 {
			t.Errorf("%d calls for %d", calls, admits)
		}
	})
}

// BenchmarkAdmit holds and releases a unit, with a store and without: a unit in hand costs no
// allocation.
func BenchmarkAdmit(b *testing.B) {
	for _, shared := range []bool{false, true} {
		b.Run(map[bool]string{false: "alone", true: "in a fleet"}[shared], func(b *testing.B) {
			l := ledger.New()
			if shared {
				store, err := memory.New()
				if err != nil {
					b.Fatal(err)
				}
				r := replica.Start(replica.Config{Store: store, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, l)
				defer func() { _ = r.Close() }()
			}
			book := l.Open(ledger.Owner{ID: "acme"})
			m := book.Feature("units").Meter()
			now := time.Now()
			ask := ledger.Ask{Amount: 1, Limit: ledger.Limit{Max: 1e12}}
			b.ReportAllocs()
			for b.Loop() {
				a := m.Account.Hold(now, ledger.Cycle{}, ask)
				for a.Answer == ledger.Wanting {
					<-a.Wait
					now, ask.Waited = time.Now(), a.Wait
					a = m.Account.Hold(now, ledger.Cycle{}, ask)
				}
				h := m.Hold(a, now)
				h.Release()
				if b.N%1024 == 0 {
					now = time.Now()
				}
			}
		})
	}
}
