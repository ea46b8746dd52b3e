package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// owing is a Stigg of 5 credits, of which each unit of f costs one.
func owing() *stub {
	e := metered("f", 0, 100)
	e.CreditRate = &CreditRate{CurrencyID: "gold", Amount: 1}
	return &stub{set: EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{{CurrencyID: "gold", Granted: true, Limit: 5}}}}
}

func TestWhatTheOutboxHasCostsCreditsUntilAReadHasIt(t *testing.T) {
	c := Customer{ID: "c"}
	for name, tt := range map[string]struct {
		usage   Usage
		answers func(*stub, float64) Ack
	}{
		"an event, which is counted later": {Usage{Kind: UsageEvent, Event: "e", Value: 5},
			func(*stub, float64) Ack { return Ack{Delayed: true} }},
		"a change, answered without its wallet": {Usage{Value: 5}, func(s *stub, n float64) Ack {
			s.set.Features[0].Usage += n
			s.set.Credits[0].Usage += n
			return Ack{Known: true, Usage: s.set.Features[0].Usage, At: time.Now()}
		}},
		"a change, answered with it": {Usage{Value: 5}, func(s *stub, n float64) Ack {
			s.set.Features[0].Usage += n
			s.set.Credits[0].Usage += n
			return Ack{Known: true, Usage: s.set.Features[0].Usage, At: time.Now(), Credit: &CreditAck{CurrencyID: "gold", Usage: s.set.Credits[0].Usage, At: time.Now()}}
		}},
		"a total, answered without": {Usage{Kind: UsageTotal, Value: 5}, func(s *stub, n float64) Ack {
			s.set.Features[0].Usage = n
			s.set.Credits[0].Usage += n
			return Ack{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := owing()
				s.report = func(batch []Usage) ([]Ack, error) {
					acks := make([]Ack, len(batch))
					for i, u := range batch {
						acks[i] = tt.answers(s, u.Value)
					}
					return acks, nil
				}
				u := tt.usage
				u.Customer, u.FeatureID, u.Key, u.CreatedAt = c, "f", "k", time.Now()
				may := make(chan struct{})
				g := gateOf(t, s, WithReporter(blockedReporter{s, may}), WithOutbox(&memOutbox{usages: []Usage{u}}))
				one := Feature("f").Asks(1)
				if d := g.Check(t.Context(), c, one); d.Allowed {
					t.Error("1 more while 5 of 5 credits wait")
				}
				may <- struct{}{}
				synctest.Wait()
				if d := g.Check(t.Context(), c, one); d.Allowed {
					t.Error("1 more once 5 of 5 credits are acknowledged")
				}
				if tt.usage.Kind == UsageEvent {
					s.mu.Lock()
					s.set.Features[0].Usage, s.set.Credits[0].Usage = 5, 5
					s.mu.Unlock()
				}
				time.Sleep(time.Minute)
				g.Invalidate(c)
				if d := g.Check(t.Context(), c, one); d.Allowed {
					t.Error("1 more once 5 of 5 credits are counted")
				}
				b := g.known(c).Book
				if units, _ := b.Feature("f").Unpriced(); b.HasUnpriced() || units != 0 {
					t.Error("usages are owed for ever")
				}
			})
		})
	}
}

func TestRecordedUsageOfNothingLeavesNothing(t *testing.T) {
	withFixture(t, func(f *fixture) {
		c := Customer{ID: "c"}
		f.check("c")
		for range 10 {
			for _, u := range []Usage{{Kind: UsageEvent, Event: "e"}, {}, {Kind: UsageTotal}} {
				if u.Customer, u.FeatureID = c, "f"; f.gate.Report(f.Context(), u) != nil {
					t.Fatal("not taken")
				}
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if left := f.gate.ledger.Audit(); len(left) != 0 {
			t.Errorf("it stays: %v", left)
		}
	})
}

func TestEventsOfWhomNobodyAsksAboutAreForgotten(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.report = counter(f.stub, "f")
		c := Customer{ID: "c"}
		for range 5000 {
			if err := f.gate.Report(f.Context(), Usage{Customer: c, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := f.gate.ledger.Open(ledger.Owner(c)).Feature("f").Waiting(); n > 2*1001 { // each in two lists
			t.Errorf("%d events are remembered", n)
		}
	})
}

func TestAnAnswerToASecondAttemptIsAsOldAsTheFirst(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 5, 5)), nil)
		strange, counted := true, false
		f.report = func(batch []Usage) ([]Ack, error) {
			if !counted {
				counted = true
				f.set.Features[0].Usage += batch[0].Value
			}
			if strange {
				return nil, errGarbled
			}
			return make([]Ack, len(batch)), nil
		}
		c := Customer{ID: "c"}
		f.check("c")
		if err := f.gate.Report(f.Context(), Usage{Customer: c, FeatureID: "f", Value: -1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // set apart, and counted
		f.gate.Invalidate(c)
		f.check("c")
		f.mu.Lock()
		strange = false
		f.mu.Unlock()
		time.Sleep(20 * time.Second)
		if d := f.gate.Check(f.Context(), c, Feature("f").Asks(2)); d.Allowed || d.Usage != 4 {
			t.Errorf("%v of 5 known, Stigg has 4", d.Usage)
		}
	})
}

func TestACountOfAnotherPeriodIsReadAgain(t *testing.T) {
	withFixture(t, func(f *fixture) {
		start, c := time.Now(), Customer{ID: "c"}
		e := metered("f", 0, 10)
		e.Reset, e.Anchor, e.PeriodStart, e.PeriodEnd = ResetHour, start, start, start.Add(time.Hour)
		f.says(features(e), nil)
		f.report = counter(f.stub, "f")
		f.gate.Sink().SetLive(true)
		time.Sleep(58 * time.Minute)
		f.check("c")
		time.Sleep(10 * time.Second)
		use(f.T, f.gate, "c", 10)
		time.Sleep(2 * time.Second)
		e.Reset, e.Usage, e.PeriodEnd = ResetDay, 10, start.Add(24*time.Hour) // another plan: the usage goes on
		f.says(features(e), nil)
		set := features(e)
		set.Credits = []Credit{}
		f.gate.Sink().Replace(c, set)
		time.Sleep(2 * time.Minute)
		if d := f.gate.Check(f.Context(), c, Feature("f").Asks(1)); d.Allowed {
			t.Errorf("1 more of 10 in a day in which Stigg has 10: %v known", d.Usage)
		}
	})
}

// flakySource answers this and that.
type flakySource struct{}

func (flakySource) Entitlements(ctx context.Context, _ Customer) (EntitlementSet, error) {
	select {
	case <-time.After(time.Duration(rand.IntN(3)) * time.Millisecond):
	case <-ctx.Done():
	}
	switch rand.IntN(8) {
	case 0:
		return EntitlementSet{}, errors.New("stub: flaky")
	case 1:
		return EntitlementSet{Denied: ReasonCustomerNotFound}, nil
	}
	return features(metered("f", 0, 1e9), metered("g", float64(rand.IntN(3)), 2)), nil
}

func (flakySource) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	if rand.IntN(10) == 0 {
		return nil, errGarbled
	}
	return make([]Ack, len(batch)), nil
}

// TestNothingStays: once all is answered and evicted, no book is left, whatever happened.
func TestNothingStays(t *testing.T) {
	g := gateOf(t, flakySource{}, WithCacheSize(3), WithDecisionTimeout(2*time.Millisecond), WithTTL(5*time.Millisecond))
	panics := Feature("g").UsesFunc(func(*http.Request) (float64, error) { panic("an amount that panics") })
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 400 {
				c := Customer{ID: fmt.Sprint("c", rand.IntN(8))}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(4))*time.Millisecond)
				switch rand.IntN(8) {
				case 0:
					g.Invalidate(c)
				case 1:
					g.Sink().Replace(c, features(metered("f", 1, 1e9)))
				case 2:
					_ = g.Report(ctx, Usage{Customer: c, FeatureID: "g", Value: 1})
				case 3:
					_, _ = g.Entitlements(ctx, c)
				case 4:
					func() {
						defer func() { _ = recover() }()
						g.admit(ctx, c, &panics, request("GET", "/", c.ID), true, &Decision{})
					}()
				case 5:
					g.Check(ctx, c, Feature("g").Asks(1))
				default:
					if ticket, d := g.Admit(ctx, c, Any(Feature("g").Uses(1), Feature("f").Uses(1))); d.Allowed {
						_ = ticket.Settle()
					}
				}
				cancel()
			}
		})
	}
	wait.Wait()
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.cache.Purge()
	if n := g.ledger.Len(); n != 0 {
		t.Errorf("%d books are kept: %v", n, g.ledger.Audit())
	}
	if n := g.Stats().Open; n != 0 {
		t.Errorf("%d requests run for ever", n)
	}
}
