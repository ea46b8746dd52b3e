package gate

import (
	"math"
	"testing"
)

// TestDecisionTable has one group of cases for each row of the table in internal/rules.
func TestDecisionTable(t *testing.T) {
	boolean := Entitlement{FeatureID: "f", Kind: Boolean, Granted: true}
	enum := Entitlement{FeatureID: "f", Kind: Enum, Granted: true, Values: []string{"NY", "LA"}}
	size := Entitlement{FeatureID: "f", Kind: Configuration, Granted: true, Limit: 100}
	with := func(e Entitlement, change func(*Entitlement)) Entitlement { change(&e); return e }
	denied := func(r Reason) func(*Entitlement) {
		return func(e *Entitlement) { e.Denied, e.Granted = r, false }
	}
	has, uses := Feature("f"), func(n float64) Policy { return Feature("f").Uses(n) }

	tests := []struct {
		name   string
		set    EntitlementSet
		policy Policy
		want   Reason
	}{
		{"row 1: no such customer", EntitlementSet{Denied: ReasonCustomerNotFound}, has, ReasonCustomerNotFound},
		{"row 1: an archived customer", EntitlementSet{Denied: ReasonCustomerIsArchived}, has, ReasonCustomerIsArchived},
		{"row 1: no subscription", EntitlementSet{Denied: ReasonNoSubscription}, has, ReasonNoSubscription},
		{"row 1: a promotion grants without a subscription", EntitlementSet{Denied: ReasonNoSubscription, Features: []Entitlement{boolean}}, has, ""},
		{"row 2: the plan lacks the feature", features(Entitlement{FeatureID: "g", Kind: Boolean}), has, ReasonNotInPlan},
		{"row 3: revoked", features(with(boolean, denied(ReasonRevoked))), has, ReasonRevoked},
		{"row 3: beats unlimited", features(with(metered("f", 0, 0), func(e *Entitlement) { e.Unlimited = true; e.Denied = ReasonBudgetExceeded })), has, ReasonBudgetExceeded},
		{"row 3: beats a soft limit", features(with(metered("f", 0, 0), func(e *Entitlement) { e.SoftLimit = true; e.Denied = ReasonInsufficientCredits })), uses(1), ReasonInsufficientCredits},
		{"row 3: a reason nobody knows yet", features(with(boolean, denied("PlanetAligned"))), has, "PlanetAligned"},
		{"row 3: the limit's reason is recomputed", features(with(metered("f", 3, 5), denied(ReasonLimitExceeded))), uses(2), ""},
		{"mismatch: an amount of a boolean", features(boolean), uses(1), ReasonFeatureMismatch},
		{"mismatch: an amount of an enum", features(enum), Feature("f").Asks(1), ReasonFeatureMismatch},
		{"mismatch: values of a boolean", features(boolean), Feature("f").Values("a"), ReasonFeatureMismatch},
		{"mismatch: values of a metered feature", features(metered("f", 0, 5)), Feature("f").Values("a"), ReasonFeatureMismatch},
		{"mismatch: giving back a boolean", features(boolean), Feature("f").Frees(1), ReasonFeatureMismatch},
		{"mismatch: using up a configuration", features(size), uses(1), ReasonFeatureMismatch},
		{"row 3 comes before a mismatch", features(with(boolean, denied(ReasonRevoked))), uses(1), ReasonRevoked},
		{"row 4: a boolean", features(boolean), has, ""},
		{"row 5: an enum, nothing asked", features(enum), has, ""},
		{"row 5: an allowed value", features(enum), Feature("f").Values("LA"), ""},
		{"row 5: all values allowed", features(enum), Feature("f").Values("LA", "NY"), ""},
		{"row 5: one value of two not allowed", features(enum), Feature("f").Values("NY", "TLV"), ReasonValueNotAllowed},
		{"row 5: values are compared exactly", features(enum), Feature("f").Values("ny"), ReasonValueNotAllowed},
		{"row 6: a configuration, nothing asked", features(size), has, ""},
		{"row 7: exactly the value", features(size), Feature("f").Asks(100), ""},
		{"row 7: above the value", features(size), Feature("f").Asks(100.5), ReasonLimitExceeded},
		{"row 7: unlimited", features(with(size, func(e *Entitlement) { e.Unlimited = true })), Feature("f").Asks(1e9), ""},
		{"row 7: no value counts as 0", features(with(size, func(e *Entitlement) { e.Limit = 0 })), Feature("f").Asks(1), ReasonLimitExceeded},
		{"row 8: unlimited", features(with(metered("f", 1e12, 0), func(e *Entitlement) { e.Unlimited = true })), uses(1), ""},
		{"row 8: a soft limit", features(with(metered("f", 9, 5), func(e *Entitlement) { e.SoftLimit = true })), uses(1), ""},
		{"row 9: up to the limit", features(metered("f", 3, 5)), uses(2), ""},
		{"row 9: a metered feature alone asks for 1", features(metered("f", 4, 5)), has, ""},
		{"row 9: 0 at exactly the limit", features(metered("f", 5, 5)), Feature("f").Asks(0), ""},
		{"row 9: 0.1 + 0.2 of 0.3", features(metered("f", 0.1, 0.3)), uses(0.2), ""},
		{"row 10: past the limit", features(metered("f", 3, 5)), uses(3), ReasonLimitExceeded},
		{"row 10: a metered feature alone asks for 1", features(metered("f", 5, 5)), has, ReasonLimitExceeded},
		{"row 10: 0 above the limit", features(metered("f", 6, 5)), Feature("f").Asks(0), ReasonLimitExceeded},
		{"whatever is left: at the limit", features(metered("f", 5, 5)), Feature("f").Has(), ""},
		{"whatever is left: above the limit", features(metered("f", 6, 5)), Feature("f").Has(), ""},
		{"whatever is left: Stigg says that the limit is reached", features(with(metered("f", 5, 5), denied(ReasonLimitExceeded))), Feature("f").Has(), ""},
		{"whatever is left: not in the plan", features(size), Feature("g").Has(), ReasonNotInPlan},
		{"whatever is left: revoked", features(with(metered("f", 0, 5), denied(ReasonRevoked))), Feature("f").Has(), ReasonRevoked},
		{"whatever is left: a boolean", features(boolean), Feature("f").Has(), ""},
		{"whatever is left: a configuration", features(size), Feature("f").Has(), ""},
		{"row 10: no limit counts as 0", features(metered("f", 0, 0)), uses(1), ReasonLimitExceeded},
		{"row 10: a large limit gains no unit", features(metered("f", 1e12, 1e12)), uses(1), ReasonLimitExceeded},
		{"giving back is never refused for the limit", features(metered("f", 9, 5)), Feature("f").Frees(1), ""},
		{"a kind nobody knows yet, granted by Stigg", features(Entitlement{FeatureID: "f", Granted: true}), has, ""},
		{"a kind nobody knows yet, not granted", features(Entitlement{FeatureID: "f"}), has, ReasonUnknown},
		{"an amount of a kind nobody knows yet", features(Entitlement{FeatureID: "f", Granted: true}), uses(1), ReasonFeatureMismatch},
		{"a limit that is no number", features(metered("f", 0, math.NaN())), uses(1), ReasonUnavailable},
		{"usage that is no number", features(metered("f", math.NaN(), 5)), uses(1), ReasonUnavailable},
		{"an amount below what its limit can tell", features(metered("f", 1e308, 1e308)), uses(1 << 53), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(t, &stub{set: tt.set})
			d := g.Check(t.Context(), Customer{ID: "c"}, tt.policy)
			if d.Reason != tt.want || d.Allowed != (tt.want == "") {
				t.Errorf("got allowed %v, reason %q, want reason %q", d.Allowed, d.Reason, tt.want)
			}
		})
	}
}

// TestCredits has the rows of features that are paid from a wallet.
func TestCredits(t *testing.T) {
	paid := func(rate CreditRate, granted bool, wallets ...Credit) EntitlementSet {
		e := metered("f", 0, 100)
		e.CreditRate, e.Granted = &rate, granted
		return EntitlementSet{Features: []Entitlement{e}, Credits: wallets}
	}
	perUnit := CreditRate{CurrencyID: "gold", Amount: 3}
	wallet := Credit{CurrencyID: "gold", Granted: true, Limit: 10, Usage: 1}
	with := func(change func(*Credit)) Credit { w := wallet; change(&w); return w }

	tests := []struct {
		name string
		set  EntitlementSet
		uses float64
		want Reason
	}{
		{"the wallet covers the price", paid(perUnit, true, wallet), 3, ""},
		{"the wallet falls short", paid(perUnit, true, wallet), 4, ReasonInsufficientCredits},
		{"a soft wallet", paid(perUnit, true, with(func(c *Credit) { c.SoftLimit = true })), 4, ""},
		{"no wallet", paid(perUnit, true), 1, ReasonInsufficientCredits},
		{"a wallet in another currency", paid(perUnit, true, Credit{CurrencyID: "silver", Limit: 100}), 1, ReasonInsufficientCredits},
		{"a wallet over its budget", paid(perUnit, true, with(func(c *Credit) { c.Denied = ReasonBudgetExceeded })), 1, ReasonBudgetExceeded},
		{"the feature's own limit comes first", paid(perUnit, true, with(func(c *Credit) { c.Limit = 1e6 })), 101, ReasonLimitExceeded},
		{"a formula is Stigg's to evaluate: granted", paid(CreditRate{CurrencyID: "gold", Formula: true}, true, wallet), 50, ""},
		{"a formula is Stigg's to evaluate: not granted", paid(CreditRate{CurrencyID: "gold", Formula: true}, false, wallet), 1, ReasonInsufficientCredits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(t, &stub{set: tt.set})
			d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Uses(tt.uses))
			if d.Reason != tt.want || d.Allowed != (tt.want == "") {
				t.Errorf("got allowed %v, reason %q, want reason %q", d.Allowed, d.Reason, tt.want)
			}
		})
	}
}

func TestAWalletIsNeverOverdrawnByRequestsThatRun(t *testing.T) {
	e := metered("f", 0, 100)
	e.CreditRate = &CreditRate{CurrencyID: "gold", Amount: 2}
	s := &stub{set: EntitlementSet{Features: []Entitlement{e}, Credits: []Credit{{CurrencyID: "gold", Limit: 5}}}}
	g := gateOf(t, s)
	admit := func() (*Ticket, Decision) { return g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)) }

	first, _ := admit()
	second, _ := admit()
	_, third := admit()
	if third.Reason != ReasonPending {
		t.Errorf("5 credits, 4 held, 2 asked: got %q, want %q", third.Reason, ReasonPending)
	}
	second.Release()
	again, d := admit()
	if !d.Allowed {
		t.Errorf("2 credits were released: got %q", d.Reason)
	}
	_ = first.Settle()
	_ = again.Settle()
	if _, d := admit(); d.Reason != ReasonInsufficientCredits {
		t.Errorf("4 of 5 credits are spent: got %q, want %q", d.Reason, ReasonInsufficientCredits)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.usages()); n != 2 {
		t.Errorf("%d measurements reported, want 2", n)
	}
}

func TestSoftLimitsAreMarked(t *testing.T) {
	soft := metered("f", 5, 5)
	soft.SoftLimit = true
	g := gateOf(t, &stub{set: features(soft)})
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f")); !d.Allowed || !d.OverLimit {
		t.Errorf("over a soft limit: got allowed %v, over %v", d.Allowed, d.OverLimit)
	}
	if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Asks(0)); d.OverLimit {
		t.Error("at the soft limit is not over it")
	}
}

func TestEveryReasonHasItsAnswer(t *testing.T) {
	tests := []struct {
		reason Reason
		status int
		code   string
	}{
		{ReasonNoSubscription, 402, "no_active_subscription"},
		{ReasonNotInPlan, 402, "feature_not_in_plan"},
		{ReasonEntitlementNotFound, 402, "entitlement_not_found"},
		{ReasonLimitExceeded, 402, "usage_limit_exceeded"},
		{ReasonInsufficientCredits, 402, "insufficient_credits"},
		{ReasonBudgetExceeded, 402, "budget_exceeded"},
		{ReasonValueNotAllowed, 403, "value_not_allowed"},
		{ReasonCustomerIsArchived, 403, "customer_archived"},
		{ReasonRevoked, 403, "entitlement_revoked"},
		{ReasonCustomerNotFound, 403, "customer_not_found"},
		{ReasonResourceNotFound, 403, "resource_not_found"},
		{ReasonFeatureNotFound, 403, "feature_not_configured"},
		{ReasonFeatureMismatch, 403, "feature_type_mismatch"},
		{ReasonUnknown, 403, "access_denied"},
		{"SomethingNew", 403, "access_denied"},
		{ReasonUnresolved, 401, "customer_unresolved"},
		{ReasonCustomerConflict, 403, "customer_conflict"},
		{ReasonUnavailable, 503, "entitlements_unavailable"},
		{ReasonPending, 429, "concurrent_usage_pending"},
	}
	for _, tt := range tests {
		if a := tt.reason.answer(); a.Status != tt.status || a.Code != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", tt.reason, a.Status, a.Code, tt.status, tt.code)
		}
	}
}
