package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

func TestCreditsAreGrantedListedAndVoided(t *testing.T) {
	c, stigg := crediting(t)
	ctx := t.Context()
	balances, err := c.CreditBalance(ctx, spender, tokens)
	if err != nil || len(balances) != 1 || balances[0].Customer != spender || balances[0].Currency.ID != tokens || balances[0].Current != 120 || balances[0].Granted != 120 {
		t.Fatalf("got %+v, %v", balances, err)
	}
	made, err := c.GrantCredits(ctx, client.GrantCreditsInput{Customer: spender, CurrencyID: tokens, Amount: 30, Name: "Sorry", Comment: "for the outage",
		ExpireAt: stigg.Now().AddDate(0, 1, 0), Metadata: map[string]any{"ticket": "T-1"}})
	if err != nil || made.ID == "" || made.Amount != 30 || made.Type != "PROMOTIONAL" || made.Status != "ACTIVE" || made.Name != "Sorry" || made.ExpireAt.IsZero() {
		t.Fatalf("got %+v, %v", made, err)
	}
	q := client.CreditQuery{Customer: spender, CurrencyID: tokens, Paging: client.Paging{Size: 1}}
	page, err := c.CreditGrants(ctx, q)
	if err != nil || len(page.Items) != 1 || page.Total < 2 || !page.HasNext {
		t.Fatalf("got %+v, %v", page, err)
	}
	seen := map[string]bool{}
	for g, err := range c.AllCreditGrants(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		seen[g.ID] = true
	}
	if len(seen) != page.Total || !seen[made.ID] {
		t.Errorf("listed %v of %d", seen, page.Total)
	}
	if voided, err := c.VoidCreditGrant(ctx, made.ID); err != nil || voided.Status != "VOIDED" || voided.VoidedAt.IsZero() {
		t.Errorf("got %+v, %v", voided, err)
	}
	if _, err := c.VoidCreditGrant(ctx, "grant-of-nobody"); !errors.Is(err, client.ErrCreditGrantNotFound) {
		t.Errorf("the error is %v", err)
	}
	events, kinds := 0, map[string]bool{}
	for e, err := range c.AllCreditLedger(ctx, client.CreditQuery{Customer: spender, CurrencyID: tokens, Paging: client.Paging{Size: 2}}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.At.IsZero() || e.CustomerID != spender.ID {
			t.Errorf("the entry is %+v", e)
		}
		events++
		kinds[e.Type] = true
	}
	if !kinds["CREDITS_GRANTED"] || !kinds["CREDITS_VOIDED"] {
		t.Errorf("%d entries of %v", events, kinds)
	}
	only, err := c.CreditLedger(ctx, client.CreditQuery{Customer: spender, Types: []string{"CREDITS_VOIDED"}})
	if err != nil || len(only.Items) != 1 || only.Items[0].GrantID != made.ID {
		t.Errorf("got %+v, %v", only, err)
	}
	paid, err := c.GrantCredits(ctx, client.GrantCreditsInput{Customer: spender, CurrencyID: tokens, Amount: 10, Name: "Bought", Paid: true, Cost: &client.Money{Amount: 5, Currency: "USD"}})
	if err != nil || paid.Type != "PAID" || paid.Cost.Amount != 5 {
		t.Errorf("got %+v, %v", paid, err)
	}
}

func TestTheUseOfCredits(t *testing.T) {
	c, stigg := crediting(t)
	ctx := t.Context()
	if _, err := c.ReportUsage(ctx, client.Measurement{Customer: spender, FeatureID: "feature-generations", Value: 3, Key: "k", CreatedAt: stigg.Now()}); err != nil {
		t.Fatal(err)
	}
	usage, err := c.CreditUsage(ctx, client.CreditUsageQuery{Customer: spender, CurrencyID: tokens, Range: "LAST_MONTH"})
	if err != nil || len(usage.Series) == 0 || usage.Series[0].Total != 6 || usage.Series[0].FeatureID != "feature-generations" || len(usage.Series[0].Points) == 0 {
		t.Errorf("got %+v, %v", usage, err)
	}
	cost, err := c.EstimateUsageCost(ctx, client.Measurement{Customer: spender, FeatureID: "feature-generations", Value: 4})
	if err != nil || len(cost.Currencies) != 1 || cost.Currencies[0].Cost != 8 || cost.Currencies[0].Balance != 114 || cost.Currencies[0].WouldOverdraft {
		t.Errorf("got %+v, %v", cost, err)
	}
	cost, err = c.EstimateUsageCost(ctx, client.Measurement{Customer: spender, FeatureID: "feature-seats", Value: 1})
	if err != nil || len(cost.Currencies) != 0 || len(cost.Warnings) != 1 || cost.Warnings[0] != "FEATURE_NOT_CREDIT_BASED" {
		t.Errorf("got %+v, %v", cost, err)
	}
	cost, err = c.EstimateEventCost(ctx, client.Event{Customer: spender, Name: "text_written", Dimensions: map[string]any{"words": 20}})
	if err != nil || len(cost.Currencies) != 1 || cost.Currencies[0].Cost != 10 {
		t.Errorf("got %+v, %v", cost, err)
	}
}

func TestAWalletIsFilledUpByItself(t *testing.T) {
	c, _ := crediting(t)
	ctx := t.Context()
	most := 200.0
	want := client.AutoRecharge{CustomerID: spender.ID, CurrencyID: tokens, Enabled: true, ThresholdType: "CreditAmount", Threshold: 10, TargetBalance: 50, MaxSpend: &most, Expiration: "OneMonth"}
	saved, err := c.SaveAutoRecharge(ctx, want)
	if err != nil || !saved.Enabled || saved.Threshold != 10 || saved.TargetBalance != 50 || saved.MaxSpend == nil || *saved.MaxSpend != most {
		t.Fatalf("got %+v, %v", saved, err)
	}
	if found, err := c.AutoRecharge(ctx, spender.ID, tokens); err != nil || found.Threshold != 10 || found.Expiration != "OneMonth" {
		t.Errorf("got %+v, %v", found, err)
	}
	want.Threshold = -1
	if _, err := c.SaveAutoRecharge(ctx, want); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("the error is %v", err)
	}
}

func TestAWalletIsDecidedByStigg(t *testing.T) {
	c, _ := crediting(t)
	ctx := t.Context()
	if got, err := c.CreditEntitlement(ctx, spender, tokens, 100); err != nil || !got.Granted || got.Limit != 120 || got.CurrencyID != tokens {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := c.CreditEntitlement(ctx, spender, tokens, 121); err != nil || got.Granted || got.Denied != gate.ReasonInsufficientCredits {
		t.Errorf("more than there is: %+v, %v", got, err)
	}
	if got, err := c.CreditEntitlement(ctx, gate.Customer{ID: "nobody"}, tokens, 0); err != nil || got.Denied != gate.ReasonCustomerNotFound {
		t.Errorf("of nobody: %+v, %v", got, err)
	}
	if _, err := c.CreditEntitlement(ctx, spender, "currency-of-nobody", 0); !errors.Is(err, client.ErrCurrencyNotFound) {
		t.Errorf("an unknown currency: %v", err)
	}
}

func TestUsageIsReportedAndReadAsTheSamplesDo(t *testing.T) {
	c, stigg := emulated(t)
	ctx := t.Context()
	start := stigg.Now().Add(-time.Hour)
	ack, err := c.ReportUsage(ctx, client.Measurement{Customer: demo, FeatureID: campaigns, Value: 3, Behavior: client.Set, Key: "set", CreatedAt: stigg.Now()})
	if err != nil || ack.Usage != 3 || ack.PeriodEnd.IsZero() {
		t.Fatalf("got %+v, %v", ack, err)
	}
	history, err := c.UsageHistory(ctx, client.UsageHistoryQuery{Customer: demo, FeatureID: campaigns, Start: start})
	if err != nil || len(history.Series) != 1 || len(history.Series[0].Points) == 0 {
		t.Fatalf("got %+v, %v", history, err)
	}
	points := history.Series[0].Points
	if last := points[len(points)-1]; last.Value != 3 {
		t.Errorf("the last point is %+v", last)
	}
	if _, err := c.UsageHistory(ctx, client.UsageHistoryQuery{Customer: demo, FeatureID: campaigns}); !errors.Is(err, client.ErrInvalidInput) {
		t.Errorf("since never: %v", err)
	}
	if _, err := c.UsageHistory(ctx, client.UsageHistoryQuery{Customer: demo, FeatureID: "feature-of-nobody", Start: start}); !errors.Is(err, client.ErrFeatureNotFound) {
		t.Errorf("the error is %v", err)
	}
	e, err := c.Entitlement(ctx, client.EntitlementQuery{Customer: demo, FeatureID: campaigns, RequestedUsage: amount(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReportEntitlementCheck(ctx, client.EntitlementQuery{Customer: demo, FeatureID: campaigns, RequestedUsage: amount(1)}, e); err != nil {
		t.Error(err)
	}
	if set, err := c.EntitlementsState(ctx, demo); err != nil || len(set.Features) == 0 {
		t.Errorf("got %+v, %v", set, err)
	}
}
