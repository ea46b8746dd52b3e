package emulator

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	tokens      = "currency-tokens"
	spender     = "customer-tokens" // 100 tokens of the month to 21 January and 20 for ever
	generations = "feature-generations"
)

// creditOperation sends an official document about credits over a real socket.
func creditOperation(t testing.TB, srv *Server, operation string, in map[string]any) answer {
	t.Helper()
	doc, err := os.ReadFile("testdata/credits/" + operation + ".graphql")
	must(t, err)
	return asked(t, srv, string(doc), in)
}

func asked(t testing.TB, srv *Server, doc string, in map[string]any) answer {
	t.Helper()
	return sent(t, srv, format(map[string]any{"query": doc, "variables": map[string]any{"input": in}}))
}

func crediting(t *testing.T, opts ...Option) *Server {
	t.Helper()
	return listening(t, append([]Option{WithClock(func() time.Time { return testNow }), WithCreditsDemo()}, opts...)...)
}

func use(key string, amount float64, changes ...func(map[string]any)) map[string]any {
	in := map[string]any{"customerId": spender, "currencyId": tokens, "amount": amount, "idempotencyKey": key}
	for _, change := range changes {
		change(in)
	}
	return in
}

// wantCredits compares what is granted and consumed of the present wallet.
func wantCredits(t testing.TB, e *Emulator, resource string, granted, consumed float64) {
	t.Helper()
	g, c, err := e.Credits(spender, resource, tokens)
	must(t, err)
	if math.Abs(g-granted) > 1e-9 || math.Abs(c-consumed) > 1e-9 {
		t.Errorf("%v of %v consumed, want %v of %v", c, g, consumed, granted)
	}
}

func TestConsumptionsThatAreRefused(t *testing.T) {
	srv := crediting(t)
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		want   Code
	}{
		{"of an unknown customer", with("customerId", "nobody"), CodeCustomerNotFound},
		{"of an archived customer", with("customerId", "customer-tokens-archived"), CodeEntityIsArchived},
		{"of an unknown currency", with("currencyId", "currency-x"), CodeCurrencyNotFound},
		{"of nothing", with("amount", 0), CodeBadUserInput},
		{"of less than nothing", with("amount", -1), CodeBadUserInput},
		{"of more than can be counted", with("amount", 1e300), CodeAmountTooLarge},
		{"without a key", with("idempotencyKey", ""), CodeBadUserInput},
		{"of a resource that can't be one", with("resourceId", "a@b"), CodeBadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := use("k", 1, c.change)
			if a := creditOperation(t, srv, "ConsumeCredits", bad); a.Status != 200 || a.Data != nil || a.code() != c.want || a.Errors[0].Extensions.IsValidationError != c.want.ofInput() {
				t.Errorf("%+v, want %s", a, c.want)
			}
			batch := map[string]any{"consumptions": []any{use("k", 1), bad}}
			if a := creditOperation(t, srv, "ConsumeCreditsAsync", batch); a.Status != 200 || a.code() != c.want {
				t.Errorf("a batch: %+v, want %s", a, c.want)
			}
		})
	}
	var many []any
	for i := range maxConsumptions + 1 {
		many = append(many, use(fmt.Sprint(i), 0.01))
	}
	if a := creditOperation(t, srv, "ConsumeCreditsAsync", map[string]any{"consumptions": many}); a.code() != CodeBadUserInput {
		t.Errorf("one too many: %+v", a)
	}
	if n := len(srv.CreditUses()); n != 0 {
		t.Errorf("%d recorded", n)
	}
	if a := creditOperation(t, srv, "ConsumeCreditsAsync", map[string]any{"consumptions": many[:maxConsumptions]}); len(a.Errors) > 0 {
		t.Errorf("%+v", a)
	}
	wantCredits(t, srv.Emulator, "", 120, 10)
}

func TestTheSameConsumptionCountsOnce(t *testing.T) {
	srv := crediting(t)
	first := creditOperation(t, srv, "ConsumeCredits", use("k", 30))
	want := `{"consumeCredits":{"amount":30,"credit":{"currencyId":"currency-tokens","currentUsage":30,"timestamp":"2024-01-15T10:00:00.000Z","usageLimit":120,"usagePeriodEnd":"2024-01-21T00:00:00.000Z"},` +
		`"currencyId":"currency-tokens","customerId":"customer-tokens","resourceId":null,"timestamp":"2024-01-15T10:00:00.000Z"}}`
	if format(first.Data) != want {
		t.Errorf("answered %s\nwant %s", format(first.Data), want)
	}
	creditOperation(t, srv, "ConsumeCredits", use("other", 1))
	if again := creditOperation(t, srv, "ConsumeCredits", use("k", 99)); format(again.Data) != want {
		t.Errorf("answered %s again", format(again.Data))
	}
	creditOperation(t, srv, "ConsumeCreditsAsync", map[string]any{"consumptions": []any{use("k", 30), use("new", 2), use("new", 2)}})
	wantCredits(t, srv.Emulator, "", 120, 33)
	none := creditOperation(t, srv, "ConsumeCredits", use("k", 5, with("resourceId", "site-1")))
	if dig(t, none.Data, "consumeCredits", "credit") != nil {
		t.Errorf("a wallet out of nothing: %v", none.Data)
	}
	var duplicates []bool
	for _, u := range srv.CreditUses() {
		duplicates = append(duplicates, u.Duplicate)
	}
	if got := fmt.Sprint(duplicates); got != "[false false true true false true false]" {
		t.Errorf("recorded as duplicates: %s", got)
	}
	window := send(t.Context(), "GET", srv.URL()+"/_emulator/credits", "")
	if !strings.Contains(strings.Join(strings.Fields(window.body), ""), `"idempotencyKey":"k","customerId":"customer-tokens","resourceId":"site-1","currencyId":"currency-tokens","featureId":null,"amount":5,"createdAt":"2024-01-15T10:00:00.000Z","duplicate":false}]`) {
		t.Errorf("%d: %s", window.status, window.body)
	}
}

func TestCreditsComeAnewAndLateConsumptionsComeFromTheirOwnPeriod(t *testing.T) {
	srv := crediting(t)
	creditOperation(t, srv, "ConsumeCredits", use("1", 90))
	creditOperation(t, srv, "ConsumeCredits", use("late", 60, with("createdAt", "2023-12-01T00:00:00Z")))
	wantCredits(t, srv.Emulator, "", 120, 90)
	creditOperation(t, srv, "ConsumeCredits", use("2", 25))
	wantCredits(t, srv.Emulator, "", 120, 115) // 100 of the month, 15 of those for ever
	srv.Advance(7 * 24 * time.Hour)
	wantCredits(t, srv.Emulator, "", 120, 15)
	creditOperation(t, srv, "ConsumeCredits", use("3", 7, with("createdAt", isoTime(testNow))))
	wantCredits(t, srv.Emulator, "", 120, 20) // 5 more of those for ever; 2 were not there
	creditOperation(t, srv, "ConsumeCredits", use("4", 130))
	wantCredits(t, srv.Emulator, "", 120, 150)
	srv.Advance(31 * 24 * time.Hour)
	wantCredits(t, srv.Emulator, "", 120, 20)
}

func TestGrantsAreConsumedByPriorityAndEnd(t *testing.T) {
	srv := crediting(t)
	grant := func(name string, amount, priority float64, expires string) {
		in := map[string]any{"customerId": spender, "currencyId": tokens, "amount": amount, "priority": priority, "displayName": name, "grantType": "PROMOTIONAL"}
		if expires != "" {
			in["expireAt"] = expires
		}
		if a := creditOperation(t, srv, "GrantCredits", in); len(a.Errors) > 0 || dig(t, a.Data, "createCreditGrant", "status") != "ACTIVE" {
			t.Fatalf("%+v", a)
		}
	}
	grant("last", 10, 1, "2024-01-16T00:00:00Z")
	grant("first", 10, -1, "")
	grant("soon", 10, 0, "2024-01-20T00:00:00Z")
	wantCredits(t, srv.Emulator, "", 150, 0)
	creditOperation(t, srv, "ConsumeCredits", use("k", 143))
	a := creditOperation(t, srv, "GetCreditGrants", map[string]any{"customerId": spender, "currencyId": tokens})
	left := map[string]float64{}
	for _, edge := range dig(t, a.Data, "creditGrants", "edges").([]any) {
		g := dig(t, edge, "node")
		if dig(t, g, "status") == "ACTIVE" {
			left[dig(t, g, "displayName").(string)] = dig(t, g, "amount").(float64) - dig(t, g, "consumedAmount").(float64)
		}
	}
	if got := fmt.Sprint(left); got != "map[Tokens:0 Welcome:0 first:0 last:7 soon:0]" {
		t.Errorf("left: %s", got)
	}
	srv.Advance(24 * time.Hour)
	wantCredits(t, srv.Emulator, "", 140, 140)
}

func TestAGrantPaysWhatWasOverdrawnBeforeIt(t *testing.T) {
	srv := crediting(t)
	creditOperation(t, srv, "ConsumeCredits", use("k", 150))
	wantCredits(t, srv.Emulator, "", 120, 150)
	if granted, reason := credits(t, srv, 0); granted || reason != reasonInsufficientCredits {
		t.Errorf("overdrawn: %v %s", granted, reason)
	}
	_, err := srv.GrantCredits(spender, CreditGrant{CurrencyID: tokens, Amount: 40})
	must(t, err)
	wantCredits(t, srv.Emulator, "", 160, 150)
	creditOperation(t, srv, "ConsumeCredits", use("k2", 25)) // 10 of the grant, 15 that no grant has
	wantCredits(t, srv.Emulator, "", 160, 175)
	srv.Advance(7 * 24 * time.Hour)
	wantCredits(t, srv.Emulator, "", 160, 60)
	_, err = srv.GrantCredits(spender, CreditGrant{CurrencyID: tokens, Amount: 40})
	must(t, err)
	wantCredits(t, srv.Emulator, "", 200, 60) // what was overdrawn in a period that is over is no debt
}

func TestAGrantCanBeVoided(t *testing.T) {
	srv := crediting(t)
	id, err := srv.GrantCredits(spender, CreditGrant{CurrencyID: tokens, Amount: 40, Priority: -1, ExpireAt: testNow.Add(time.Hour)})
	must(t, err)
	creditOperation(t, srv, "ConsumeCredits", use("k", 15))
	a := creditOperation(t, srv, "VoidCreditGrant", map[string]any{"id": id})
	if dig(t, a.Data, "voidCreditGrant", "status") != "VOIDED" || dig(t, a.Data, "voidCreditGrant", "voidedAt") == nil {
		t.Errorf("%+v", a)
	}
	wantCredits(t, srv.Emulator, "", 120, 0)
	if a := creditOperation(t, srv, "VoidCreditGrant", map[string]any{"id": id}); a.code() != CodeGrantAlreadyVoided {
		t.Errorf("again: %+v", a)
	}
	if a := creditOperation(t, srv, "VoidCreditGrant", map[string]any{"id": "x"}); a.code() != CodeGrantNotFound {
		t.Errorf("none: %+v", a)
	}
	id, err = srv.GrantCredits(spender, CreditGrant{CurrencyID: tokens, Amount: 1, ExpireAt: testNow.Add(time.Hour)})
	must(t, err)
	srv.Advance(2 * time.Hour)
	if a := creditOperation(t, srv, "VoidCreditGrant", map[string]any{"id": id}); a.code() != CodeGrantCannotBeVoided {
		t.Errorf("expired: %+v", a)
	}
	for _, in := range []struct {
		amount  float64
		expires time.Time
		want    Code
	}{{0, time.Time{}, CodeBadUserInput}, {1e300, time.Time{}, CodeAmountTooLarge}, {1, testNow.Add(-time.Hour), CodeExpireBeforeEffective}} {
		_, err := srv.GrantCredits(spender, CreditGrant{CurrencyID: tokens, Amount: in.amount, ExpireAt: in.expires})
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != in.want {
			t.Errorf("%v: %v", in, err)
		}
	}
}

// TestNoCreditIsLostNorInvented: what is consumed of grants and overdrawn is what
// was accepted, whatever the order of grants, consumptions and moves of the clock.
func TestNoCreditIsLostNorInvented(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newTest(t, WithCreditsDemo())
		want := 0.0
		seen := map[string]bool{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				e.Advance(time.Duration(rapid.IntRange(0, 40*24).Draw(rt, "hours")) * time.Hour)
			case 1:
				g := CreditGrant{CurrencyID: tokens, Amount: float64(rapid.IntRange(1, 90).Draw(rt, "granted")), Priority: float64(rapid.IntRange(-1, 1).Draw(rt, "priority"))}
				if rapid.Bool().Draw(rt, "expires") {
					g.ExpireAt = e.Now().Add(time.Duration(rapid.IntRange(1, 900).Draw(rt, "lifetime")) * time.Hour)
				}
				_, err := e.GrantCredits(spender, g)
				must(t, err)
			default:
				key := fmt.Sprint(rapid.IntRange(0, 30).Draw(rt, "key"))
				amount := float64(rapid.IntRange(1, 800).Draw(rt, "amount")) / 10
				ago := time.Duration(rapid.IntRange(0, 900).Draw(rt, "ago")) * time.Hour
				ask(t, e, `mutation($input: ConsumeCreditInput!) { consumeCredits(input: $input) { amount } }`,
					map[string]any{"input": use(key, amount, with("createdAt", isoTime(e.Now().Add(-ago))))})
				if !seen[key] {
					want += amount
				}
				seen[key] = true
			}
		}
		got := 0.0
		p := e.world.customers[spender].purse
		for _, g := range p.grants {
			got += g.consumed
			if g.consumed > g.amount+1e-9 || g.consumed < 0 {
				rt.Fatalf("%v of %v consumed", g.consumed, g.amount)
			}
		}
		for _, o := range p.overdrafts {
			got += o.amount
		}
		if math.Abs(got-want) > 1e-6 {
			rt.Fatalf("%v are accounted for, %v were accepted", got, want)
		}
	})
}
