package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
	replica "github.com/stiggate/gate/internal/fleet"
)

// wire is a store that can be cut off, and that counts.
type wire struct {
	*memory.Store
	mu    sync.Mutex
	cut   bool
	calls int // states that were told
}

var errCut = errors.New("the store can't be reached")

func (w *wire) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	w.mu.Lock()
	w.calls += len(states)
	cut := w.cut
	w.mu.Unlock()
	time.Sleep(time.Millisecond) // on its way
	if cut {
		return nil, errCut
	}
	return w.Store.Sync(ctx, states)
}

func (w *wire) Close() error { return nil } // several replicas share it

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

func (w *wire) told() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// node is one replica with its share of one account.
type node struct {
	*replica.Replica
	share  *replica.Share
	period *replica.Period

	mu      sync.Mutex
	changes []error // of the store, as they were told
}

var units = fleet.Account{Customer: "acme", Feature: "units"}

func newWire(t *testing.T) *wire {
	t.Helper()
	store, err := memory.New()
	if err != nil {
		t.Fatal(err)
	}
	return &wire{Store: store}
}

func newNode(t *testing.T, w *wire, outage replica.Outage) *node {
	t.Helper()
	n := &node{}
	n.Replica = replica.New(replica.Config{Store: w, Now: time.Now, Outage: outage, Changed: func(err error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.changes = append(n.changes, err)
	}})
	begin := time.Now()
	tick := uint64(0)
	n.share = n.Share(units, func() uint64 {
		tick = max(tick+1, uint64(time.Since(begin)))
		return tick
	})
	n.period = n.share.Open(0, 0, false)
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// take is a request: it waits while the answer is Wanting.
func (n *node) take(amount, limit float64) replica.Answer {
	var waited <-chan struct{}
	for {
		answer, wait := n.share.Take(n.period, amount, limit, waited, time.Now())
		if answer != replica.Wanting {
			return answer
		}
		<-wait
		waited = wait
	}
}

func (n *node) want(t *testing.T, amount, limit float64, want replica.Answer) {
	t.Helper()
	if got := n.take(amount, limit); got != want {
		t.Errorf("%v of %v: got %v, want %v", amount, limit, got, want)
	}
}

func TestTwoReplicasHaveOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		nodes := []*node{newNode(t, w, replica.SpendLease), newNode(t, w, replica.SpendLease)}
		var granted, other [2]int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 600 {
			wg.Go(func() {
				answer := nodes[i%2].take(1, 100)
				mu.Lock()
				defer mu.Unlock()
				if answer == replica.Granted {
					granted[i%2]++
				} else if answer != replica.Pending {
					other[i%2]++
				}
			})
		}
		wg.Wait()
		if granted[0]+granted[1] != 100 || other != [2]int{} {
			t.Errorf("granted %v of 100, and %v were not answered %v", granted, other, replica.Pending)
		}
		t.Logf("granted %v, %d calls", granted, w.told())
	})
}

func TestWhatNobodyUsesIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		a, b := newNode(t, w, replica.SpendLease), newNode(t, w, replica.SpendLease)
		synctest.Wait() // both hear recalls
		for range 40 {
			a.want(t, 1, 100, replica.Granted)
			a.share.Settle(a.period, 1, 0)
		}
		// It is called back the moment that somebody needs it, and by itself.
		b.want(t, 100, 100, replica.Granted)
		b.share.Settle(b.period, 100, 0)
		time.Sleep(time.Minute)
		calls := w.told()
		time.Sleep(time.Hour)
		if n := w.told() - calls; n != 0 {
			t.Errorf("in an hour without requests %d calls were made", n)
		}
	})
}

func TestWhileTheStoreIsGone(t *testing.T) {
	for _, test := range []struct {
		outage replica.Outage
		more   int // than what is in hand
	}{
		{replica.SpendLease, 0}, {replica.LocalShare, 49}, {replica.LocalLedger, 1000},
	} {
		t.Run(fmt.Sprint(test.outage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				a := newNode(t, w, test.outage)
				a.want(t, 2, 100, replica.Granted)
				newNode(t, w, test.outage).want(t, 1, 100, replica.Granted)
				time.Sleep(time.Second * 2) // both have told that nothing is to spare
				w.set(true)
				granted := 0
				for range 1000 {
					if a.take(1, 100) != replica.Granted {
						break
					}
					granted++
				}
				if granted < test.more-1 || granted > test.more {
					t.Errorf("%d were granted, want %d", granted, test.more)
				}
				w.set(false)
				time.Sleep(10 * time.Second)
				a.mu.Lock()
				if len(a.changes) != 2 || !errors.Is(a.changes[0], errCut) || a.changes[1] != nil || a.Stats().Down {
					t.Errorf("the store is said to have become %v, %+v", a.changes, a.Stats())
				}
				a.mu.Unlock()
				for range granted {
					a.share.Settle(a.period, 1, 0)
				}
				a.share.Settle(a.period, 2, 0)
				time.Sleep(10 * time.Second)
				a.want(t, 90, 100, replica.Granted)
			})
		})
	}
}
