package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/ledger"
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

// lockedBuffer is a log.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// node is one replica with its share of one account.
type node struct {
	*replica.Replica
	lease ledger.Lease

	mu            sync.Mutex
	held, settled float64
	log           lockedBuffer
	reads         int // that were asked for
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

func newNode(t *testing.T, w *wire, outage fleet.Outage) *node {
	t.Helper()
	return newNodeOf(t, w, outage)
}

func newNodeOf(t *testing.T, w fleet.Fleet, outage fleet.Outage) *node {
	t.Helper()
	n := &node{}
	accounts := ledger.New()
	n.Replica = replica.Start(replica.Config{
		Store: w, Now: time.Now, Outage: outage, Logger: slog.New(slog.NewTextHandler(&n.log, nil)),
		Read: func(fleet.Account) { n.locked(func() { n.reads++ }) },
	}, accounts)
	book := accounts.Open(ledger.Owner{ID: "acme"})
	n.lease = n.Share(units, book).Open(ledger.Tenure{})
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func (n *node) locked(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// take is a request: it waits while the answer is Wanting.
func (n *node) take(amount, limit float64) ledger.Answer {
	var waited <-chan struct{}
	for {
		n.mu.Lock() // as the account's lock
		taken, answer, wait := n.lease.Take(ledger.Taking{Amount: amount, Least: amount, Limit: limit, Waited: waited, Now: time.Now()})
		if answer == ledger.Granted {
			n.held += taken
		}
		n.mu.Unlock()
		if answer != ledger.Wanting {
			return answer
		}
		<-wait
		waited = wait
	}
}

// end ends a request.
func (n *node) end(held, used float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held -= held
	n.settled += used
	n.lease.Has(n.held, n.settled, held-used)
}

// acknowledge has Stigg count usage, and say so without a count.
func (n *node) acknowledge(used float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled -= used
	n.lease.Acknowledge(n.held, n.settled, ledger.Acknowledged{Amount: used})
}

func (n *node) want(t *testing.T, amount, limit float64, want ledger.Answer) {
	t.Helper()
	if got := n.take(amount, limit); got != want {
		t.Errorf("%v of %v: got %v, want %v", amount, limit, got, want)
	}
}

func TestTwoReplicasHaveOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		nodes := []*node{newNode(t, w, fleet.SpendLease), newNode(t, w, fleet.SpendLease)}
		var granted, other [2]int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 600 {
			wg.Go(func() {
				answer := nodes[i%2].take(1, 100)
				mu.Lock()
				defer mu.Unlock()
				if answer == ledger.Granted {
					granted[i%2]++
				} else if answer != ledger.Pending {
					other[i%2]++
				}
			})
		}
		wg.Wait()
		if granted[0]+granted[1] != 100 || other != [2]int{} {
			t.Errorf("granted %v of 100, and %v were not answered %v", granted, other, ledger.Pending)
		}
		t.Logf("granted %v, %d calls", granted, w.told())
	})
}

func TestWhatNobodyUsesIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		a, b := newNode(t, w, fleet.SpendLease), newNode(t, w, fleet.SpendLease)
		synctest.Wait() // both hear recalls
		for range 40 {
			a.want(t, 1, 100, ledger.Granted)
			a.end(1, 0)
		}
		// It is called back the moment that somebody needs it, and by itself.
		b.want(t, 100, 100, ledger.Granted)
		b.end(100, 0)
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
		outage fleet.Outage
		more   int // than what is in hand
	}{
		{fleet.SpendLease, 0}, {fleet.LocalShare, 49}, {fleet.LocalLedger, 1000},
	} {
		t.Run(fmt.Sprint(test.outage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				a := newNode(t, w, test.outage)
				a.want(t, 2, 100, ledger.Granted)
				newNode(t, w, test.outage).want(t, 1, 100, ledger.Granted)
				time.Sleep(time.Second * 2) // both have told that nothing is to spare
				w.set(true)
				granted := 0
				for range 1000 {
					if a.take(1, 100) != ledger.Granted {
						break
					}
					granted++
				}
				if granted < test.more-1 || granted > test.more {
					t.Errorf("%d were granted, want %d", granted, test.more)
				}
				w.set(false)
				time.Sleep(10 * time.Second)
				if lines := strings.Count(a.log.String(), "\n"); lines != 2 || !strings.Contains(a.log.String(), errCut.Error()) || a.Stats().Down {
					t.Errorf("%+v, and the log has:\n%s", a.Stats(), a.log.String())
				}
				for range granted {
					a.end(1, 0)
				}
				a.end(2, 0)
				time.Sleep(10 * time.Second)
				a.want(t, 90, 100, ledger.Granted)
			})
		})
	}
}

// brokenStore is one in which an account can be broken.
type brokenStore struct {
	*wire
	broken fleet.Account
}

func (b *brokenStore) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	grants, err := b.wire.Sync(ctx, states)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range grants {
		if states[i].Account == b.broken {
			grants[i] = fleet.Grant{Err: fmt.Errorf("a key is broken: %w", fleet.ErrAccount)}
		}
	}
	return grants, err
}

// TestAnAccountThatIsBrokenConcernsNoOther: it follows the outage rule, is said once each way, and is asked
// again more and more seldom.
func TestAnAccountThatIsBrokenConcernsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{wire: newWire(t), broken: units}
		n := newNodeOf(t, store, fleet.SpendLease)
		accounts := ledger.New()
		other := n.Share(fleet.Account{Customer: "other", Feature: "units"}, accounts.Open(ledger.Owner{ID: "other"})).Open(ledger.Tenure{})
		for i := range 100 {
			n.want(t, 1, 100, ledger.Unreachable)
			var waited <-chan struct{}
			for {
				_, answer, wait := other.Take(ledger.Taking{Amount: 1, Least: 1, Limit: 1000, Waited: waited, Now: time.Now()})
				if waited = wait; answer == ledger.Granted {
					break
				} else if answer != ledger.Wanting {
					t.Fatalf("request %d of another account: %v", i, answer)
				}
				<-wait
			}
			time.Sleep(20 * time.Millisecond)
		}
		if calls := n.Stats().Failed; calls > 8 {
			t.Errorf("in 2 s the broken account was asked for %d times", calls)
		}
		if n.Stats().Down {
			t.Error("the store is said to be down")
		}
		store.mu.Lock()
		store.broken = fleet.Account{}
		store.mu.Unlock()
		time.Sleep(6 * time.Second)
		n.want(t, 1, 100, ledger.Granted)
		if log := n.log.String(); strings.Count(log, "\n") != 2 || strings.Contains(log, "acme") {
			t.Errorf("the log has:\n%s", log)
		}
	})
}
