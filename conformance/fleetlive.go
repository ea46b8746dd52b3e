package conformance

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// openStore is a store that several replicas have.
type openStore struct{ fleet.Fleet }

func (openStore) Close() error { return nil }

// testNearLive has many replicas ask at once, with the calls and the clock of production, for all there is: each
// limit is given out exactly. The long rows are for suites with many schedules.
func testNearLive(t *testing.T, f *Fleet) {
	for _, row := range []struct {
		replicas, limit int
		long            bool
	}{
		{2, 1, false}, {50, 1, false}, {8, 100, false}, {50, 100, false}, {8, 1000, false}, {50, 1000, true}, {200, 5000, true}, {50, 20000, true},
	} {
		if row.long && f.Schedules < 100 {
			continue
		}
		t.Run(fmt.Sprintf("%d replicas, a limit of %d", row.replicas, row.limit), func(t *testing.T) {
			store := openStore{f.Open(t, time.Now, fleet.DefaultTiming())}
			var given, pending atomic.Int64
			var workers sync.WaitGroup
			calls := make([]*replica.Replica, row.replicas)
			began := time.Now()
			for i := range calls {
				l := ledger.New()
				r := replica.Start(replica.Config{Store: store, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, l)
				defer func() { _ = r.Close() }()
				calls[i] = r
				account := l.Open(ledger.Owner{ID: t.Name(), Resource: fmt.Sprint(began.UnixNano())}).Feature("units")
				workers.Go(func() {
					for last := false; ; {
						answer := hold(account, float64(row.limit))
						switch answer {
						case ledger.Granted:
							given.Add(1)
							continue
						case ledger.Pending:
							pending.Add(1)
						}
						if last || time.Since(began) > 2*time.Minute {
							return
						}
						last = answer != ledger.Unreachable && given.Load() >= int64(row.limit) // once more
						time.Sleep(2 * time.Millisecond)
					}
				})
			}
			workers.Wait()
			sum := uint64(0)
			for _, r := range calls {
				sum += r.Stats().Calls
			}
			t.Logf("%d given out, after %v; %d calls, %d refusals", given.Load(), time.Since(began).Round(time.Millisecond), sum, pending.Load())
			if given.Load() != int64(row.limit) {
				t.Errorf("%d were given out", given.Load())
			}
		})
	}
}

// hold is a request for one unit that does not end.
func hold(a *ledger.Account, limit float64) ledger.Answer {
	ask := ledger.Ask{Amount: 1, Limit: ledger.Limit{Max: limit}}
	for {
		r := a.Hold(time.Now(), ledger.Cycle{}, ask)
		if r.Answer != ledger.Wanting {
			return r.Answer
		}
		<-r.Wait
		ask.Waited = r.Wait
	}
}
