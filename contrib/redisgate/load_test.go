package redisgate_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/identity"
)

var killTime = flag.Duration("killtime", time.Second, "how long each test of kills and partitions goes on")

// quickTiming is a timing with which what takes minutes takes seconds.
var quickTiming = fleet.Timing{Valid: 1100 * time.Millisecond, Reclaim: 4 * time.Second, Owe: 5 * time.Second, Keep: time.Hour}

// growing is a Stigg whose one limit grows, so that replicas are always near it. It counts each key once.
type growing struct {
	began time.Time
	mu    sync.Mutex
	used  float64
	keys  map[string]bool
	worst float64 // by how much it counted more than the limit
}

func newGrowing() *growing { return &growing{began: time.Now(), keys: make(map[string]bool)} }

// limit is 300, and 300 more each second.
func (c *growing) limit() float64 { return 300 + float64(int(300*time.Since(c.began).Seconds())) }

func (c *growing) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	limit := c.limit()
	time.Sleep(time.Duration(1+rand.IntN(5)) * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "units", Kind: gate.Metered, Limit: limit, Usage: c.used}}}, nil
}

func (c *growing) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	time.Sleep(time.Duration(1+rand.IntN(10)) * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		if !c.keys[u.Key] {
			c.keys[u.Key] = true
			c.used += u.Value
		}
		acks[i] = gate.Ack{Known: true, Usage: c.used, At: time.Now()}
	}
	c.worst = max(c.worst, c.used-c.limit())
	return acks, nil
}

func (c *growing) total() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// load is replicas that have requests, and what of that is out.
type load struct {
	t       testing.TB
	stigg   *growing
	gates   []*gate.Gate
	stores  []*redisgate.Store
	out     atomic.Int64 // admitted and not released
	most    atomic.Int64 // by how much that was above the limit at most
	settled atomic.Int64
	denied  atomic.Int64
	stop    atomic.Bool
	workers sync.WaitGroup
}

func newLoad(t testing.TB, clients ...rueidis.Client) *load {
	t.Helper()
	l := &load{t: t, stigg: newGrowing()}
	for _, client := range clients {
		store := open(t, client, redisgate.Timing(quickTiming))
		g := newGate(t, l.stigg, store)
		l.gates, l.stores = append(l.gates, g), append(l.stores, store)
		for range 3 {
			l.workers.Go(func() {
				for !l.stop.Load() {
					l.request(g)
				}
			})
		}
	}
	return l
}

func newGate(t testing.TB, source gate.Source, options ...any) *gate.Gate {
	t.Helper()
	all := []gate.Option{gate.WithTTL(100 * time.Millisecond), gate.WithLogger(slog.New(slog.DiscardHandler))}
	for _, o := range options {
		switch o := o.(type) {
		case fleet.Fleet:
			all = append(all, gate.WithFleet(o))
		case gate.Option:
			all = append(all, o)
		}
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = g.Close(ctx)
	})
	return g
}

// request is one of a unit, which a fifth of them gives back.
func (l *load) request(g *gate.Gate) {
	ticket, d := g.Admit(context.Background(), acme, gate.Feature("units").Uses(1))
	if !d.Allowed {
		l.denied.Add(1)
		time.Sleep(time.Duration(2+rand.IntN(6)) * time.Millisecond)
		return
	}
	if over := l.out.Add(1) - int64(l.stigg.limit()); over > l.most.Load() {
		l.most.Store(over)
	}
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	if rand.IntN(5) == 0 {
		l.out.Add(-1) // before it is given back
		ticket.Release()
		return
	}
	if err := ticket.Settle(); err != nil {
		l.t.Error(err)
		return
	}
	l.settled.Add(1)
}

// end ends the requests, and asserts that the limit was passed by no more than some units, that Stigg counts
// what was settled, that the store counts the same once all is quiet, and that requests are let in again.
func (l *load) end(most int64) {
	l.t.Helper()
	l.stop.Store(true)
	l.workers.Wait()
	lost := uint64(0)
	for _, g := range l.gates {
		lost += g.Stats().Fleet.Lost
	}
	l.t.Logf("%d settled, %d denied, over the limit by %d, %d losses noticed", l.settled.Load(), l.denied.Load(), l.most.Load(), lost)
	if over := l.most.Load(); over > most {
		l.t.Errorf("over the limit by %d, and it may be %d", over, most)
	}
	if l.settled.Load() == 0 {
		l.t.Error("nothing was let in")
	}
	var g fleet.Grant
	state := fleet.State{Account: fleet.Account{Customer: "acme", Feature: "units"}, Replica: "the test", N: 1}
	eventually(l.t, "the counts are equal, and nothing is out", func() bool {
		for _, r := range l.gates { // so that each tells its state
			if ticket, d := r.Admit(l.t.Context(), acme, gate.Feature("units").Uses(1)); d.Allowed {
				ticket.Release()
			}
		}
		if grants, err := l.stores[0].Sync(l.t.Context(), []fleet.State{state}); err == nil && grants[0].Err == nil {
			g = grants[0]
		}
		state.N++
		return int64(l.stigg.total()) == l.settled.Load() && g.Base+g.Plus == l.stigg.total() && g.Out <= g.Spare && !g.Wants
	})
	if l.stigg.worst > float64(most) {
		l.t.Errorf("Stigg counted %v above the limit", l.stigg.worst)
	}
}

func (l *load) losses() (n []string) {
	for _, g := range l.gates {
		n = append(n, fmt.Sprint(g.Stats().Fleet.Lost))
	}
	return n
}
