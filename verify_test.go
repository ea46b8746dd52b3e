package gate

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestVerifyListsEveryMistakeWithItsRoute(t *testing.T) {
	s := &catalogued{}
	inCatalog(t, s, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		if err := g.Verify(t.Context()); err == nil {
			t.Error("nothing is bound, and nothing is said")
		}
		if _, err := g.RouteGuards(Table{"GET /public": Public()}, DenyRest); err != nil {
			t.Fatal(err)
		}
		if err := g.Verify(t.Context()); err != nil {
			t.Errorf("public: %v", err)
		}
		_, err := g.RouteGuards(Table{
			"GET /a":  Feature("feature-1").Uses(1),
			"GET /b":  Any(Feature("switch"), Feature("switch").Uses(1)),
			"GET /c":  All(Feature("misspelt"), Feature("feature-2")),
			"POST /d": Feature("city").Asks(1),
			"POST /e": Feature("size").Values("a"),
			"POST /f": Credits("coin").Uses(1),
			"POST /g": All(Feature("size").Asks(1), Feature("city").Values("a"), Credits("coins").Uses(1), Credits("gems").Asks(1)),
			"POST /h": Feature("feature-2").Frees(1),
		}, DenyRest)
		if err != nil {
			t.Fatal(err)
		}
		g.MustGuard(Feature("misspelt").Uses(1))
		want := []string{
			`gate: policy for "misspelt": there is no such feature in Stigg`,
			`gate: policy for "nowhere": there is no such feature in Stigg`,
			`gate: policy of route "GET /b" for "switch": the feature's kind does not take what the policy asks: it is boolean, and the policy has Uses`,
			`gate: policy of route "GET /c" for "misspelt": there is no such feature in Stigg`,
			`gate: policy of route "POST /d" for "city": the feature's kind does not take what the policy asks: it is enum, and the policy has Asks`,
			`gate: policy of route "POST /e" for "size": the feature's kind does not take what the policy asks: it is configuration, and the policy has Values`,
			`gate: policy of route "POST /f" for "coin": there is no such currency in Stigg`,
			`gate: policy of route "POST /h" for "feature-2": the feature's kind does not take what the policy asks: it is boolean, and the policy has Frees`,
		}
		err = g.Verify(t.Context(), Feature("nowhere"))
		var wrong *VerifyError
		if !errors.As(err, &wrong) || len(wrong.Mistakes) != len(want) || !errors.Is(err, ErrUnknownFeature) || !errors.Is(err, ErrUnknownCurrency) || !errors.Is(err, ErrFeatureKind) {
			t.Fatalf("got %v", err)
		}
		for i, line := range strings.Split(err.Error(), "\n") {
			if line != want[i] {
				t.Errorf("mistake %d is\n%s, want\n%s", i, line, want[i])
			}
		}
	})
}

func TestVerifyThatCantKnowIsNoMistakeOfThePolicies(t *testing.T) {
	s := &catalogued{}
	s.fails.Store(true)
	inCatalog(t, s, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		err := g.Verify(t.Context(), Feature("feature-1"))
		var wrong *VerifyError
		if u := (*UpstreamError)(nil); errors.As(err, &wrong) || !errors.As(err, &u) {
			t.Errorf("got %v", err)
		}
	})
	g := gateOf(t, &stub{})
	if err := g.Verify(t.Context(), Feature("feature-1")); !errors.Is(err, ErrNoCatalog) {
		t.Errorf("got %v", err)
	}
}
