package gate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// doubtful has one of 2 units of f on its way, of which Stigg has told already. It arrives
// once arrive takes a value.
func doubtful(t *testing.T, test func(f *fixture, arrive chan<- struct{}), options ...Option) {
	t.Helper()
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 2), metered("g", 0, 9), metered("h", 1, 1)), nil)
		f.report = counter(f.stub, "f")
		arrive := make(chan struct{})
		options = append(options, WithReporter(blockedReporter{f.stub, arrive}), WithDecisionTimeout(100*time.Millisecond))
		f.gate = gateOf(f.T, f.stub, options...)
		use(f.T, f.gate, "c", 1)
		synctest.Wait()
		f.tells(1)
		test(f, arrive)
	})
}

// tells pushes a count of f.
func (f *fixture) tells(count float64) {
	f.gate.Sink().Patch(Customer{ID: "c"}, Patch{FeatureID: "f", Usage: count, At: time.Now()})
}

// timed checks a policy, and how long that takes.
func (f *fixture) timed(ctx context.Context, p Policy) (Decision, time.Duration) {
	began := time.Now()
	return f.gate.Check(ctx, Customer{ID: "c"}, p), time.Since(began)
}

func TestWhoWaitsInDoubt(t *testing.T) {
	one := Feature("f").Asks(1)
	for name, tt := range map[string]struct {
		policy Policy
		reason Reason
		waits  time.Duration
	}{
		"a refusal":                       {one, ReasonPending, 100 * time.Millisecond},
		"that would be refused anyway":    {Feature("f").Asks(2), ReasonLimitExceeded, 0},
		"that nobody heeds":               {one.Shadow(), ReasonPending, 0},
		"of one of several":               {All(Feature("g").Asks(1), one), ReasonPending, 100 * time.Millisecond},
		"for something else":              {All(Any(one, Feature("g").Asks(1)), Feature("h").Asks(1)), ReasonLimitExceeded, 0},
		"the first of several, any is ok": {Any(one, Feature("h").Asks(1)), ReasonPending, 100 * time.Millisecond},
		"the last of several, any is ok":  {Any(Feature("h").Asks(1), one), ReasonPending, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			doubtful(t, func(f *fixture, _ chan<- struct{}) {
				if d, took := f.timed(f.Context(), tt.policy); d.Reason != tt.reason || took != tt.waits {
					f.Errorf("%q after %v, want %q after %v", d.Reason, took, tt.reason, tt.waits)
				}
			})
		})
	}
}

func TestARefusalInDoubtWaits(t *testing.T) {
	doubtful(t, func(f *fixture, arrive chan<- struct{}) {
		one := Feature("f").Asks(1)
		d, took := f.timed(f.Context(), one)
		if d.Reason != ReasonPending || d.Status != 429 || d.RetryAfter == 0 || took != 100*time.Millisecond {
			t.Errorf("without an answer: %+v after %v", d, took)
		}
		gone, cancel := context.WithCancel(f.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if d, took := f.timed(gone, one); d.Reason != ReasonClientGone || took != 10*time.Millisecond {
			t.Errorf("who leaves: %q after %v", d.Reason, took)
		}
		time.AfterFunc(30*time.Millisecond, func() { arrive <- struct{}{} })
		if d, took := f.timed(f.Context(), one); !d.Allowed || took != 30*time.Millisecond {
			t.Errorf("with an answer after 30 ms: %+v after %v", d, took)
		}
	})
}

// lazyOutbox takes its time to note what is done.
type lazyOutbox struct{ memOutbox }

func (s *lazyOutbox) Done(u ...Usage) error {
	time.Sleep(200 * time.Millisecond)
	return s.memOutbox.Done(u...)
}

func TestDoubtDoesNotWaitForTheOutbox(t *testing.T) {
	doubtful(t, func(f *fixture, arrive chan<- struct{}) {
		time.AfterFunc(10*time.Millisecond, func() { arrive <- struct{}{} })
		if d, took := f.timed(f.Context(), Feature("f").Asks(1)); !d.Allowed || took != 10*time.Millisecond {
			t.Errorf("%q after %v", d.Reason, took)
		}
		time.Sleep(time.Second)
	}, WithOutbox(&lazyOutbox{}))
}

func TestDoubtIsJudgedOnceMoreWhenTimeIsUp(t *testing.T) {
	doubtful(t, func(f *fixture, _ chan<- struct{}) {
		time.AfterFunc(50*time.Millisecond, func() {
			f.says(features(metered("f", 0, 20)), nil)
			f.gate.Sink().Replace(Customer{ID: "c"}, features(metered("f", 0, 20)))
		})
		if d, _ := f.timed(f.Context(), Feature("f").Asks(1)); !d.Allowed {
			t.Errorf("upgraded meanwhile: %q", d.Reason)
		}
	})
}

func TestWhatIsParkedStaysInDoubt(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 3)), nil)
		count, poison := counter(f.stub, "f"), ""
		f.report = func(batch []Usage) ([]Ack, error) {
			if poison == "" {
				poison = batch[0].Key
			}
			for _, u := range batch {
				if u.Key == poison {
					return nil, errGarbled
				}
			}
			return count(batch)
		}
		use(f.T, f.gate, "c", 1) // never counted
		time.Sleep(5 * time.Second)
		use(f.T, f.gate, "c", 1)
		time.Sleep(time.Second)
		use(f.T, f.gate, "c", 1)
		time.Sleep(time.Second)
		for range 3 {
			if d, took := f.timed(f.Context(), Feature("f").Asks(1)); d.Reason != ReasonPending || took != 0 {
				t.Errorf("3 of 3 are used, unless one of them counts twice: %q after %v", d.Reason, took)
			}
			time.Sleep(time.Hour)
			f.gate.Invalidate(Customer{ID: "c"})
			f.check("c")
		}
	})
}

func TestReportsThatFailAreInDoubtIfTheyLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		after  time.Duration
		reason Reason
	}{
		"that never left":             {errUnsent, 0, ReasonLimitExceeded},
		"for long: nobody waits then": {busyFor(2 * time.Second), time.Minute, ReasonPending},
	} {
		t.Run(name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.says(features(metered("f", 0, 10)), nil)
				f.report = func([]Usage) ([]Ack, error) { return nil, tt.err }
				use(f.T, f.gate, "c", 5)
				time.Sleep(tt.after)
				synctest.Wait()
				f.says(features(metered("f", 5, 10)), nil)
				f.tells(5) // another process
				if d, took := f.timed(f.Context(), Feature("f").Asks(1)); d.Reason != tt.reason || took != 0 {
					t.Errorf("10 of 10 are used: %q after %v", d.Reason, took)
				}
			})
		})
	}
}

func TestWhatNeverLeftIsNotCountedWhenItIsRefused(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 0, 1)), nil)
		tries := 0
		f.report = func([]Usage) ([]Ack, error) {
			if tries++; tries == 1 {
				return nil, errUnsent
			}
			return nil, errRefused
		}
		use(f.T, f.gate, "c", 1)
		time.Sleep(10 * time.Second)
		if d := f.gate.Check(f.Context(), Customer{ID: "c"}, Feature("f").Asks(1)); !d.Allowed || tries != 2 {
			t.Errorf("Stigg has none of it: %q after %d tries", d.Reason, tries)
		}
	})
}

func TestWhatWasGivenBackIsWaitedFor(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 5, 5)), nil)
		count := counter(f.stub, "f")
		f.report = func(batch []Usage) ([]Ack, error) {
			time.Sleep(50 * time.Millisecond)
			return count(batch)
		}
		c := Customer{ID: "c"}
		f.check("c")
		for range 20 { // never more than 5 seats
			ticket, d := f.gate.Admit(f.Context(), c, Feature("f").Frees(1))
			if !d.Allowed || ticket.Settle() != nil {
				t.Fatal("not given back")
			}
			ticket, d = f.gate.Admit(f.Context(), c, Feature("f").Uses(1))
			if !d.Allowed {
				t.Fatalf("4 of 5 in use: %q", d.Reason)
			}
			_ = ticket.Settle()
			if _, d := f.gate.Admit(f.Context(), c, Feature("f").Uses(1)); d.Allowed {
				t.Fatal("6 of 5")
			}
			time.Sleep(time.Second)
		}
	})
}
