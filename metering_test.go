package gate

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// countingStigg counts one feature with a limit of 10. In a bubble of synctest the clock
// stands still while it counts, so all answers of one batch have the same time, as those of
// one transaction have to the millisecond.
type countingStigg struct {
	used   float64
	reads  int
	silent bool          // answers have no count, as the schema allows
	hold   chan struct{} // answers wait for it
	when   chan struct{} // reads wait for it, after they have taken their count
	apart  func(*Entitlement)
}

func (s *countingStigg) set() EntitlementSet {
	e := Entitlement{FeatureID: "seats", Kind: Metered, Usage: s.used, Limit: 10}
	if s.apart != nil {
		s.apart(&e)
	}
	return EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{{CurrencyID: "tokens", Usage: s.used, Limit: 10}}}
}

func (s *countingStigg) Entitlements(context.Context, Customer) (EntitlementSet, error) {
	s.reads++
	set := s.set()
	if s.when != nil {
		<-s.when
	}
	return set, nil
}

func (s *countingStigg) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	acks := make([]Ack, len(batch))
	for i, u := range batch {
		if s.used += u.Value; s.silent {
			continue
		}
		e := s.set().Features[0]
		if u.Kind == UsageCredits {
			acks[i] = Ack{At: time.Now(), Credit: &CreditAck{CurrencyID: "tokens", Usage: s.used, At: time.Now()}}
		} else {
			acks[i] = Ack{Known: true, Usage: s.used, At: time.Now(), PeriodStart: e.PeriodStart, PeriodEnd: e.PeriodEnd}
		}
	}
	if s.hold != nil {
		<-s.hold
	}
	return acks, nil
}

// counted runs a test on a gate that is told of changes, and has read acme's set.
func counted(t *testing.T, s *countingStigg, test func(*countedGate), o ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &countedGate{t, gateOf(t, s, o...), s}
		g.Sink().SetLive(true)
		g.asks(0)
		test(g)
	})
}

type countedGate struct {
	*testing.T
	*Gate
	stigg *countingStigg
}

var acme = Customer{ID: "acme"}

func (g *countedGate) asks(n float64) Decision {
	return g.Check(g.Context(), acme, Feature("seats").Asks(n))
}

// done does what a policy asks for.
func (g *countedGate) done(p Policy) {
	g.Helper()
	ticket, d := g.Admit(g.Context(), acme, p)
	if !d.Allowed {
		g.Fatalf("%+v", d)
	}
	if err := ticket.Settle(); err != nil {
		g.Fatal(err)
	}
}

// minutes wants an answer to a policy for some minutes.
func (g *countedGate) minutes(n int, p Policy, allowed bool) {
	g.Helper()
	for range n {
		time.Sleep(time.Minute)
		if d := g.Check(g.Context(), acme, p); d.Allowed != allowed {
			g.Errorf("%v: %d %s at %v of 10 here, %v of 10 there; reads %d", d.Allowed, d.Status, d.Code, d.Usage, g.stigg.used, g.stigg.reads)
		}
	}
}

func TestAnOlderAcknowledgementDoesNotLowerWhatWasPushed(t *testing.T) {
	counted(t, &countingStigg{used: 5}, func(g *countedGate) {
		g.stigg.hold = make(chan struct{})
		time.Sleep(time.Second)          // less than ledger.Margin
		g.done(Feature("seats").Uses(1)) // Stigg counts 6; its answer is on the way
		synctest.Wait()
		time.Sleep(20 * time.Millisecond)
		g.stigg.used = 10 // another process used 4, and Stigg pushes that
		g.Sink().Patch(acme, Patch{FeatureID: "seats", Usage: 10, At: time.Now()})
		time.Sleep(20 * time.Millisecond)
		close(g.stigg.hold) // the answer, 40 ms older than the push by Stigg's own time: 6
		g.minutes(9, Feature("seats").Asks(4), false)
	})
}

func TestAnOlderSetDoesNotLowerWhatWasPushed(t *testing.T) {
	counted(t, &countingStigg{used: 6}, func(g *countedGate) {
		time.Sleep(time.Minute)
		older := g.stigg.set() // Stigg makes a set: 6
		g.stigg.used = 10      // another process uses 4, and Stigg pushes that first
		g.Sink().Patch(acme, Patch{FeatureID: "seats", Usage: 10, At: time.Now()})
		time.Sleep(50 * time.Millisecond)
		g.Sink().Replace(acme, older)
		g.minutes(8, Feature("seats").Asks(4), false)
	})
}

func TestSeveralGivenBackInOneBatchAllCount(t *testing.T) {
	for _, silent := range []bool{false, true} {
		counted(t, &countingStigg{used: 10, silent: silent}, func(g *countedGate) {
			g.done(Feature("seats").Frees(1)) // leaves at once: 9
			synctest.Wait()
			for range 3 {
				g.done(Feature("seats").Frees(1)) // leave together: 6
			}
			g.minutes(9, Feature("seats").Asks(4), true)
		})
	}
}

func TestWhatIsGivenBackWhileTheSetIsReadCounts(t *testing.T) {
	for _, silent := range []bool{false, true} {
		counted(t, &countingStigg{used: 10, silent: silent}, func(g *countedGate) {
			s := g.stigg
			s.when = make(chan struct{})
			g.InvalidateAll()
			g.asks(0) // begins a read, which takes 10
			synctest.Wait()
			s.hold = make(chan struct{})
			g.done(Feature("seats").Frees(1)) // 9
			synctest.Wait()
			close(s.when) // the read brings 10
			synctest.Wait()
			close(s.hold) // the acknowledgement brings 9
			g.minutes(8, Feature("seats").Asks(1), true)
		})
	}
}

func TestAResetIsNotUndone(t *testing.T) {
	counted(t, &countingStigg{used: 9}, func(g *countedGate) {
		g.stigg.hold = make(chan struct{})
		time.Sleep(time.Minute)
		g.done(Feature("seats").Uses(1)) // 10, on the way
		synctest.Wait()
		time.Sleep(20 * time.Millisecond)
		g.stigg.used = 0
		g.Sink().Patch(acme, Patch{FeatureID: "seats", Usage: 0, At: time.Now()})
		time.Sleep(20 * time.Millisecond)
		close(g.stigg.hold) // the acknowledgement, older than the reset
		g.minutes(8, Feature("seats").Asks(1), true)
	})
}

func TestAClockThatWasAheadForAMomentGivesNoSecondQuota(t *testing.T) {
	for _, every := range []ResetPeriod{ResetHour, ResetDay, ResetMonth} {
		synctest.Test(t, func(t *testing.T) {
			start, ahead := time.Now(), time.Duration(0)
			end := map[ResetPeriod]time.Time{ResetHour: start.Add(time.Hour), ResetDay: start.AddDate(0, 0, 1), ResetMonth: start.AddDate(0, 1, 0)}[every]
			s := &countingStigg{used: 10, apart: func(e *Entitlement) {
				e.Reset, e.Anchor, e.PeriodStart, e.PeriodEnd = every, start, start, end
			}}
			g := &countedGate{t, gateOf(t, s, WithClock(func() time.Time { return time.Now().Add(ahead) })), s}
			g.Sink().SetLive(true)
			g.asks(0)
			ahead = 35 * 24 * time.Hour
			g.asks(0)
			ahead = 0
			if d := g.asks(1); d.Allowed {
				t.Errorf("let in before Stigg was asked again: %+v", d)
			}
			for range 30 {
				g.Invalidate(acme) // Stigg says: 10 of 10 in the period that goes on
				if ticket, d := g.Admit(t.Context(), acme, Feature("seats").Uses(1)); d.Allowed {
					t.Errorf("let in past the limit after %d reads: %+v", s.reads, d)
					_ = ticket.Settle()
				}
				time.Sleep(time.Minute)
			}
		})
	}
}

// TestWhatCrossesIsHeldAgainstWhatCrossedIt has two pieces of knowledge arrive in the wrong
// order, by every pair of ways: the one that Stigg made first arrives last. What is let in
// is right after each, and 429 is never the last word.
func TestWhatCrossesIsHeldAgainstWhatCrossedIt(t *testing.T) {
	type way struct {
		name  string
		alone bool // there is never more than one under way
		// begin makes what Stigg knows now leave, and returns its arrival.
		begin func(g *countedGate, wallet bool) (arrive func())
	}
	ways := []way{
		{"a read", true, func(g *countedGate, _ bool) func() {
			when := make(chan struct{})
			g.stigg.when = when
			g.InvalidateAll()
			go g.asks(0)
			synctest.Wait()
			g.stigg.when = nil
			return func() { close(when); synctest.Wait() }
		}},
		{"an acknowledgement", true, func(g *countedGate, wallet bool) func() {
			hold := make(chan struct{})
			g.stigg.hold = hold
			u := Usage{Customer: acme, FeatureID: "seats", Value: 1}
			if wallet {
				u = Usage{Customer: acme, Kind: UsageCredits, Currency: "tokens", Value: 1}
			}
			if err := g.Report(g.Context(), u); err != nil {
				g.Fatal(err)
			}
			synctest.Wait()
			g.stigg.hold = nil
			return func() { close(hold); synctest.Wait() }
		}},
		{"a push with a time", false, func(g *countedGate, wallet bool) func() { return g.push(wallet, time.Now()) }},
		{"a push without", false, func(g *countedGate, wallet bool) func() { return g.push(wallet, time.Time{}) }},
		{"a set", false, func(g *countedGate, _ bool) func() {
			set := g.stigg.set()
			return func() { g.Sink().Replace(acme, set) }
		}},
	}
	for _, first := range ways {
		for _, second := range ways {
			if first.alone && first.name == second.name {
				continue
			}
			for _, wallet := range []bool{false, true} {
				for _, since := range []time.Duration{time.Second, time.Minute} {
					for _, change := range []float64{3, -3} {
						name := fmt.Sprintf("%s is older than %s, wallet %v, %v after the last, by %v", first.name, second.name, wallet, since, change)
						t.Run(name, func(t *testing.T) {
							counted(t, &countingStigg{used: 5}, func(g *countedGate) {
								time.Sleep(since)
								arrive := first.begin(g, wallet)
								time.Sleep(20 * time.Millisecond)
								g.stigg.used += change // somebody else
								then := second.begin(g, wallet)
								time.Sleep(20 * time.Millisecond)
								then()
								time.Sleep(20 * time.Millisecond)
								arrive()
								ask := Feature("seats").Asks
								if wallet {
									ask = Credits("tokens").Asks
								}
								for range 3 {
									rest := 10 - g.stigg.used
									if d := g.Check(g.Context(), acme, ask(rest+1)); d.Allowed {
										t.Errorf("%v more are let in at %v here, %v there", rest+1, d.Usage, g.stigg.used)
									}
									if d := g.Check(g.Context(), acme, ask(rest)); !d.Allowed {
										t.Errorf("%v more are refused at %v here, %v there: %s", rest, d.Usage, g.stigg.used, d.Code)
									}
									time.Sleep(time.Minute)
								}
							})
						})
					}
				}
			}
		}
	}
}

func (g *countedGate) push(wallet bool, at time.Time) func() {
	p := Patch{FeatureID: "seats", Usage: g.stigg.used, At: at}
	if wallet {
		p.FeatureID, p.Currency = "", "tokens"
	}
	return func() { g.Sink().Patch(acme, p) }
}
