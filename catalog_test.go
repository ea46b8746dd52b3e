package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// catalogued is a Source whose customers have feature-1 and wallet coins; feature-2 and the
// currency gems exist beside. It counts how often it is asked what exists.
type catalogued struct {
	asked atomic.Int64
	delay time.Duration
	fails atomic.Bool
}

func (s *catalogued) Entitlements(_ context.Context, c Customer) (EntitlementSet, error) {
	if c.ID == "no-plan" {
		return EntitlementSet{Denied: ReasonNoSubscription}, nil
	}
	return EntitlementSet{
		Features: []Entitlement{{FeatureID: "feature-1", Kind: Metered, Limit: 1}},
		Credits:  []Credit{{CurrencyID: "coins", Limit: 1}},
	}, nil
}

func (s *catalogued) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	return make([]Ack, len(batch)), nil
}

func (s *catalogued) ReadCatalog(context.Context) (Catalog, error) {
	if s.fails.Load() {
		return Catalog{}, &UpstreamError{Err: errors.New("out of order")}
	}
	return Catalog{Features: map[string]FeatureKind{"feature-1": Metered, "switch": Boolean, "city": Enum, "size": Configuration}, Currencies: map[string]bool{"coins": true}}, nil
}

func (s *catalogued) FindFeature(ctx context.Context, _ Customer, id string) (FeatureKind, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return KindUnknown, ctx.Err()
	}
	switch {
	case s.fails.Load():
		return KindUnknown, errors.New("out of order")
	case id == "feature-2":
		return Boolean, nil
	}
	return KindUnknown, ErrUnknownFeature
}

func (s *catalogued) FindCurrency(_ context.Context, _ Customer, id string) error {
	s.asked.Add(1)
	if id == "gems" {
		return nil
	}
	return ErrUnknownCurrency
}

// inCatalog runs a test of a gate in front of catalogued, and gives what it logs.
func inCatalog(t *testing.T, s *catalogued, test func(t *testing.T, g *Gate, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		test(t, gateOf(t, s, WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), &log)
	})
}

func TestAMisspeltFeatureIsNeverSold(t *testing.T) {
	s := &catalogued{delay: 10 * time.Millisecond}
	inCatalog(t, s, func(t *testing.T, g *Gate, log *bytes.Buffer) {
		for i := range 20 {
			for j, p := range []Policy{Feature("misspelt"), All(Feature("feature-1").Asks(1), Feature("misspelt").Uses(1)), Credits("misspelt").Uses(1)} {
				d := g.Check(t.Context(), Customer{ID: fmt.Sprint("customer-", i)}, p)
				if d.Allowed || d.Reason != ReasonFeatureNotFound || d.Status != 403 || d.FeatureID != "misspelt" {
					t.Errorf("policy %d: %+v", j, d)
				}
			}
		}
		if n := s.asked.Load(); n != 2 {
			t.Errorf("%d questions for a feature and a currency", n)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "feature=misspelt") {
			t.Errorf("%d lines: %s", n, log)
		}
	})
}

func TestWhatThePlanLacksIsSold(t *testing.T) {
	s := &catalogued{}
	inCatalog(t, s, func(t *testing.T, g *Gate, log *bytes.Buffer) {
		for range 20 {
			if d := g.Check(t.Context(), Customer{ID: "a"}, Feature("feature-2")); d.Reason != ReasonNotInPlan || d.Status != 402 {
				t.Errorf("a feature: %+v", d)
			}
			if d := g.Check(t.Context(), Customer{ID: "no-plan"}, Feature("feature-2")); d.Reason != ReasonNoSubscription || d.Status != 402 {
				t.Errorf("without a subscription: %+v", d)
			}
			if d := g.Check(t.Context(), Customer{ID: "a"}, Credits("gems").Asks(1)); d.Reason != ReasonInsufficientCredits || d.Status != 402 {
				t.Errorf("a wallet: %+v", d)
			}
			if d := g.Check(t.Context(), Customer{ID: "a"}, Feature("feature-1").Asks(2)); d.Reason != ReasonLimitExceeded || d.Status != 402 {
				t.Errorf("a limit: %+v", d)
			}
		}
		if n := s.asked.Load(); n != 2 || log.Len() > 0 {
			t.Errorf("%d questions for a feature and a currency: %s", n, log)
		}
	})
}

func TestWhatIsMissingStaysSoUntilItIsThere(t *testing.T) {
	s := &catalogued{}
	inCatalog(t, s, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		ask := func() int { return g.Check(t.Context(), Customer{ID: "a"}, Feature("misspelt")).Status }
		if got := ask(); got != 403 {
			t.Fatal(got)
		}
		s.fails.Store(true) // from now on nobody can tell
		for range 5 {
			time.Sleep(2 * time.Minute)
			if got := ask(); got != 403 {
				t.Errorf("it is forgotten: %d", got)
			}
		}
		if n := s.asked.Load(); n > 6 {
			t.Errorf("%d questions in ten minutes", n)
		}
	})
}

func TestAnAnswerThatIsSlowHoldsNobodyUp(t *testing.T) {
	s := &catalogued{delay: 5 * time.Second}
	inCatalog(t, s, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		g.Check(t.Context(), Customer{ID: "a"}, Feature("feature-1")) // the customer is cached
		began := time.Now()
		first := g.Check(t.Context(), Customer{ID: "a"}, Feature("misspelt"))
		if waited := time.Since(began); waited > time.Second || first.Status != 402 {
			t.Errorf("it waited for %v, and is %d", waited, first.Status)
		}
		time.Sleep(5 * time.Second)
		if d := g.Check(t.Context(), Customer{ID: "a"}, Feature("misspelt")); d.Status != 403 || s.asked.Load() != 1 {
			t.Errorf("%d after %d questions", d.Status, s.asked.Load())
		}
		g.Check(t.Context(), Customer{ID: "a"}, Feature("other")) // is being asked while the gate closes
	})
}

func TestAShadowWaitsForNoAnswer(t *testing.T) {
	s := &catalogued{delay: 100 * time.Millisecond}
	inCatalog(t, s, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		began := time.Now()
		p := Feature("misspelt").Shadow()
		if d := g.Check(t.Context(), Customer{ID: "a"}, p); d.Reason != ReasonNotInPlan || time.Since(began) > 0 {
			t.Errorf("after %v: %+v", time.Since(began), d)
		}
		time.Sleep(time.Second)
		if d := g.Check(t.Context(), Customer{ID: "a"}, p); d.Reason != ReasonFeatureNotFound {
			t.Errorf("%+v", d)
		}
	})
}
