package client

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
)

// consumedJSON is Stigg's answer to one consumption of acme.
const consumedJSON = `{"data":{"consumeCredits":{"customerId":"acme","currencyId":"tokens","resourceId":null,
	"credit":{"currencyId":"tokens","currentUsage":40.25,"usagePeriodEnd":"2026-05-05T12:30:00Z","timestamp":"2026-05-06T12:30:00Z"}}}}`

func consumption() CreditUse {
	return CreditUse{Customer: acme, CurrencyID: "tokens", Amount: 2, Key: "k"}
}

func TestConsumeCreditsSendsWhatItIsGiven(t *testing.T) {
	c, rec := serve(t, says(200, consumedJSON))
	c.now = func() time.Time { return day(9) }
	u := consumption()
	u.Amount, u.Dimensions = 0.0000001, map[string]any{"model": "large"}
	ack, err := c.ConsumeCredits(context.Background(), u)
	if want := (gate.CreditAck{CurrencyID: "tokens", Usage: 40.25, PeriodEnd: day(5), At: day(6)}); err != nil || ack != want {
		t.Errorf("got %+v, %v, want %+v", ack, err, want)
	}
	want := `{"amount":1e-7,"createdAt":"2026-05-09T12:30:00.000Z","currencyId":"tokens","customerId":"acme","dimensions":{"model":"large"},"idempotencyKey":"k"}`
	if got := string(rec.last(t).body.Variables["input"]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestConsumeCreditsAsyncSendsWhatItIsGiven(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"consumeCreditsAsync":null}}`))
	second := consumption()
	second.Customer.Resource, second.Key, second.CreatedAt = "site-1", "k2", day(4)
	first := consumption()
	first.CreatedAt = day(3)
	if err := c.ConsumeCreditsAsync(context.Background(), []CreditUse{first, second}); err != nil {
		t.Fatal(err)
	}
	want := `{"consumptions":[{"amount":2,"createdAt":"2026-05-03T12:30:00.000Z","currencyId":"tokens","customerId":"acme","idempotencyKey":"k"},` +
		`{"amount":2,"createdAt":"2026-05-04T12:30:00.000Z","currencyId":"tokens","customerId":"acme","idempotencyKey":"k2","resourceId":"site-1"}]}`
	if got := string(rec.last(t).body.Variables["input"]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestAnswersOfConsumeCreditsMustMatch(t *testing.T) {
	other := func(old, now string) string { return strings.Replace(consumedJSON, old, now, 1) }
	for name, body := range map[string]string{
		"another customer's":         other(`"acme"`, `"evil"`),
		"another currency's":         other(`"tokens"`, `"coins"`),
		"a balance of another":       other(`"credit":{"currencyId":"tokens"`, `"credit":{"currencyId":"coins"`),
		"another resource's":         other(`"resourceId":null`, `"resourceId":"r"`),
		"an empty one":               `{"data":{"consumeCredits":{}}}`,
		"none":                       `{"data":{}}`,
		"null where it can't be one": `{"data":{"consumeCredits":null}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, body))
			ack, err := c.ConsumeCredits(context.Background(), consumption())
			if e := errorOf(t, err); !errors.Is(err, ErrBadResponse) || e.Permanent() || ack != (gate.CreditAck{}) {
				t.Errorf("got %+v, %v", ack, err)
			}
		})
	}
	t.Run("a balance that is not told", func(t *testing.T) {
		c, _ := serve(t, says(200, `{"data":{"consumeCredits":{"customerId":"acme","currencyId":"tokens","credit":null}}}`))
		if ack, err := c.ConsumeCredits(context.Background(), consumption()); err != nil || ack != (gate.CreditAck{}) {
			t.Errorf("got %+v, %v", ack, err)
		}
	})
}

func TestMalformedConsumptionsAreNotSent(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"consumeCreditsAsync":null}}`))
	ctx := context.Background()
	for name, spoil := range map[string]func(*CreditUse){
		"no customer":    func(u *CreditUse) { u.Customer = gate.Customer{} },
		"a bad customer": func(u *CreditUse) { u.Customer.ID = "victim " },
		"a bad resource": func(u *CreditUse) { u.Customer.Resource = "victim/x" },
		"no currency":    func(u *CreditUse) { u.CurrencyID = "" },
		"no key":         func(u *CreditUse) { u.Key = "" },
		"nothing":        func(u *CreditUse) { u.Amount = 0 },
		"a return":       func(u *CreditUse) { u.Amount = -1 },
		"NaN":            func(u *CreditUse) { u.Amount = math.NaN() },
		"infinity":       func(u *CreditUse) { u.Amount = math.Inf(1) },
		"a far time":     func(u *CreditUse) { u.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a channel":      func(u *CreditUse) { u.Dimensions = map[string]any{"victim": make(chan int)} },
		"over 1 MB":      func(u *CreditUse) { u.Dimensions = map[string]any{"c": strings.Repeat("x", MaxEventSize)} },
	} {
		t.Run(name, func(t *testing.T) {
			u := consumption()
			spoil(&u)
			_, err := c.ConsumeCredits(ctx, u)
			refusedHere(t, err)
			refusedHere(t, c.ConsumeCreditsAsync(ctx, []CreditUse{consumption(), u}))
		})
	}
	t.Run("more than a batch", func(t *testing.T) {
		refusedHere(t, c.ConsumeCreditsAsync(ctx, make([]CreditUse, MaxConsumptions+1)))
	})
	t.Run("an empty batch, which is no error", func(t *testing.T) {
		if err := c.ConsumeCreditsAsync(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}

func TestConsumptionsAreRepeatedAsTheyWere(t *testing.T) {
	for name, test := range map[string]struct {
		good string
		call func(*Client) error
	}{
		"ConsumeCredits": {consumedJSON, func(c *Client) error {
			_, err := c.ConsumeCredits(context.Background(), consumption())
			return err
		}},
		"ConsumeCreditsAsync": {`{"data":{"consumeCreditsAsync":null}}`, func(c *Client) error {
			return c.ConsumeCreditsAsync(context.Background(), []CreditUse{consumption()})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := plays(drops, replies(200, test.good))
				if err := test.call(scripted(t, s)); err != nil {
					t.Fatal(err)
				}
				if len(s.bodies) != 2 || s.bodies[0] != s.bodies[1] {
					t.Errorf("sent %q", s.bodies)
				}
			})
		})
	}
}
