// Package cold measures a start: nothing is cached, and many ask at once.
package cold

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/pipeline"
	"github.com/stiggate/gate/bench/internal/world"
)

// Names, for the goals.
const (
	Start    = "cold start"
	OneCalls = "10,000 requests of one customer: calls"
	Refused  = "10,000 customers at once: refused"
	Realtime = "upstream calls with realtime"
	Million  = "calls for a million checks of 1,000 customers"
)

// answers is how long the Stigg of a cold start takes.
const answers = 20 * time.Millisecond

// Run measures all of it.
func Run(b *measure.Bench) error {
	if err := start(b); err != nil {
		return err
	}
	return realtime(b)
}

// slow is a Stigg that takes its time, and counts its calls.
type slow struct {
	world.Source
	calls atomic.Int64
}

func (s *slow) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.calls.Add(1)
	select {
	case <-ctx.Done():
		return gate.EntitlementSet{}, ctx.Err()
	case <-time.After(answers):
		return s.Source.Entitlements(ctx, c)
	}
}

// start has many requests come at once to a gate that knows nobody.
func start(b *measure.Bench) error {
	g := measure.Group{Name: Start, Note: fmt.Sprintf("Everybody asks at once, with the options that a gate has by default; Stigg takes %v for an answer. "+
		"Calls are Stigg's, refused are those who were not let in, the last answer is when all were decided.", answers)}
	storms := []struct {
		name                string
		requests, customers int
	}{
		{"10,000 requests of one customer", b.Size(10_000, 200), 1},
		{"1,000 customers at once", b.Size(1000, 50), b.Size(1000, 50)},
		{"10,000 customers at once", b.Size(10_000, 200), b.Size(10_000, 200)},
	}
	for _, s := range storms {
		calls, refused, last := measure.Series{Name: s.name + ": calls", Unit: "calls"}, measure.Series{Name: s.name + ": refused", Unit: "requests"},
			measure.Series{Name: s.name + ": the last answer", Unit: "ms"}
		for round := range b.Rounds {
			b.Logf("%s: %s, round %d of %d", g.Name, s.name, round+1, b.Rounds)
			c, r, l, err := storm(s.requests, s.customers)
			if err != nil {
				return err
			}
			calls.Rounds, refused.Rounds, last.Rounds = append(calls.Rounds, float64(c)), append(refused.Rounds, float64(r)), append(last.Rounds, l.Seconds()*1e3)
		}
		g.Series = append(g.Series, calls, refused, last)
	}
	b.Add(g)
	return nil
}

func storm(requests, customers int) (calls, refused int64, last time.Duration, err error) {
	stigg := &slow{Source: world.Source(world.Two())}
	g, err := gate.New(stigg, world.ByHeader(), gate.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, 0, 0, err
	}
	defer world.Drop(g)
	all, p := world.Customers(customers), gate.Feature(world.Boolean)
	var no atomic.Int64
	var asking sync.WaitGroup
	begin := make(chan struct{})
	for i := range requests {
		asking.Go(func() {
			<-begin
			if !g.Check(context.Background(), all[i%customers], p).Allowed {
				no.Add(1)
			}
		})
	}
	begun := time.Now()
	close(begin)
	asking.Wait()
	return stigg.calls.Load(), no.Load(), time.Since(begun), nil
}

// realtime counts what a million checks ask of the emulated Stigg, whose news arrive.
func realtime(b *measure.Bench) error {
	g := measure.Group{Name: Realtime, Note: "Through Gate's client to the emulated Stigg, over loopback, with realtime on and the options that a gate has by default: all calls of its API, " +
		"first reads included. What is cached is read again after 10 minutes; so it is for 1,700 checks a second or more."}
	s := measure.Series{Name: Million, Unit: "calls"}
	customers := world.Customers(b.Size(1000, 10))
	checks := b.Size(1_000_000, 10_000)
	for round := range min(b.Rounds, 3) {
		b.Logf("%s: round %d of %d", g.Name, round+1, min(b.Rounds, 3))
		calls, err := million(customers, checks)
		if err != nil {
			return err
		}
		s.Rounds = append(s.Rounds, float64(calls))
	}
	g.Series = []measure.Series{s}
	b.Add(g)
	return nil
}

func million(customers []gate.Customer, checks int) (calls int, err error) {
	stigg, c, err := pipeline.Stigg(len(customers))
	if err != nil {
		return 0, err
	}
	defer func() { _ = stigg.Close() }()
	g, err := gate.New(c, world.ByHeader(), gate.WithLogger(slog.New(slog.DiscardHandler)), gate.WithColdTimeout(time.Minute))
	if err != nil {
		return 0, err
	}
	defer world.Drop(g)
	for patience := time.Now().Add(time.Minute); !g.Stats().Live; time.Sleep(time.Millisecond) {
		if time.Now().After(patience) {
			return 0, fmt.Errorf("no news arrive: %w", c.RealtimeStats().LastError)
		}
	}
	ctx, p := context.Background(), gate.Feature(world.Metered)
	for i := range checks {
		if d := g.Check(ctx, customers[i%len(customers)], p); !d.Allowed {
			return 0, fmt.Errorf("refused: %s", d.Reason)
		}
	}
	for _, n := range stigg.Requests() {
		calls += n
	}
	return calls, nil
}
