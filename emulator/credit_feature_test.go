package emulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// credits asks entitlementV2 whether an amount of tokens is there.
func credits(t testing.TB, srv *Server, amount float64) (granted bool, reason string) {
	t.Helper()
	a := asked(t, srv, `query($input: GetEntitlementV2Input!) { entitlementV2(query: $input) { ... on CreditEntitlement { isGranted accessDeniedReason } } }`,
		map[string]any{"customerId": spender, "currencyId": tokens, "options": map[string]any{"requestedUsage": amount}})
	reason, _ = dig(t, a.Data, "entitlementV2", "accessDeniedReason").(string)
	return dig(t, a.Data, "entitlementV2", "isGranted") == true, reason
}

func TestAFeatureWithARateDrawsOnItsWallet(t *testing.T) {
	srv := crediting(t)
	report := func(key string, value float64, behavior, createdAt string) any {
		t.Helper()
		in := map[string]any{"customerId": spender, "featureId": generations, "value": value, "updateBehavior": behavior, "idempotencyKey": key}
		if createdAt != "" {
			in["createdAt"] = createdAt
		}
		a := asked(t, srv, official(t, "ReportUsage"), in)
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors)
		}
		if end := dig(t, a.Data, "reportUsage", "credit", "usagePeriodEnd"); end != "2024-01-21T00:00:00.000Z" {
			t.Errorf("%s: the wallet's period ends %v", key, end)
		}
		return dig(t, a.Data, "reportUsage", "credit")
	}
	for _, step := range []struct {
		name, behavior, createdAt string
		value, costs, used        float64
	}{
		{"a change", "DELTA", "", 3, 6, 6},
		{"a change", "DELTA", "", 3, 6, 6},
		{"a return, which gives no credits back", "DELTA", "", -1, 0, 6},
		{"a larger total", "SET", "", 10, 16, 22},
		{"the same total", "SET", "", 10, 0, 22},
		{"a smaller total", "SET", "", 1, 0, 22},
		{"late, of the wallet of its own period", "DELTA", "2023-12-01T00:00:00Z", 5, 10, 22},
		{"a late total, over that of its own period", "SET", "2023-12-02T00:00:00Z", 6, 2, 22},
	} {
		got := report(step.name, step.value, step.behavior, step.createdAt)
		if dig(t, got, "consumed") != step.costs || dig(t, got, "currentUsage") != step.used || dig(t, got, "currencyId") != tokens {
			t.Errorf("%s: %v, want %v of %v", step.name, got, step.costs, step.used)
		}
	}
	wantCredits(t, srv.Emulator, "", 120, 22)
	asked(t, srv, official(t, "ReportUsage"), map[string]any{"customerId": spender, "featureId": "feature-seats", "value": 3})
	wantCredits(t, srv.Emulator, "", 120, 22)
	if n := len(srv.CreditUses()); n != 4 {
		t.Errorf("%d draws are recorded: %v", n, srv.CreditUses())
	}
}

func TestAMeterDrawsCreditsForItsEvents(t *testing.T) {
	srv := crediting(t)
	write := func(key string, words float64) map[string]any {
		return map[string]any{"customerId": spender, "eventName": "text_written", "idempotencyKey": key,
			"timestamp": isoTime(testNow), "dimensions": map[string]any{"words": words}}
	}
	for range 2 {
		asked(t, srv, official(t, "ReportEvent"), map[string]any{"usageEvents": []any{write("1", 10), write("2", 7), write("1", 10)}})
	}
	wantCredits(t, srv.Emulator, "", 120, 8.5)
	if u := srv.CreditUses(); len(u) != 2 || u[0].FeatureID != "feature-words" || u[0].IdempotencyKey != "1" || u[0].Amount != 5 {
		t.Errorf("recorded: %v", u)
	}
}

func TestABulkDrawsCreditsForEachMeasurementOnce(t *testing.T) {
	srv := crediting(t)
	m := func(key string, value float64) map[string]any {
		return map[string]any{"customerId": spender, "featureId": generations, "value": value, "idempotencyKey": key}
	}
	asked(t, srv, official(t, "ReportUsage"), m("1", 1))
	a := asked(t, srv, official(t, "ReportUsageBulk"), map[string]any{"usages": []any{m("1", 1), m("2", 2), m("2", 2), m("3", 3)}})
	var used []any
	for _, ack := range dig(t, a.Data, "reportUsageBulk").([]any) {
		used = append(used, dig(t, ack, "credit", "currentUsage"))
	}
	if got := fmt.Sprint(used); got != "[2 6 6 12]" {
		t.Errorf("the wallet after each: %s", got)
	}
	asked(t, srv, official(t, "ReportUsage"), m("3", 3))
	wantCredits(t, srv.Emulator, "", 120, 12)
}

func TestTheWalletDecidesAfterTheFeature(t *testing.T) {
	srv := crediting(t)
	decide := func(amount float64, want string) {
		t.Helper()
		if granted, reason := srv.Decide(spender, "", generations, &amount, nil); granted != (want == "") || reason != want {
			t.Errorf("%v generations: %v %q, want %q", amount, granted, reason, want)
		}
	}
	decide(60, "")
	decide(60.5, reasonInsufficientCredits)
	decide(1001, reasonRequestedUsageTooLarge)
	creditOperation(t, srv, "ConsumeCredits", use("k", 119))
	decide(0.5, "")
	decide(1, reasonInsufficientCredits)
	if granted, _ := credits(t, srv, 1); !granted {
		t.Error("the last token is denied")
	}
	if granted, reason := credits(t, srv, 1.1); granted || reason != reasonInsufficientCredits {
		t.Errorf("more than the last: %v %s", granted, reason)
	}
	const state = `query($input: FetchEntitlementsQuery!) { entitlementsState(query: $input) { entitlements { feature { refId } creditRate { amount currencyId } }
		entitlementsV2 { ... on CreditEntitlement { isGranted currency { currencyId unitPlural } usageLimit currentUsage hasSoftLimit usagePeriodEnd validUntil }
		... on FeatureEntitlement { feature { refId } creditRate { amount currencyId } } } } }`
	set := dig(t, asked(t, srv, state, map[string]any{"customerId": spender}).Data, "entitlementsState")
	const want = `{"currency":{"currencyId":"currency-tokens","unitPlural":"tokens"},"currentUsage":119,"hasSoftLimit":false,"isGranted":true,"usageLimit":120,` +
		`"usagePeriodEnd":"2024-01-21T00:00:00.000Z","validUntil":"2024-01-21T00:00:00.000Z"}`
	if got := format(dig(t, set, "entitlementsV2", 3)); got != want {
		t.Errorf("the wallet is %s\nwant %s", got, want)
	}
	if got := format(dig(t, set, "entitlementsV2", 0, "creditRate")); got != `{"amount":2,"currencyId":"currency-tokens"}` || len(dig(t, set, "entitlements").([]any)) != 3 {
		t.Errorf("the rate is %s in %v", got, set)
	}
	none := map[string]any{"customerId": "customer-tokens-none", "currencyId": tokens}
	a := asked(t, srv, `query($input: GetEntitlementV2Input!) { entitlementV2(query: $input) { ... on CreditEntitlement { isGranted accessDeniedReason } } }`, none)
	if got := format(dig(t, a.Data, "entitlementV2")); got != `{"accessDeniedReason":"NoActiveSubscription","isGranted":false}` {
		t.Errorf("without a plan: %s", got)
	}
}

func TestAnAddonAddsCredits(t *testing.T) {
	srv := crediting(t)
	must(t, srv.AddCustomer("c"))
	_, err := srv.Subscribe("c", "plan-scribe-team", Subscription{Addons: map[string]int{"addon-50-tokens": 2}})
	must(t, err)
	if granted, _, err := srv.Credits("c", "", tokens); granted != 200 || err != nil {
		t.Errorf("%v %v", granted, err)
	}
	must(t, srv.Archive("c"))
	if _, err := srv.GrantCredits("c", CreditGrant{CurrencyID: tokens, Amount: 1}); err == nil {
		t.Error("an archived customer was granted credits")
	}
}

func TestBalanceGrantsAndLedgerAreListed(t *testing.T) {
	srv := crediting(t)
	creditOperation(t, srv, "ConsumeCredits", use("k", 110))
	who := map[string]any{"customerId": spender}
	a := creditOperation(t, srv, "GetCreditBalance", who)
	if got := format(dig(t, a.Data, "creditBalanceSummary", "balances", 0)); !strings.Contains(got, `"currentBalance":10,`) || !strings.Contains(got, `"totalConsumed":110,"totalGranted":120,"validUntil":1705795200000`) {
		t.Errorf("balance: %s", got)
	}
	a = creditOperation(t, srv, "GetCreditGrants", map[string]any{"customerId": spender, "paging": map[string]any{"first": 2}})
	if got := dig(t, a.Data, "creditGrants", "pageInfo"); dig(t, got, "hasNextPage") != true || dig(t, got, "hasPreviousPage") != false ||
		dig(t, got, "endCursor") == nil || dig(t, got, "endCursor") == dig(t, got, "startCursor") || dig(t, a.Data, "creditGrants", "totalCount") != 4.0 {
		t.Errorf("grants: %v", a.Data)
	}
	var kinds []string
	after := ""
	for range 10 {
		in := map[string]any{"customerId": spender, "paging": map[string]any{"first": 2}}
		if after != "" {
			in["paging"] = map[string]any{"first": 2, "after": after}
		}
		a = creditOperation(t, srv, "GetCreditLedger", in)
		for _, edge := range dig(t, a.Data, "creditsLedger", "edges").([]any) {
			kinds = append(kinds, fmt.Sprint(strings.TrimPrefix(dig(t, edge, "node", "eventType").(string), "CREDITS_"), dig(t, edge, "node", "amount")))
		}
		if dig(t, a.Data, "creditsLedger", "pageInfo", "hasNextPage") != true {
			break
		}
		after = dig(t, a.Data, "creditsLedger", "pageInfo", "endCursor").(string)
	}
	if got := strings.Join(kinds, " "); got != "GRANTED20 GRANTED100 EXPIRED100 GRANTED100 EXPIRED100 GRANTED100 CONSUMED100 CONSUMED10" {
		t.Errorf("ledger: %s", got)
	}
	if a := creditOperation(t, srv, "GetCreditLedger", map[string]any{"customerId": spender, "paging": map[string]any{"after": "x"}}); a.code() != CodeBadUserInput {
		t.Errorf("a cursor that is none: %+v", a)
	}
}

func TestACatalogOfCreditsThatIsWrongNamesTheField(t *testing.T) {
	const head = `{"product": {"id": "p"}, "currencies": [{"id": "t"}], "features": [{"id": "a", "featureType": "NUMBER", "meterType": "Incremental"}, {"id": "b", "featureType": "BOOLEAN"}], `
	for _, c := range []struct{ name, text, want string }{
		{"a currency without an id", `{"product": {"id": "p"}, "currencies": [{}]}`, "currencies[0].id is missing"},
		{"a currency twice", `{"product": {"id": "p"}, "currencies": [{"id": "t"}, {"id": "t"}]}`, `currencies[1].id: "t" stands twice`},
		{"credits of an unknown currency", head + `"plans": [{"id": "p", "creditEntitlements": [{"currencyId": "x", "amount": 1}]}]}`, `plans[0].creditEntitlements[0].currencyId: no currency "x"`},
		{"credits below 0", head + `"plans": [{"id": "p", "creditEntitlements": [{"currencyId": "t", "amount": -1}]}]}`, "plans[0].creditEntitlements[0].amount"},
		{"credits by the week", head + `"plans": [{"id": "p", "creditEntitlements": [{"currencyId": "t", "cadence": "WEEK"}]}]}`, "plans[0].creditEntitlements[0].cadence"},
		{"a rate of an unknown currency", head + `"plans": [{"id": "p", "entitlements": [{"featureId": "a", "creditRate": {"currencyId": "x", "amount": 1}}]}]}`, "plans[0].entitlements[0].creditRate.currencyId"},
		{"a rate of nothing", head + `"plans": [{"id": "p", "entitlements": [{"featureId": "a", "creditRate": {"currencyId": "t"}}]}]}`, "plans[0].entitlements[0].creditRate.amount"},
		{"a rate of a boolean", head + `"plans": [{"id": "p", "entitlements": [{"featureId": "b", "creditRate": {"currencyId": "t", "amount": 1}}]}]}`, "plans[0].entitlements[0].creditRate"},
		{"a customer's grant of an unknown currency", head + `"customers": [{"id": "c", "creditGrants": [{"currencyId": "x", "amount": 1}]}]}`, "customers[0].creditGrants[0]: currencyId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(WithCatalog(strings.NewReader(c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

func TestCountingCanTakeItsTime(t *testing.T) {
	srv := crediting(t, WithCountingDelay(10*time.Second))
	creditOperation(t, srv, "ConsumeCreditsAsync", map[string]any{"consumptions": []any{use("k", 4)}})
	ev := map[string]any{"customerId": spender, "eventName": "text_written", "idempotencyKey": "k", "dimensions": map[string]any{"words": 10}}
	asked(t, srv, official(t, "ReportEvent"), map[string]any{"usageEvents": []any{ev}})
	creditOperation(t, srv, "ConsumeCredits", use("at once", 1))
	srv.Advance(9*time.Second + 999*time.Millisecond)
	wantCredits(t, srv.Emulator, "", 120, 1)
	if n := len(srv.Events()); n != 1 {
		t.Errorf("%d events are recorded", n)
	}
	srv.Advance(time.Millisecond)
	wantCredits(t, srv.Emulator, "", 120, 10)
	if got := usageNow(t, srv.Emulator, spender, "", "feature-words"); got != 10 {
		t.Errorf("%v words", got)
	}
	if _, err := New(WithCountingDelay(-1)); err == nil {
		t.Error("a delay below 0")
	}
}
