package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stiggate/gate"
)

// hanging never answers.
type hanging struct{}

func (hanging) Entitlements(ctx context.Context, _ gate.Customer) (gate.EntitlementSet, error) {
	<-ctx.Done()
	return gate.EntitlementSet{}, ctx.Err()
}

func (hanging) Report(ctx context.Context, _ []gate.Usage) ([]gate.Ack, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func stubSource(of func() gate.Source) Source {
	return Source{
		New:      func(testing.TB) gate.Source { return of() },
		Customer: gate.Customer{ID: "payer"},
		Features: []string{"many", "cities"},
		Refused: map[gate.Customer]gate.Reason{
			{ID: "unknown"}: gate.ReasonCustomerNotFound, {ID: "none"}: gate.ReasonNoSubscription, {ID: "archived"}: gate.ReasonCustomerIsArchived,
		},
		Hanging: func(testing.TB) gate.Source { return hanging{} },
	}
}

func stubReporter(of func(*stigg) gate.Reporter) Reporter {
	return Reporter{
		New: func(testing.TB) (gate.Reporter, func() float64) {
			s := newStigg()
			return of(s), func() float64 { return s.reported("many") }
		},
		Customer: gate.Customer{ID: "payer"}, Feature: "many", Other: "other",
		Hanging: func(testing.TB) gate.Reporter { return hanging{} },
	}
}

func TestTheSuitesOwnStigg(t *testing.T) {
	RunSource(t, stubSource(func() gate.Source { return newStigg() }))
	RunReporter(t, stubReporter(func(s *stigg) gate.Reporter { return s }))
}

// sourceOf and reporterOf are mutants of the suite's own Stigg.
type (
	sourceOf   func(context.Context, gate.Customer) (gate.EntitlementSet, error)
	reporterOf func(context.Context, []gate.Usage) ([]gate.Ack, error)
)

func (f sourceOf) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	return f(ctx, c)
}

func (f reporterOf) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return f(ctx, batch)
}

func TestMutantsOfTheSeamsDie(t *testing.T) {
	payer, _ := newStigg().Entitlements(t.Context(), gate.Customer{ID: "payer"})
	sources := map[string]sourceOf{
		"sets are independent of each other": func(context.Context, gate.Customer) (gate.EntitlementSet, error) { return payer, nil },
		"refused customers are an answer, not an error": func(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
			set, err := newStigg().Entitlements(ctx, c)
			if set.Denied != "" {
				err = errors.New(string(set.Denied))
			}
			return set, err
		},
		"a customer's features are there, each once and with numbers that count": func(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
			set, err := newStigg().Entitlements(ctx, c)
			set.Features = append(set.Features, set.Features...)
			return set, err
		},
		"many may ask at once, and each gets the customer's own": func(ctx context.Context, _ gate.Customer) (gate.EntitlementSet, error) {
			return newStigg().Entitlements(ctx, gate.Customer{ID: "none"})
		},
	}
	for name, mutant := range sources {
		dies(t, stubSource(func() gate.Source { return mutant }).rows(), name)
	}
	reporters := map[string]func(*stigg) reporterOf{
		"a batch of 100 is answered in its order": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				acks, err := s.Report(ctx, batch)
				slices.Reverse(acks)
				return acks, err
			}
		},
		"a batch that arrives twice counts once": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				s.keys = make(map[string]bool)
				return s.Report(ctx, batch)
			}
		},
		"a key twice in one batch counts once": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				acks := make([]gate.Ack, len(batch))
				for i := range batch {
					s.keys = make(map[string]bool)
					_, _ = s.Report(ctx, batch[i:i+1])
				}
				return acks, nil
			}
		},
		"equal changes of other keys count each": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				for i := range batch {
					batch[i].Key = "the same"
				}
				return s.Report(ctx, batch)
			}
		},
		"a change is counted": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				_, err := s.Report(ctx, batch)
				return nil, err
			}
		},
		"what is given back is counted": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				batch = slices.Clone(batch)
				for i := range batch {
					batch[i].Value = max(0, batch[i].Value)
				}
				return s.Report(ctx, batch)
			}
		},
		"a small change is counted": func(s *stigg) reporterOf {
			return func(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
				batch = slices.Clone(batch)
				for i := range batch {
					batch[i].Value = float64(int64(batch[i].Value*1e6)) / 1e6 // as %f does
				}
				return s.Report(ctx, batch)
			}
		},
	}
	for name, mutant := range reporters {
		dies(t, stubReporter(func(s *stigg) gate.Reporter { return mutant(s) }).rows(), name)
	}
}

// dies holds the row of this name to failing.
func dies(t *testing.T, rows []row, name string) {
	t.Helper()
	i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
	if i < 0 {
		t.Errorf("there is no row %q", name)
		return
	}
	t.Run(name, func(t *testing.T) {
		if !rows[i].fails(t) {
			t.Error("the row passes")
		}
	})
}
