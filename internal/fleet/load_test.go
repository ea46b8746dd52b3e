package fleet_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/fleet"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

var accounts = flag.Int("accounts", 500, "how many accounts TestCallsOfManyAccounts has")

// TestCallsOfManyAccounts has many accounts, each with a request a second at any of many replicas: the
// store is asked at most 5 times a second for each, which is 50,000 times for 10,000. It counts, in virtual time.
func TestCallsOfManyAccounts(t *testing.T) {
	for _, replicas := range []int{50, 200} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const length = 20 * time.Second
				w := newWire(t)
				var wg sync.WaitGroup
				var mu sync.Mutex
				answers := make(map[ledger.Answer]int)
				var all []*replica.Replica
				for i := range replicas {
					l := ledger.New()
					r := replica.Start(replica.Config{Store: w, Now: time.Now, Outage: fleet.SpendLease, Logger: slog.New(slog.DiscardHandler)}, l)
					all = append(all, r)
					rng := rand.New(rand.NewPCG(uint64(i), 1))
					wg.Go(func() {
						for began := time.Now(); time.Since(began) < length; time.Sleep(time.Duration(rng.ExpFloat64() * float64(replicas) / float64(*accounts) * float64(time.Second))) {
							account := l.Open(ledger.Owner{ID: fmt.Sprint(rng.IntN(*accounts))}).Feature("units")
							answer := holdAndRelease(account)
							mu.Lock()
							answers[answer]++
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				calls := float64(w.told()) / length.Seconds()
				t.Logf("%.0f calls a second for %d accounts, %v", calls, *accounts, answers)
				if calls > 5*float64(*accounts) {
					t.Errorf("%.0f calls a second for %d accounts", calls, *accounts)
				}
				// Each is asked for once a second; first requests wait for the store.
				if answers[ledger.Granted] < *accounts*15 || len(answers) > 1 {
					t.Errorf("answers: %v", answers)
				}
				for _, r := range all {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// holdAndRelease is a request that uses nothing.
func holdAndRelease(a *ledger.Account) ledger.Answer {
	ask := ledger.Ask{Amount: 1, Limit: ledger.Limit{Max: 1e6}}
	for {
		now := time.Now()
		r := a.Hold(now, ledger.Cycle{}, ask)
		if r.Answer != ledger.Wanting {
			if r.Answer == ledger.Granted {
				h := a.Meter().Hold(r, now)
				h.Release()
			}
			return r.Answer
		}
		<-r.Wait
		ask.Waited = r.Wait
	}
}
