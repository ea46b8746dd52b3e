package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

const tokens = "currency-tokens"

var spender = gate.Customer{ID: "customer-tokens"}

// crediting is a client of an emulated Stigg that sells credits, over a real
// connection.
func crediting(t *testing.T, opts ...emulator.Option) (*client.Client, *emulator.Server) {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", append(opts, emulator.WithCreditsDemo())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	c, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return c, stigg
}

func consumed(t *testing.T, stigg *emulator.Server, c gate.Customer) float64 {
	t.Helper()
	_, used, err := stigg.Credits(c.ID, c.Resource, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func TestEmulatedCreditsAreConsumedOnce(t *testing.T) {
	c, stigg := crediting(t)
	ctx := context.Background()
	// The answer is lost, and the client asks again with the same key.
	if err := stigg.Fault(emulator.Fault{Operation: "consumeCredits", Drop: "after", Count: 1}); err != nil {
		t.Fatal(err)
	}
	u := client.CreditUse{Customer: spender, CurrencyID: tokens, Amount: 12.5, Key: "k1", CreatedAt: stigg.Now()}
	for range 2 {
		ack, err := c.ConsumeCredits(ctx, u)
		if err != nil || ack.CurrencyID != tokens || ack.Usage != 12.5 || ack.At.IsZero() || ack.PeriodEnd.IsZero() {
			t.Fatalf("got %+v, %v", ack, err)
		}
	}
	set, err := c.Entitlements(ctx, spender)
	if err != nil || len(set.Credits) != 1 || set.Credits[0].Usage != 12.5 || set.Credits[0].Limit != 120 {
		t.Errorf("got %+v, %v", set.Credits, err)
	}
}

func TestEmulatedCreditsAreConsumedLater(t *testing.T) {
	c, stigg := crediting(t, emulator.WithCountingDelay(10*time.Second))
	uses := make([]client.CreditUse, client.MaxConsumptions)
	for i := range uses {
		uses[i] = client.CreditUse{Customer: spender, CurrencyID: tokens, Amount: 0.1, Key: fmt.Sprint(i / 2), CreatedAt: stigg.Now()}
	}
	for range 2 {
		if err := c.ConsumeCreditsAsync(context.Background(), uses); err != nil {
			t.Fatal(err)
		}
	}
	if used := consumed(t, stigg, spender); used != 0 {
		t.Errorf("%v at once", used)
	}
	stigg.Advance(10 * time.Minute)
	if used := consumed(t, stigg, spender); used < 49.99 || used > 50.01 {
		t.Errorf("%v later, want 50", used)
	}
}

func TestEmulatedRefusalsOfCreditsArePermanent(t *testing.T) {
	c, stigg := crediting(t)
	for name, test := range map[string]struct {
		customer, currency string
		want               client.Code
	}{
		"an unknown currency":  {spender.ID, "currency-x", "CustomCurrencyNotFound"},
		"an unknown customer":  {"customer-x", tokens, client.ErrCustomerNotFound},
		"an archived customer": {"customer-tokens-archived", tokens, client.ErrArchived},
	} {
		t.Run(name, func(t *testing.T) {
			bad := client.CreditUse{Customer: gate.Customer{ID: test.customer}, CurrencyID: test.currency, Amount: 1, Key: name}
			_, err := c.ConsumeCredits(context.Background(), bad)
			var e *client.Error
			if !errors.As(err, &e) || !errors.Is(err, test.want) || !e.Permanent() {
				t.Errorf("the error is %v", err)
			}
			good := client.CreditUse{Customer: spender, CurrencyID: tokens, Amount: 1, Key: name}
			if err := c.ConsumeCreditsAsync(context.Background(), []client.CreditUse{good, bad}); !errors.Is(err, test.want) {
				t.Errorf("the batch's error is %v", err)
			}
		})
	}
	if used := consumed(t, stigg, spender); used != 0 {
		t.Errorf("%v consumed", used)
	}
}

func TestEmulatedUsageOfAFeatureDrawsCredits(t *testing.T) {
	c, stigg := crediting(t)
	ack, err := c.ReportUsage(context.Background(), client.Measurement{Customer: spender, FeatureID: "feature-generations", Value: 3, Key: "k", CreatedAt: stigg.Now()})
	if err != nil || ack.Usage != 3 || ack.Credit == nil || ack.Credit.CurrencyID != tokens || ack.Credit.Usage != 6 || ack.Credit.PeriodEnd.IsZero() {
		t.Errorf("got %+v %+v, %v", ack, ack.Credit, err)
	}
}
