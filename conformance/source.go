package conformance

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// Source is a gate.Source under test, and what it is in front of.
type Source struct {
	// New returns the source in front of a Stigg that is up. It is called for each row.
	New func(t testing.TB) gate.Source
	// Customer has these Features, at least one.
	Customer gate.Customer
	Features []string
	// Refused are customers that Stigg refuses as a whole, with its reason: one that it
	// does not know, an archived one, one without a subscription.
	Refused map[gate.Customer]gate.Reason
	// Down returns the source in front of a Stigg that answers nothing of use, and
	// Hanging in front of one that never answers. Without them their rows are left out.
	Down, Hanging func(t testing.TB) gate.Source
}

// RunSource holds a gate.Source to its contract.
func RunSource(t *testing.T, s Source) {
	if s.New == nil || len(s.Features) == 0 || s.Customer.Validate() != nil {
		t.Fatal("a Source needs New, a Customer and Features")
	}
	run(t, s.rows(), nil)
}

func (s Source) rows() []row {
	rows := []row{
		{"source", "a customer's features are there, each once and with numbers that count", s.complete},
		{"source", "refused customers are an answer, not an error", s.refused},
		{"source", "sets are independent of each other", s.independent},
		{"source", "many may ask at once, and each gets the customer's own", s.concurrent},
		{"source", "a context that has ended ends the call", func(t testing.TB) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			s.ends(ctx, t, s.New(t), false)
		}},
	}
	if s.Down != nil {
		rows = append(rows, row{"source", "nothing known is an error", func(t testing.TB) {
			if set, err := s.Down(t).Entitlements(t.Context(), s.Customer); err == nil {
				t.Errorf("got %+v and no error", set)
			}
		}})
	}
	if s.Hanging != nil {
		rows = append(rows, row{"source", "a call ends with its context", func(t testing.TB) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			s.ends(ctx, t, s.Hanging(t), true)
		}})
	}
	return rows
}

// read is a read that must not fail.
func (s Source) read(t testing.TB, source gate.Source, c gate.Customer) gate.EntitlementSet {
	t.Helper()
	set, err := source.Entitlements(t.Context(), c)
	if err != nil {
		t.Errorf("%+v: %v", c, err)
	}
	return set
}

// holds checks a set of the Customer's.
func (s Source) holds(t testing.TB, set gate.EntitlementSet) {
	t.Helper()
	seen := make(map[string]bool)
	for _, e := range set.Features {
		if e.FeatureID == "" || seen[e.FeatureID] {
			t.Errorf("the feature %q is there without an id, or twice", e.FeatureID)
		}
		seen[e.FeatureID] = true
		for _, n := range []float64{e.Limit, e.Usage} {
			if math.IsNaN(n) || math.IsInf(n, 0) {
				t.Errorf("%s has an amount of %v", e.FeatureID, n)
			}
		}
		if e.PeriodEnd.Before(e.PeriodStart) {
			t.Errorf("%s has a period from %v to %v", e.FeatureID, e.PeriodStart, e.PeriodEnd)
		}
	}
	for _, id := range s.Features {
		if !seen[id] {
			t.Errorf("the feature %q is missing; there are %v", id, slices.Sorted(maps.Keys(seen)))
		}
	}
	if set.Denied != "" {
		t.Errorf("the customer is refused: %s", set.Denied)
	}
}

func (s Source) complete(t testing.TB) { s.holds(t, s.read(t, s.New(t), s.Customer)) }

func (s Source) refused(t testing.TB) {
	source := s.New(t)
	for c, want := range s.Refused {
		if set := s.read(t, source, c); set.Denied != want {
			t.Errorf("%+v: denied for %q, want %q", c, set.Denied, want)
		}
	}
}

// independent: the gate keeps sets for long; what is done to one must not reach another.
func (s Source) independent(t testing.TB) {
	source := s.New(t)
	first := s.read(t, source, s.Customer)
	for i := range first.Features {
		e := &first.Features[i]
		for j := range e.Values {
			e.Values[j] = "overwritten"
		}
		if e.CreditRate != nil {
			e.CreditRate.CurrencyID = "overwritten"
		}
		e.FeatureID = "overwritten"
	}
	for i := range first.Credits {
		first.Credits[i].CurrencyID = "overwritten"
	}
	second := s.read(t, source, s.Customer)
	s.holds(t, second)
	for _, e := range second.Features {
		if e.FeatureID == "overwritten" || slices.Contains(e.Values, "overwritten") || e.CreditRate != nil && e.CreditRate.CurrencyID == "overwritten" {
			t.Errorf("a second set shares %+v with the first", e)
		}
	}
	for _, c := range second.Credits {
		if c.CurrencyID == "overwritten" {
			t.Errorf("a second set shares %+v with the first", c)
		}
	}
}

func (s Source) concurrent(t testing.TB) {
	source := s.New(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 4 {
				s.holds(t, s.read(t, source, s.Customer))
				for c, want := range s.Refused {
					if set := s.read(t, source, c); set.Denied != want {
						t.Errorf("%+v: denied for %q, want %q", c, set.Denied, want)
					}
				}
			}
		})
	}
	wait.Wait()
}

// ends waits for a call whose context ends. Its answer is an error or the truth; of a
// Stigg that never answers it can only be an error.
func (s Source) ends(ctx context.Context, t testing.TB, source gate.Source, must bool) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		set, err := source.Entitlements(ctx, s.Customer)
		if err == nil {
			s.holds(t, set)
		}
		if err == nil && must {
			t.Error("no error")
		}
	}()
	await(t, "the call's end", done)
}
