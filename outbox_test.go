package gate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// memOutbox is an outbox in memory, which a test can break.
type memOutbox struct {
	mu     sync.Mutex
	usages []Usage
	aside  map[string]string
	sick   error
	append func() error
	closed int
	unread error // yielded first by Pending
}

func (s *memOutbox) Append(ctx context.Context, u ...Usage) error {
	if s.append != nil {
		if err := s.append(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usages = append(s.usages, u...)
	return ctx.Err()
}

func sameUsage(a, b *Usage) bool {
	return a.Key == b.Key && a.Customer == b.Customer && a.FeatureID == b.FeatureID && a.Event == b.Event && a.Currency == b.Currency
}

// forget leaves a gap where usage was, so that positions stay.
func (s *memOutbox) forget(u Usage) {
	for i := range s.usages {
		if sameUsage(&u, &s.usages[i]) {
			s.usages[i] = Usage{Event: gap}
		}
	}
}

const gap = "gap"

func (s *memOutbox) Done(u ...Usage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range u {
		s.forget(u)
	}
	return nil
}

func (s *memOutbox) SetAside(u Usage, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aside == nil {
		s.aside = map[string]string{}
	}
	s.aside[u.Key] = reason
	s.forget(u)
	return nil
}

func (s *memOutbox) Pending(after Position) iter.Seq2[Kept, error] {
	return func(yield func(Kept, error) bool) {
		if s.unread != nil && after == 0 && !yield(Kept{}, s.unread) {
			return
		}
		s.mu.Lock()
		usages := slices.Clone(s.usages)
		s.mu.Unlock()
		for i, u := range usages {
			if at := Position(i + 1); at > after && u.Event != gap && !yield(Kept{u, at}, nil) {
				return
			}
		}
	}
}

func (s *memOutbox) Healthy() error { s.mu.Lock(); defer s.mu.Unlock(); return s.sick }
func (s *memOutbox) Close() error   { s.closed++; return nil }

func (s *memOutbox) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, u := range s.usages {
		if u.Event != gap {
			keys = append(keys, u.Key)
		}
	}
	return keys
}

func (s *memOutbox) turn(sick error) { s.mu.Lock(); defer s.mu.Unlock(); s.sick = sick }

func TestUsageIsInTheOutboxBeforeTheResponseLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memOutbox{}
		s := &stub{set: features(metered("f", 0, 5))}
		arrive := make(chan struct{})
		s.report = func(batch []Usage) ([]Ack, error) {
			if got := box.keys(); len(got) != 1 || got[0] != batch[0].Key {
				t.Errorf("reported %s with %v in the outbox", batch[0].Key, got)
			}
			return nil, nil
		}
		g := gateOf(t, s, WithOutbox(box), WithReporter(blockedReporter{s, arrive}))
		serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), status(201))
		if n := len(box.keys()); n != 1 {
			t.Errorf("%d usages in the outbox after the response, want 1", n)
		}
		serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), status(500))
		close(arrive)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(box.keys()); n != 0 || box.closed != 1 || len(s.usages()) != 1 {
			t.Errorf("%d left in the outbox, closed %d times, %d reported", n, box.closed, len(s.usages()))
		}
	})
}

func TestWhatTheOutboxHasCountsBeforeTheFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Customer{ID: "c"}
		at := time.Now()
		box := &memOutbox{unread: errors.New("rotten"), usages: []Usage{
			{Customer: c, FeatureID: "f", Value: 2, Key: "k1", CreatedAt: at},
			{Customer: c, FeatureID: "f", Value: 1, Key: "", CreatedAt: at},
			{Customer: c, FeatureID: "f", Value: 1, Key: "k2", CreatedAt: at},
			{Customer: c, Kind: UsageTotal, FeatureID: "seats", Value: 9, Key: "k3", CreatedAt: at},
			{Customer: c, Kind: UsageCredits, Currency: "tokens", Value: 30, Key: "k4", CreatedAt: at},
			{Customer: c, Kind: UsageEvent, Event: "e", FeatureID: "f", Value: 1, Key: "k5", CreatedAt: at},
			{Customer: c, Kind: UsageEvent, Event: "e", Key: "k6", CreatedAt: at},
		}}
		s := &stub{set: EntitlementSet{
			Features: []Entitlement{metered("f", 0, 5), metered("seats", 0, 10)},
			Credits:  []Credit{{CurrencyID: "tokens", Limit: 50}},
		}}
		up := make(chan struct{})
		g := gateOf(t, s, WithOutbox(box), WithQueueSize(2), WithReporter(blockedReporter{s, up}))
		for p, want := range map[*Policy]float64{ptr(Feature("f")): 4, ptr(Feature("seats")): 9, ptr(Credits("tokens")): 30} {
			if d := g.Check(t.Context(), c, *p); !d.Allowed || d.Usage != want {
				t.Errorf("%v: %v known, want %v", p.asks.Item.ID, d.Usage, want)
			}
		}
		if _, d := g.Admit(t.Context(), c, Feature("f").Uses(2)); d.Allowed {
			t.Error("admitted over the limit")
		}
		if d := g.Check(t.Context(), c, Feature("f").Asks(2)); d.Allowed || d.Reason != ReasonPending { // the earlier run may have sent it
			t.Errorf("got %+v", d)
		}
		close(up)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var keys []string
		for _, u := range s.usages() {
			keys = append(keys, u.Key)
			if !u.CreatedAt.Equal(at) {
				t.Errorf("%s is sent with another time", u.Key)
			}
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != "k1 k2 k3 k4 k5 k6" {
			t.Errorf("delivered %s", got)
		}
		if got := box.keys(); len(got) != 1 || got[0] != "" {
			t.Errorf("left in the outbox: %q", got)
		}
	})
}

// blockedReporter is a Reporter that waits until it may.
type blockedReporter struct {
	*stub
	may chan struct{}
}

func (h blockedReporter) Report(ctx context.Context, batch []Usage) ([]Ack, error) {
	select {
	case <-h.may:
		return h.stub.Report(ctx, batch)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func ptr[T any](v T) *T { return &v }

func TestAnOutboxThatFails(t *testing.T) {
	full := errors.New("disk full")
	for _, goOn := range []bool{false, true} {
		t.Run(fmt.Sprint("going on: ", goOn), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				options := []Option{WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
				if goOn {
					options = append(options, WithOutboxFailOpen())
				}
				box := &memOutbox{}
				s := &stub{set: features(metered("f", 0, 100))}
				g := gateOf(t, s, append(options, WithOutbox(box))...)
				u := Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 1}
				post := func() int {
					return serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), status(201)).Code
				}

				// It fails at once, at an append.
				box.append = func() error { box.turn(full); return full }
				if got := post(); got != 201 {
					t.Errorf("a request that was let in is answered %d", got)
				}
				if st := g.Stats(); st.Unkept != 1 {
					t.Errorf("got %+v", st)
				}
				// It is known to fail.
				wantStatus, wantReports := 503, 1
				if goOn {
					wantStatus, wantReports = 201, 5
				}
				for range 3 {
					if got := post(); got != wantStatus {
						t.Errorf("answered %d, want %d", got, wantStatus)
					}
				}
				var failed *OutboxError
				if err := g.Report(t.Context(), u); !errors.As(err, &failed) || failed.Taken != goOn || !errors.Is(err, full) {
					t.Errorf("Report: %v", err)
				}
				// A request that uses nothing does not care.
				if w := serve(t, g, Feature("f"), request("GET", "/", "c"), status(200)); w.Code != 200 {
					t.Errorf("answered %d", w.Code)
				}
				// It is well again.
				box.append = nil
				box.turn(nil)
				if got := post(); got != 201 {
					t.Errorf("answered %d once the outbox is well", got)
				}
				if err := g.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if got := len(s.usages()); got != wantReports+1 {
					t.Errorf("%d reported, want %d", got, wantReports+1)
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
					t.Errorf("%d errors logged, want 1:\n%s", n, log.String())
				}
				if n := strings.Count(log.String(), "keeps usage again"); n != 1 {
					t.Errorf("recovery logged %d times:\n%s", n, log.String())
				}
			})
		})
	}
}

func TestAResponseWaitsForAnOutboxThatHangsNoLongerThanBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 0, 100))}
		g := gateOf(t, s, WithOutbox(hanging{&memOutbox{}}))
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		begun := time.Now()
		var failed *OutboxError
		err := ticket.Settle()
		if took := time.Since(begun); !errors.As(err, &failed) || !failed.Taken || took < 4750*time.Millisecond || took > 5*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if err := g.Close(t.Context()); err != nil || len(s.usages()) != 1 {
			t.Errorf("%v; %d reported", err, len(s.usages()))
		}
	})
}

func TestUsageThatIsLostAtCloseIsHandedOver(t *testing.T) {
	for name, box := range map[string]*memOutbox{
		"without an outbox": nil, "that the outbox did not keep": {append: func() error { return errors.New("disk full") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck := make(chan struct{})
				s := &stub{set: features(metered("f", 0, 1000)), report: func([]Usage) ([]Ack, error) { <-stuck; return nil, errStubDown }}
				var lost []Usage
				options := []Option{WithUndelivered(func(u []Usage) { lost = append(lost, u...); panic("of the app") })}
				if box != nil {
					options = append(options, WithOutbox(box), WithOutboxFailOpen())
				}
				g := gateOf(t, s, options...)
				for i := range 150 { // more than a batch, the first of which is under way and hangs
					if err := g.Report(t.Context(), Usage{Customer: Customer{ID: "c"}, FeatureID: "f", Value: 1, Key: fmt.Sprint("key ", i)}); err != nil && box == nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var left *UndeliveredError
				if err := g.Close(ctx); !errors.As(err, &left) || left.Queued != 150 || left.Kept != 0 {
					t.Error(err)
				}
				close(stuck)
				seen := map[string]bool{}
				for i, u := range lost {
					if seen[u.Key] = true; u.Key != fmt.Sprint("key ", i) || u.Value != 1 || u.CreatedAt.IsZero() {
						t.Fatalf("the %dth is %+v", i, u)
					}
				}
				if len(seen) != 150 {
					t.Errorf("%d of 150 are handed over", len(seen))
				}
			})
		})
	}
}

type hanging struct{ *memOutbox }

func (hanging) Append(ctx context.Context, _ ...Usage) error { <-ctx.Done(); return ctx.Err() }

func TestCloseKeepsWhatItCannotDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memOutbox{}
		s := &stub{set: features(metered("f", 0, 100)), report: func([]Usage) ([]Ack, error) { return nil, errStubDown }}
		var log strings.Builder
		g := gateOf(t, s, WithOutbox(box), WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithUndelivered(func(u []Usage) { t.Errorf("lost: %v", u) }))
		use(t, g, "c", 1)
		use(t, g, "c", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Close(ctx); err != nil { // nothing is lost
			t.Error(err)
		}
		if !strings.Contains(log.String(), "level=INFO msg=\"gate: closed; the outbox keeps usage for the next start\" kept=2") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the log:\n%s", &log)
		}
		if len(box.keys()) != 2 || box.closed != 1 {
			t.Errorf("%v in the outbox, closed %d times", box.keys(), box.closed)
		}
	})
}

func TestRefusedUsageIsSetAsideInTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memOutbox{}
		s := &stub{set: features(metered("f", 0, 100)), report: func([]Usage) ([]Ack, error) { return nil, errRefused }}
		g := gateOf(t, s, WithOutbox(box))
		use(t, g, "c", 1)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(box.keys()) != 0 || len(box.aside) != 1 {
			t.Errorf("%v pending, %v aside", box.keys(), box.aside)
		}
	})
}

func TestUsageOfAnEarlierRunThatIsRefusedMayHaveBeenCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Customer{ID: "c"}
		box := &memOutbox{usages: []Usage{{Customer: c, FeatureID: "f", Value: 2, Key: "k", CreatedAt: time.Now()}}}
		s := &stub{set: features(metered("f", 0, 5)), report: func([]Usage) ([]Ack, error) { return nil, errRefused }}
		may := make(chan struct{})
		g := gateOf(t, s, WithOutbox(box), WithReporter(blockedReporter{s, may}))
		known := func() float64 { return g.Check(t.Context(), c, Feature("f").Asks(0)).Usage }
		known() // this read may have been before it was counted
		close(may)
		synctest.Wait()
		if n := known(); n != 2 || len(box.aside) != 1 {
			t.Errorf("%v are known after the refusal, %d set aside", n, len(box.aside))
		}
		g.Invalidate(c)
		if n := known(); n != 0 {
			t.Errorf("Stigg says that it has none, and %v are known", n)
		}
	})
}

func TestWrongOutboxes(t *testing.T) {
	who := fromHeader("X-Customer-ID", "")
	if _, err := New(&stub{}, who, WithOutbox(nil)); err == nil {
		t.Error("a nil outbox is taken")
	}
	box := &memOutbox{}
	if _, err := New(struct{ Source }{&stub{}}, who, WithOutbox(box)); !errors.Is(err, ErrNoReporter) {
		t.Errorf("an outbox without a reporter: %v", err)
	}
	if box.closed != 0 {
		t.Error("New that fails closed the outbox")
	}
}

func TestAClosedGateSaysSoWhateverTheOutboxSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memOutbox{}
		var log strings.Builder
		g := gateOf(t, &stub{set: features(metered("f", 0, 10))}, WithOutbox(box), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		c := Customer{ID: "c"}
		g.Check(t.Context(), c, Feature("f"))
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		box.turn(errors.New("stub: closed"))
		if err := g.Report(t.Context(), Usage{Customer: c, FeatureID: "f", Value: 1}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, d := g.Admit(t.Context(), c, Feature("f").Uses(1)); !errors.Is(d.Err, ErrClosed) {
			t.Error(d.Err)
		}
		if log.Len() > 0 {
			t.Errorf("logged %s", &log)
		}
	})
}

func TestReplayedUsageIsSmall(t *testing.T) {
	g := gateOf(t, &stub{})
	defer g.ledger.Open(ledger.Owner{ID: "c"}).Unpin()
	for _, u := range []Usage{{FeatureID: "f"}, {Kind: UsageTotal, FeatureID: "f"}, {Kind: UsageCredits, Currency: "f"}, {Kind: UsageEvent, Event: "e"}} {
		u.Customer.ID = "c"
		replayed := u.queued()
		if n := testing.AllocsPerRun(10, func() { g.record(replayed, nil) }); n > 1 {
			t.Errorf("a usage of kind %v costs %v allocations beside the queue, want one for its place", u.Kind, n)
		}
	}
}

func TestWhatWaitsInTheOutboxHoldsTheWalletToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Customer{ID: "c"}
		box := &memOutbox{usages: []Usage{{Customer: c, FeatureID: "f", Value: 8, Key: "k", CreatedAt: time.Now()}}}
		f := metered("f", 0, 1000)
		f.CreditRate = &CreditRate{CurrencyID: "tokens", Amount: 10}
		s := &stub{set: EntitlementSet{Features: []Entitlement{f}, Credits: []Credit{{CurrencyID: "tokens", Limit: 100}}}}
		s.report = func([]Usage) ([]Ack, error) {
			s.set.Features[0].Usage, s.set.Credits[0].Usage = 8, 80
			return []Ack{{Known: true, Usage: 8, At: time.Now(), Credit: &CreditAck{CurrencyID: "tokens", Usage: 80, At: time.Now()}}}, nil
		}
		up := make(chan struct{})
		g := gateOf(t, s, WithOutbox(box), WithReporter(blockedReporter{s, up}))
		allowed := func() string {
			return fmt.Sprint(g.Check(t.Context(), c, Feature("f").Asks(2)).Allowed, g.Check(t.Context(), c, Feature("f").Asks(3)).Allowed,
				g.Check(t.Context(), c, Credits("tokens").Asks(20)).Allowed, g.Check(t.Context(), c, Credits("tokens").Asks(21)).Allowed)
		}
		if got := allowed(); got != "true false true false" {
			t.Errorf("80 of 100 credits wait in the outbox: %s", got)
		}
		close(up)
		synctest.Wait()
		if got := allowed(); got != "true false true false" {
			t.Errorf("80 of 100 credits are acknowledged: %s", got)
		}
	})
}

func TestOneKeyOfTwoCustomersIsDoneForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memOutbox{}
		s := &stub{report: func(b []Usage) ([]Ack, error) {
			if b[0].Kind == UsageEvent {
				return nil, errStubDown
			}
			return nil, nil
		}}
		up := make(chan struct{})
		g := gateOf(t, s, WithOutbox(box), WithReporter(blockedReporter{s, up}))
		for _, u := range []Usage{{Customer: Customer{ID: "a"}, FeatureID: "f", Value: 1}, {Customer: Customer{ID: "b"}, Kind: UsageEvent, Event: "e", Value: 1}} {
			u.Key = "2024-05-01"
			if err := g.Report(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		close(up)
		time.Sleep(time.Minute)
		if st := g.Stats(); st.Queued != 1 || len(box.keys()) != 1 {
			t.Errorf("%d queued, %v in the outbox", st.Queued, box.keys())
		}
		s.mu.Lock()
		s.report = nil
		s.mu.Unlock()
		if err := g.Close(t.Context()); err != nil || len(box.keys()) != 0 {
			t.Errorf("%v; %v in the outbox", err, box.keys())
		}
	})
}
