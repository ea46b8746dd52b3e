package admission

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

func TestRightsAreTheSameButForWhatIsUsed(t *testing.T) {
	book := ledger.New().Open(ledger.Owner{ID: "c"})
	defer book.Unpin()
	plans := NewPlans()
	rights := func(change func(denied *string, wallet, on, f *Entitled)) *Rights {
		denied := ""
		all := []Entitled{
			{Offer: Offer{ID: "x", IsWallet: true}, Feature: rules.Feature{Limit: 10}},
			{Offer: Offer{ID: "on"}, Feature: rules.Feature{Kind: rules.Boolean, Granted: true}},
			{Offer: Offer{ID: "f", Name: "F", Priced: true, Currency: "x", Price: 2}, Feature: rules.Feature{Kind: rules.Metered, Granted: true, Limit: 5}, Anchor: time.Unix(1, 0)},
		}
		change(&denied, &all[0], &all[1], &all[2])
		all = slices.DeleteFunc(all, func(e Entitled) bool { return e.ID == "" })
		s := plans.Rights(book, denied, all)
		return &s
	}
	for name, tt := range map[string]struct {
		change func(denied *string, wallet, on, f *Entitled)
		same   bool
	}{
		"read twice":                    {func(*string, *Entitled, *Entitled, *Entitled) {}, true},
		"in another order":              {func(_ *string, x, on, _ *Entitled) { *x, *on = *on, *x }, true},
		"a feature is used up":          {func(_ *string, _, _, f *Entitled) { f.Granted, f.Denied = false, rules.LimitExceeded }, true},
		"a wallet is used up":           {func(_ *string, x, _, _ *Entitled) { x.Denied = rules.InsufficientCredits }, true},
		"another limit":                 {func(_ *string, _, _, f *Entitled) { f.Limit = 6 }, false},
		"another limit of a wallet":     {func(_ *string, x, _, _ *Entitled) { x.Limit = 11 }, false},
		"another price":                 {func(_ *string, _, _, f *Entitled) { f.Price = 3 }, false},
		"another period":                {func(_ *string, _, _, f *Entitled) { f.Anchor = time.Unix(2, 0) }, false},
		"the period of another zone":    {func(_ *string, _, _, f *Entitled) { f.Anchor = f.Anchor.In(time.FixedZone("", 3600)) }, true},
		"a feature is refused by Stigg": {func(_ *string, _, on, _ *Entitled) { on.Denied = "Revoked" }, false},
		"a feature less":                {func(_ *string, _, on, _ *Entitled) { on.ID = "" }, false},
		"a feature instead of another":  {func(_ *string, _, on, _ *Entitled) { on.ID = "new" }, false},
		"a wallet less":                 {func(_ *string, x, _, _ *Entitled) { x.ID = "" }, false},
		"the customer is refused":       {func(denied *string, _, _, _ *Entitled) { *denied = "CustomerIsArchived" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rights(func(*string, *Entitled, *Entitled, *Entitled) {}).Same(rights(tt.change)); got != tt.same {
				t.Errorf("the same: %v, want %v", got, tt.same)
			}
		})
	}
}

// TestCustomersOfOnePlanShareItsTerms and find what they have by one index; what is one customer's
// own, they don't.
func TestCustomersOfOnePlanShareItsTerms(t *testing.T) {
	l, plans := ledger.New(), NewPlans()
	limit := func(max float64) Entitled {
		return Entitled{Offer: Offer{ID: "f"}, Feature: rules.Feature{Kind: rules.Metered, Limit: max, Values: rules.ValueListOf([]string{"a"})}}
	}
	rights := func(customer string, all ...Entitled) *Rights {
		book := l.Open(ledger.Owner{ID: customer})
		t.Cleanup(book.Unpin)
		s := plans.Rights(book, "", all)
		return &s
	}
	a, b := rights("a", limit(5), Entitled{Offer: Offer{ID: "on"}}), rights("b", limit(5), Entitled{Offer: Offer{ID: "on"}})
	if a.plan != b.plan || a.Feature("f").Terms != b.Feature("f").Terms {
		t.Error("two customers of one plan have each their own")
	}
	if a.Meter(a.Feature("f")).Account == b.Meter(b.Feature("f")).Account {
		t.Error("two customers have one account")
	}
	c := rights("c", limit(6), Entitled{Offer: Offer{ID: "on"}})
	if a.plan != c.plan {
		t.Error("the index of a customer with another limit is another one")
	}
	if a.Feature("on").Terms != c.Feature("on").Terms || a.Feature("f").Limit != 5 || c.Feature("f").Limit != 6 {
		t.Errorf("got %v and %v", a.Feature("f").Limit, c.Feature("f").Limit)
	}
	if w := rights("w", limit(5), Entitled{Offer: Offer{ID: "on", IsWallet: true}}); w.Feature("on") != nil || w.Wallet("on") == nil {
		t.Error("a wallet is found as a feature of its name")
	}
	if d := rights("d", Entitled{Offer: Offer{ID: "on"}}, limit(5)); d.Feature("f").Limit != 5 || d.Feature("on").ID != "on" {
		t.Error("in another order another right is found")
	}
	for _, c := range []string{"n", "m"} {
		if n := rights(c, limit(math.NaN())); n.Feature("f") == nil || !math.IsNaN(n.Feature("f").Limit) {
			t.Error("what is no number is another's")
		}
	}
	if again := rights("e", limit(5)); again.Feature("f").Terms != a.Feature("f").Terms {
		t.Error("terms are forgotten while there are few")
	}
}
